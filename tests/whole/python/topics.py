"""Topics of any legal spelling: non-ASCII beginnings, empty levels, and those of `$`."""

from peer import Peer, same

TOPICS = ["größe/1", "ä", "日本/温度", "🚜/1", "/", "/a", "a//b", "a/", " ", "with space", "a" * 1000]
HIDDEN = ["$aws/things/x/shadow/get", "$other/y", "$"]

publisher = Peer("publisher")
everything, first_level = Peer("everything"), Peer("first-level")
exact, hidden = Peer("exact"), Peer("hidden")
everything.subscribe("#", 1)
first_level.subscribe("+/things/#", 1)
for topic in TOPICS + HIDDEN:
    same(exact.subscribe(topic, 1), [1], f"subscribing to {topic}")
for topic_filter in ("$aws/#", "$other/+", "$/#"):
    same(hidden.subscribe(topic_filter, 1), [1], f"subscribing to {topic_filter}")

for topic in HIDDEN + TOPICS:
    publisher.publish(topic, topic, 1)
publisher.publish("end/things/x", "", 1)

same([m[0] for m in everything.wait_for_messages(len(TOPICS) + 1)], TOPICS + ["end/things/x"], "#")
same([m[0] for m in first_level.wait_for_messages(1)], ["end/things/x"], "+/things/#")
same([m[0] for m in exact.wait_for_messages(len(HIDDEN + TOPICS))], HIDDEN + TOPICS, "exact filters")
same([m[0] for m in hidden.wait_for_messages(3)], HIDDEN, "filters that begin with $")
for topic, payload, _ in exact.messages:
    same(payload, topic.encode(), "payload")
for peer in (publisher, everything, first_level, exact, hidden):
    peer.leave()
