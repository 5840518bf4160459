"""Every QoS both ways: the lower of the two arrives, once each and in order."""

from peer import Peer, same

COUNT = 50

publisher = Peer("publisher")
for granted in (0, 1, 2):
    subscriber = Peer(f"subscriber-{granted}")
    for qos in (0, 1, 2):
        topic = f"qos/{granted}/{qos}"
        same(subscriber.subscribe(topic, granted), [granted], "the granted QoS")
        for number in range(COUNT):
            publisher.publish(topic, str(number), qos)
        # A later message on another topic: what comes before it has come.
        subscriber.subscribe("end", 2)
        publisher.publish("end", "", 2)
        wanted = [(topic, str(n).encode(), min(qos, granted)) for n in range(COUNT)]
        subscriber.wait("the end", lambda: any(m[0] == "end" for m in subscriber.messages))
        same([m for m in subscriber.messages if m[0] != "end"], wanted, topic)
        subscriber.unsubscribe("end")
        subscriber.messages.clear()
    subscriber.leave()
publisher.leave()
