"""AWSIoTPythonSDK: what it queues while the gateway is away arrives when that is back."""

import time

from AWSIoTPythonSDK.core.protocol.internal.events import FixedEventMids
from AWSIoTPythonSDK.exception.AWSIoTExceptions import publishError

from first import client
from gateway import DOES, PATIENCE, REQUESTS, STATUS, Happened, Statuses, request, say

COUNT = 20


def queue(client, payload):
    """Publishes while the SDK is offline, which it notices a moment after its callback."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if client.publishAsync(REQUESTS, payload, 1) == FixedEventMids.QUEUED_MID:
                return
        except publishError:
            pass
    raise AssertionError("the SDK does not find that it is offline")


network = Happened()
statuses = Statuses()
client = client(DOES)
client.configureAutoReconnectBackoffTime(1, 2, 3)
client.configureOfflinePublishQueueing(-1)
client.configureDrainingFrequency(100)
client.onOffline = lambda: network.add("offline")
assert client.connect()
assert client.subscribe(STATUS, 1, lambda _, __, message: statuses.take(message.payload))
say("connected")

network.wait("the gateway is gone", lambda event: event == "offline")
for number in range(COUNT):
    queue(client, request(str(number)))
say("queued")

for number in range(COUNT):
    statuses.expect(str(number))
assert client.disconnect()
