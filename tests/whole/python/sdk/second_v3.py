"""awsiotsdk with MQTT 3.1.1: gets the status of a request, and what waited for its session."""

from awscrt.mqtt import QoS
from awsiot import mqtt_connection_builder

from gateway import PATIENCE, REQUESTS, STATUS, Statuses, request
from second import build


def connect(clean):
    connection = build(mqtt_connection_builder, clean_session=clean)
    statuses = Statuses()
    connection.on_message(lambda topic, payload, **_: statuses.take(payload))
    found = connection.connect().result(PATIENCE)
    return connection, statuses, found["session_present"]


def publish(connection, request_id):
    sent, _ = connection.publish(REQUESTS, request(request_id), QoS.AT_LEAST_ONCE)
    sent.result(PATIENCE)


def leave(connection):
    connection.disconnect().result(PATIENCE)


# What an earlier connection left is forgotten, and a session begins that stays.
connection, _, present = connect(clean=True)
assert not present
leave(connection)
connection, statuses, present = connect(clean=False)
assert not present
subscribed, _ = connection.subscribe(STATUS, QoS.AT_LEAST_ONCE)
assert subscribed.result(PATIENCE)["qos"] == QoS.AT_LEAST_ONCE
publish(connection, "a request")
statuses.expect("a request")
leave(connection)

# It subscribes to nothing again.
connection, statuses, present = connect(clean=False)
assert present
publish(connection, "another request")
statuses.expect("another request")
leave(connection)
