"""AWSIoTPythonSDK: gets the status of a request in MQTT 3.1 and 3.1.1.

It speaks ALPN only on port 443 and knows WebSocket only for host names of AWS. Its own socket
factory leads such a connection to the gateway.
"""

from AWSIoTPythonSDK.core.protocol.paho.client import MQTTv31, MQTTv311
from AWSIoTPythonSDK.MQTTLib import AWSIoTMQTTClient

from gateway import DOES, GATEWAY, PATIENCE, REQUESTS, STATUS, Statuses, connect_to, request

WAYS = {
    "mutual TLS": {"host": "localhost", "port": GATEWAY["mqtt"]},
    "mutual TLS with ALPN": {"host": "localhost", "port": 443, "through": GATEWAY["shared"]},
    "WebSocket": {"host": GATEWAY["name"], "port": 443, "through": GATEWAY["https"]},
    "WebSocket on the shared port": {
        "host": GATEWAY["name"],
        "port": 443,
        "through": GATEWAY["shared"],
    },
}


def client(way, version=MQTTv311):
    where = WAYS[way]
    is_web = way.startswith("WebSocket")
    client = AWSIoTMQTTClient(GATEWAY["client_id"], version, useWebsocket=is_web)
    client.configureEndpoint(where["host"], where["port"])
    if "through" in where:
        client.configureSocketFactory(connect_to(where["through"]))
    if is_web:
        client.configureCredentials(GATEWAY["ca"])
        client.configureIAMCredentials(*GATEWAY["access_key"])
    else:
        client.configureCredentials(GATEWAY["ca"], GATEWAY["key"], GATEWAY["certificate"])
    client.configureConnectDisconnectTimeout(PATIENCE)
    client.configureMQTTOperationTimeout(PATIENCE)
    return client


def get_a_status(client, request_id):
    statuses = Statuses()
    assert client.connect()
    assert client.subscribe(STATUS, 1, lambda _, __, message: statuses.take(message.payload))
    assert client.publish(REQUESTS, request(request_id), 1)
    statuses.expect(request_id)
    assert client.disconnect()


if __name__ == "__main__":
    for version in (MQTTv31, MQTTv311):
        get_a_status(client(DOES, version), f"{DOES} {version}")
