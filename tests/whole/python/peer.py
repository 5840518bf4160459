"""A paho-mqtt client that tests can wait for. Arguments of every script: port, version, transport."""

import sys
import threading

import paho.mqtt.client as mqtt

PORT = int(sys.argv[1])
VERSION = sys.argv[2]
TRANSPORT = sys.argv[3]
PROTOCOL = {"3.1": mqtt.MQTTv31, "3.1.1": mqtt.MQTTv311, "5": mqtt.MQTTv5}[VERSION]
IS_V5 = VERSION == "5"
PATIENCE = 20


class Peer:
    """A connected client; what happens to it is remembered in the order of events."""

    def __init__(self, client_id, keepalive=60, will=None, runs=True):
        self._changed = threading.Condition()
        self.messages = []
        self.connected = None
        self.disconnected = None
        self._answers = {}
        # Below MQTT 5 a session is asked for or not; in MQTT 5 it ends with the connection.
        clean = {} if IS_V5 else {"clean_session": True}
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id,
            protocol=PROTOCOL,
            transport=TRANSPORT,
            **clean,
        )
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_message = self._on_message
        self.client.on_subscribe = self._on_answer
        self.client.on_unsubscribe = self._on_answer
        if will:
            self.client.will_set(*will)
        self.client.connect("127.0.0.1", PORT, keepalive)
        # The network thread would connect again after a takeover.
        self.client.reconnect_delay_set(3600, 3600)
        if runs:
            self.client.loop_start()
            self.wait("CONNACK", lambda: self.connected is not None)
        else:
            while self.connected is None:
                self.client.loop(timeout=1)
        assert self.connected == 0, f"CONNACK says {self.connected}"

    def wait(self, what, condition, patience=PATIENCE):
        with self._changed:
            arrived = self._changed.wait_for(condition, patience)
        assert arrived, f"waited {patience} s in vain: {what}; messages {self.messages!r:.500}"

    def subscribe(self, topic_filter, qos):
        _, mid = self.client.subscribe(topic_filter, qos)
        return self._answer("SUBACK", mid)

    def unsubscribe(self, topic_filter):
        _, mid = self.client.unsubscribe(topic_filter)
        return self._answer("UNSUBACK", mid)

    def publish(self, topic, payload, qos):
        """Publishes, and waits until the gateway has acknowledged it."""
        info = self.client.publish(topic, payload, qos)
        assert info.rc == mqtt.MQTT_ERR_SUCCESS, mqtt.error_string(info.rc)
        info.wait_for_publish(PATIENCE)
        assert info.is_published(), f"{topic} was not acknowledged"

    def wait_for_messages(self, count):
        self.wait(f"{count} messages", lambda: len(self.messages) >= count)
        return self.messages

    def wait_for_end(self):
        self.wait("the connection ends", lambda: self.disconnected is not None)
        return self.disconnected

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()

    def _on_connect(self, client, userdata, flags, reason, properties):
        self._set("connected", reason.value)

    def _on_disconnect(self, client, userdata, flags, reason, properties):
        self._set("disconnected", reason.value)

    def _on_message(self, client, userdata, message):
        with self._changed:
            self.messages.append((message.topic, message.payload, message.qos))
            self._changed.notify_all()

    def _on_answer(self, client, userdata, mid, reasons, properties):
        with self._changed:
            self._answers[mid] = [reason.value for reason in reasons]
            self._changed.notify_all()

    def _answer(self, what, mid):
        self.wait(what, lambda: mid in self._answers)
        return self._answers.pop(mid)

    def _set(self, name, value):
        with self._changed:
            setattr(self, name, value)
            self._changed.notify_all()


def same(found, wanted, what):
    assert found == wanted, f"{what}: found {found!r:.2000}, not {wanted!r:.2000}"
