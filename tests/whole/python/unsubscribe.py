"""What was unsubscribed is not delivered; the other subscriptions are."""

from peer import IS_V5, Peer, same

peer = Peer("peer")
for topic_filter in ("a/b", "a/+", "c/#"):
    peer.subscribe(topic_filter, 1)
peer.publish("a/b", "overlap", 1)
# MQTT 3.3.5: once or once per subscription; here once.
peer.publish("c/1", "end of overlap", 1)
peer.wait("the end of the overlap", lambda: peer.messages and peer.messages[-1][0] == "c/1")
assert 1 <= len([m for m in peer.messages if m[0] == "a/b"]) <= 2, peer.messages
peer.messages.clear()

unsubscribed = peer.unsubscribe(["a/+", "never/was"])
if IS_V5:
    same(unsubscribed, [0x00, 0x11], "success, no subscription existed")
peer.publish("a/x", "nobody", 1)
peer.publish("a/b", "still", 1)
peer.unsubscribe("a/b")
peer.publish("a/b", "nobody", 1)
peer.publish("c/2", "end", 1)
peer.wait("the end", lambda: peer.messages and peer.messages[-1][0] == "c/2")
same(peer.messages, [("a/b", b"still", 1), ("c/2", b"end", 1)], "messages")
peer.leave()
