"""Where the gateway is, and what a script of an AWS SDK wants of it.

The first argument of every script is JSON: the ports, the files of the device, and how it may
log in without them. The second says what the script does.
"""

import json
import socket
import sys
import threading

GATEWAY = json.loads(sys.argv[1])
DOES = sys.argv[2]
PATIENCE = 20

# The topics of the Greengrass V1 connector for Firehose.
REQUESTS = "kinesisfirehose/message"
STATUS = "kinesisfirehose/message/status"


def request(request_id):
    return json.dumps({"request": {"data": f"data of {request_id}"}, "id": request_id})


class Happened:
    """What has happened so far, for a script that waits for it."""

    def __init__(self):
        self._changed = threading.Condition()
        self._events = []

    def add(self, event):
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def wait(self, what, found):
        """The first event for which `found` is true."""
        with self._changed:
            first = lambda: next((event for event in self._events if found(event)), None)
            self._changed.wait_for(lambda: first() is not None, PATIENCE)
            event = first()
        assert event is not None, f"waited {PATIENCE} s in vain: {what}; {self._events!r:.500}"
        return event


class Statuses(Happened):
    """The entries of the status documents so far."""

    def take(self, payload):
        for entry in json.loads(payload)["response"]:
            self.add(entry)

    def expect(self, request_id):
        """Waits until the record of a request has been delivered."""
        entry = self.wait(f"the status of {request_id}", lambda entry: entry["id"] == request_id)
        wanted = {"firehose_record_id": "", "id": request_id, "status": "success"}
        assert entry == wanted, entry


def connect_to(port):
    """A way to `port` for a client that believes to connect to port 443."""
    return lambda: socket.create_connection(("127.0.0.1", port), PATIENCE)


def say(line):
    print(line, flush=True)
