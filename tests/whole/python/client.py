"""A paho-mqtt client that does what it is told. Arguments: port, version, transport.

Each line of its input is a request in JSON and is answered with a line; each message is a
line when it comes. What fails ends it.
"""

import json
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PORT, VERSION, TRANSPORT = int(sys.argv[1]), sys.argv[2], sys.argv[3]
PROTOCOL = {"3.1.1": mqtt.MQTTv311, "5": mqtt.MQTTv5}[VERSION]
IS_V5 = PROTOCOL == mqtt.MQTTv5
PATIENCE = 20

output = threading.Lock()
happened = threading.Condition()
events = {}


def say(line):
    with output:
        print(json.dumps(line), flush=True)


def remember(name, value):
    with happened:
        events[name] = value
        happened.notify_all()


def wait(name):
    with happened:
        assert happened.wait_for(lambda: name in events, PATIENCE), f"waited in vain: {name}"
        return events[name]


def publish_properties(wanted, alias):
    if not IS_V5:
        return None
    properties = Properties(PacketTypes.PUBLISH)
    for key, value in wanted["user"]:
        properties.UserProperty = (key, value)
    if wanted["response_topic"] is not None:
        properties.ResponseTopic = wanted["response_topic"]
    if wanted["correlation_data"] is not None:
        properties.CorrelationData = wanted["correlation_data"].encode()
    if wanted["content_type"] is not None:
        properties.ContentType = wanted["content_type"]
    if alias:
        properties.TopicAlias = 1
    return properties


def found_properties(message):
    if not IS_V5:
        return {}
    properties = message.properties
    data = getattr(properties, "CorrelationData", None)
    return {
        "user": getattr(properties, "UserProperty", []),
        "response_topic": getattr(properties, "ResponseTopic", None),
        "correlation_data": None if data is None else data.decode(),
        "content_type": getattr(properties, "ContentType", None),
    }


def on_message(client, userdata, message):
    say({"message": {
        "topic": message.topic,
        "payload": message.payload.decode(),
        "qos": message.qos,
        "retain": message.retain,
        "properties": found_properties(message),
    }})


def connect(how):
    kept, clean = how["kept"], {}
    if not IS_V5:
        clean = {"clean_session": kept is None}
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2,
        how["client_id"],
        protocol=PROTOCOL,
        transport={"tcp": "tcp", "websocket": "websockets"}[TRANSPORT],
        **clean,
    )
    client.on_message = on_message
    client.on_connect = lambda c, u, flags, reason, p: remember("connect", (flags, reason))
    client.on_subscribe = lambda c, u, mid, reasons, p: remember("subscribe", reasons)
    client.on_disconnect = lambda c, u, flags, reason, p: remember("disconnect", reason)
    if how["will"] is not None:
        client.will_set(how["will"], how["client_id"], 1)
    if IS_V5:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = kept or 0
        client.connect("127.0.0.1", PORT, clean_start=kept is None, properties=properties)
    else:
        client.connect("127.0.0.1", PORT)
    # The network thread would connect again after an error.
    client.reconnect_delay_set(3600, 3600)
    client.loop_start()
    flags, reason = wait("connect")
    assert reason == 0, f"CONNACK says {reason}"
    granted = None
    if how["subscribe"] is not None:
        client.subscribe(*how["subscribe"])
        granted = wait("subscribe")[0].value
    say({"connected": {"session_present": flags.session_present, "granted": granted}})
    return client


def publish(client, what):
    infos = []
    for number, payload in enumerate(what["payloads"]):
        topic = "" if what["alias"] and number > 0 else what["topic"]
        properties = publish_properties(what["properties"], what["alias"])
        infos.append(client.publish(topic, payload, what["qos"], what["retain"], properties))
    for info in infos:
        assert info.rc == mqtt.MQTT_ERR_SUCCESS, mqtt.error_string(info.rc)
        info.wait_for_publish(PATIENCE)
        assert info.is_published(), "a publish was not acknowledged"
    say("published")


def leave(client):
    client.disconnect()
    reason = wait("disconnect")
    assert reason == 0, f"the connection ended with {reason}"
    client.loop_stop()


client = connect(json.loads(sys.stdin.readline()))
for line in sys.stdin:
    publish(client, json.loads(line))
leave(client)
