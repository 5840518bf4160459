"""paho-mqtt over TLS: gets the status of a request in every version of MQTT."""

import ssl

import paho.mqtt.client as mqtt

from gateway import DOES, GATEWAY, REQUESTS, STATUS, Happened, Statuses, request

TLS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}


def client(version):
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, GATEWAY["client_id"], protocol=version
    )
    context = ssl.create_default_context(cafile=GATEWAY["ca"])
    if DOES == "password":
        client.username_pw_set(*GATEWAY["user"])
    else:
        context.load_cert_chain(GATEWAY["certificate"], GATEWAY["key"])
        context.minimum_version = context.maximum_version = TLS[DOES]
    client.tls_set_context(context)
    return client


def get_a_status(client, port, request_id):
    happened, statuses = Happened(), Statuses()
    client.on_connect = lambda _, __, ___, reason, ____: happened.add(("CONNACK", reason.value))
    client.on_subscribe = lambda _, __, ___, reasons, ____: happened.add(("SUBACK", reasons[0].value))
    client.on_publish = lambda _, __, ___, reason, ____: happened.add(("PUBACK", reason.value))
    client.on_message = lambda _, __, message: statuses.take(message.payload)

    def answer(packet):
        return happened.wait(packet, lambda event: event[0] == packet)[1]

    client.connect("localhost", port)
    client.loop_start()
    assert answer("CONNACK") == 0
    client.subscribe(STATUS, 1)
    assert answer("SUBACK") == 1
    client.publish(REQUESTS, request(request_id), 1)
    # No matching subscriber: the request is for a connector.
    assert answer("PUBACK") in (0, 0x10)
    statuses.expect(request_id)
    client.disconnect()
    client.loop_stop()


for version in (mqtt.MQTTv31, mqtt.MQTTv311, mqtt.MQTTv5):
    port = GATEWAY["shared" if DOES == "password" else "mqtt"]
    get_a_status(client(version), port, f"{DOES} {version}")
