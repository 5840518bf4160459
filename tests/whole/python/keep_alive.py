"""A keep-alive of zero is none, a kept one keeps, and a broken one ends the connection."""

import time

from peer import Peer, same

watcher = Peer("watcher", keepalive=60)
watcher.subscribe("will/#", 1)
watcher.subscribe("still/#", 1)

silent_forever = Peer("zero", keepalive=0, will=("will/zero", "", 1))
pings = Peer("pings", keepalive=2, will=("will/pings", "", 1))
# Its network loop stands still: not a byte comes from it.
started = time.monotonic()
mute = Peer("mute", keepalive=1, will=("will/mute", "gone", 1), runs=False)

watcher.wait_for_messages(1)
silence = time.monotonic() - started
same(watcher.messages, [("will/mute", b"gone", 1)], "the one will")
# MQTT 3.1.2.10: one and a half times the keep-alive.
assert 1.4 <= silence <= 10, f"the mute client was closed after {silence} s"

# Longer than the one that pings may be silent.
time.sleep(max(0, started + 4 - time.monotonic()))
silent_forever.publish("still/zero", "", 1)
pings.publish("still/pings", "", 1)
watcher.wait_for_messages(3)
same(sorted(m[0] for m in watcher.messages[1:]), ["still/pings", "still/zero"], "the others")
for peer in (silent_forever, pings, watcher):
    peer.leave()
