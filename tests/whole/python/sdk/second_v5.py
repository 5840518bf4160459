"""awsiotsdk with MQTT 5: gets the status of a request, and what waited for its session."""

from awscrt import mqtt5
from awsiot import mqtt5_client_builder

from gateway import PATIENCE, REQUESTS, STATUS, Happened, Statuses, request
from second import build


def connect(behavior):
    network, statuses = Happened(), Statuses()
    client = build(
        mqtt5_client_builder,
        session_behavior=behavior,
        session_expiry_interval_sec=3600,
        on_publish_received=lambda data: statuses.take(data.publish_packet.payload),
        on_lifecycle_connection_success=lambda data: network.add(("connected", data)),
        on_lifecycle_connection_failure=lambda data: network.add(("failed", data)),
        on_lifecycle_stopped=lambda data: network.add(("stopped", data)),
    )
    client.start()
    event, data = network.wait("a connection", lambda _: True)
    assert event == "connected", (data.exception, data.connack_packet)
    return client, network, statuses, data.connack_packet.session_present


def publish(client, request_id):
    packet = mqtt5.PublishPacket(
        topic=REQUESTS, payload=request(request_id), qos=mqtt5.QoS.AT_LEAST_ONCE
    )
    acknowledged = client.publish(packet).result(PATIENCE).puback.reason_code
    # No matching subscriber: the request is for a connector.
    reasons = mqtt5.PubackReasonCode
    assert acknowledged in (reasons.SUCCESS, reasons.NO_MATCHING_SUBSCRIBERS), acknowledged


def leave(client, network):
    client.stop()
    network.wait("the client stops", lambda event: event[0] == "stopped")


# What an earlier connection left is forgotten, and a session begins that stays.
client, network, statuses, present = connect(mqtt5.ClientSessionBehaviorType.CLEAN)
assert not present
wanted = mqtt5.Subscription(STATUS, mqtt5.QoS.AT_LEAST_ONCE)
granted = client.subscribe(mqtt5.SubscribePacket([wanted])).result(PATIENCE)
assert granted.reason_codes == [mqtt5.SubackReasonCode.GRANTED_QOS_1], granted.reason_codes
publish(client, "a request")
statuses.expect("a request")
leave(client, network)

# It subscribes to nothing again.
client, network, statuses, present = connect(mqtt5.ClientSessionBehaviorType.REJOIN_ALWAYS)
assert present
publish(client, "another request")
statuses.expect("another request")
leave(client, network)
