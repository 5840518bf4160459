"""AWSIoTPythonSDK: its last will is published when its connection breaks, and not when it leaves."""

import socket

from first import client
from gateway import DOES, GATEWAY, PATIENCE, Happened

import paho.mqtt.client as paho

WILL = f"{GATEWAY['client_id']}/will"


class Breakable:
    """Makes connections to the gateway, and breaks the last one."""

    def __init__(self, port):
        self._port = port
        self._connection = None

    def __call__(self):
        connection = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
        # TLS takes the socket away from whoever made it.
        self._connection = connection.dup()
        return connection

    def kill(self):
        self._connection.shutdown(socket.SHUT_RDWR)


def watch(wills):
    """Another device, which hears the wills."""
    files = GATEWAY["watcher"]
    watcher = paho.Client(paho.CallbackAPIVersion.VERSION2, files["client_id"])
    watcher.tls_set(GATEWAY["ca"], files["certificate"], files["key"])
    ready = Happened()
    watcher.on_subscribe = lambda _, __, ___, reasons, ____: ready.add(reasons[0].value)
    watcher.on_message = lambda _, __, message: wills.add((message.topic, message.payload))
    watcher.on_connect = lambda client, _, __, reason, ___: client.subscribe(WILL, 1)
    watcher.connect("localhost", GATEWAY["mqtt"])
    watcher.loop_start()
    assert ready.wait("SUBACK", lambda _: True) == 1
    return watcher


wills = Happened()
watcher = watch(wills)

polite = client(DOES)
polite.configureLastWill(WILL, "polite", 1)
assert polite.connect()
assert polite.disconnect()

network = Breakable(GATEWAY["mqtt"])
lost = client(DOES)
lost.configureLastWill(WILL, "lost", 1)
lost.configureSocketFactory(network)
assert lost.connect()
network.kill()
first = wills.wait("a will", lambda _: True)
assert first == (WILL, b"lost"), first
watcher.disconnect()
