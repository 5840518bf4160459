"""Forwards MQTT messages to Amazon Data Firehose in batches.

What one writes who has mosquitto and needs its messages in AWS: paho-mqtt receives over a
persistent session at QoS 1, boto3 sends up to 500 records at once, and whatever fails is sent
again for as long as it takes. `perennial-benches` measures the gateway beside it.
"""

import argparse
import logging
import queue
import time

import boto3
import paho.mqtt.client as mqtt
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

MAX_RECORDS = 500
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0

log = logging.getLogger("uplink")


def main():
    arguments = parse_arguments()
    logging.basicConfig(level=logging.INFO)
    messages = queue.SimpleQueue()
    client = connect(arguments, messages)
    firehose = boto3.client(
        "firehose",
        region_name=arguments.region,
        endpoint_url=arguments.endpoint_url,
        config=Config(retries={"mode": "standard"}),
    )
    client.loop_start()
    while True:
        batch = next_batch(messages, arguments.linger)
        send(firehose, arguments.stream, [{"Data": message.payload} for message in batch])
        if arguments.late_acks:
            for message in batch:
                client.ack(message.mid, message.qos)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--filter", required=True)
    parser.add_argument("--stream", required=True)
    parser.add_argument("--region")
    parser.add_argument("--endpoint-url")
    parser.add_argument("--linger", type=float, default=1.0, help="seconds")
    parser.add_argument(
        "--late-acks",
        action="store_true",
        help="acknowledge a message when Firehose has it; the broker needs as many "
        "max_inflight_messages as a batch has records",
    )
    return parser.parse_args()


def connect(arguments, messages):
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2,
        client_id="uplink",
        clean_session=False,
        manual_ack=arguments.late_acks,
    )

    def on_connect(client, userdata, flags, reason, properties):
        if reason.is_failure:
            log.error("the broker refuses the connection: %s", reason)
        else:
            client.subscribe(arguments.filter, qos=1)

    def on_subscribe(client, userdata, mid, reasons, properties):
        print("subscribed", flush=True)

    def on_message(client, userdata, message):
        messages.put(message)

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    client.connect(arguments.host, arguments.port)
    return client


def next_batch(messages, linger):
    """Waits for a message, then for others until there are enough or `linger` is over."""
    batch = [messages.get()]
    deadline = time.monotonic() + linger
    while len(batch) < MAX_RECORDS:
        try:
            batch.append(messages.get(timeout=max(0.0, deadline - time.monotonic())))
        except queue.Empty:
            break
    return batch


def send(firehose, stream, records):
    """Sends until Firehose has taken each of `records`."""
    pause = FIRST_PAUSE
    while True:
        try:
            answer = firehose.put_record_batch(DeliveryStreamName=stream, Records=records)
        except (BotoCoreError, ClientError) as error:
            log.warning("%s", error)
        else:
            if not answer["FailedPutCount"]:
                return
            responses = zip(records, answer["RequestResponses"])
            records = [record for record, response in responses if "ErrorCode" in response]
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


if __name__ == "__main__":
    main()
