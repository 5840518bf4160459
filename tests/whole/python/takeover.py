"""A client that connects with the identifier of another takes its place."""

from peer import IS_V5, Peer, same

watcher = Peer("watcher")
watcher.subscribe("#", 1)

first = Peer("twin", will=("will/twin", "taken over", 1))
first.subscribe("to/twin", 1)
second = Peer("twin")

reason = first.wait_for_end()
if IS_V5:
    same(reason, 0x8E, "session taken over")
# MQTT 3.1.2.5: the network connection ended without DISCONNECT.
same(watcher.wait_for_messages(1), [("will/twin", b"taken over", 1)], "the will of the first")

# The session was a clean one: what the first subscribed to ended with it.
second.subscribe("also/twin", 1)
second.publish("to/twin", "for nobody", 1)
second.publish("also/twin", "for the second", 1)
same(second.wait_for_messages(1), [("also/twin", b"for the second", 1)], "the second")
same(len(watcher.wait_for_messages(3)), 3, "both publishes were taken")
same(len(first.messages), 0, "messages of the first")
second.leave()
watcher.leave()
first.client.loop_stop()
