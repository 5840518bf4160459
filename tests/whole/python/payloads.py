"""Payloads of any size and content arrive as they were sent."""

import random

from peer import Peer, same

SEED = random.randrange(2**32)
print("seed", SEED)
noise = random.Random(SEED)

peer = Peer("peer")
peer.subscribe("payload", 2)
# The largest is near the largest packet that the gateway takes by default, 1 MiB.
sizes = [0, 1, 127, 128, 16_383, 16_384, 65_536, 1_048_000]
payloads = [noise.randbytes(size) for size in sizes]
for qos in (0, 1, 2):
    for payload in payloads:
        peer.publish("payload", payload, qos)
    found = peer.wait_for_messages(len(payloads))
    same([len(m[1]) for m in found], sizes, "sizes")
    same([m[1] for m in found] == payloads, True, "contents")
    peer.messages.clear()
peer.leave()
