//! 3.3.1.1, 4.4 and 4.6: what is sent again when a session goes on.

use super::{
    client::{Client, Delivery, message},
    packets::{PUBACK, PUBCOMP, PUBREC, PUBREL, ack},
};
use crate::support::gateway::Gateway;

#[test]
fn mqtt_3_3_1_1_a_publish_that_is_sent_again_has_dup_set() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut subscriber = Client::begin(&gateway, "subscriber");
    subscriber.subscribe("t", 2);
    for qos in 1..=2 {
        publisher.publish(qos, "t", qos.to_string());
        assert_eq!(
            subscriber.delivery().message,
            message(qos, "t", &qos.to_string())
        );
    }
    for end in [Client::vanish, Client::break_off, Client::disconnect] {
        end(subscriber);
        subscriber = Client::resume(&gateway, "subscriber");
        for qos in 1..=2 {
            let expected = message(qos, "t", &qos.to_string()).repeated();
            assert_eq!(subscriber.delivery().message, expected);
        }
        // What was never sent is not marked.
        publisher.publish(1, "t", "new");
        assert_eq!(subscriber.message(), message(1, "t", "new"));
    }
}

#[test]
fn mqtt_4_4_0_1_publish_and_pubrel_are_sent_again_with_their_identifiers() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut subscriber = Client::begin(&gateway, "subscriber");
    subscriber.subscribe("t", 2);
    for (qos, payload) in [(1, "first"), (2, "second"), (2, "third"), (1, "fourth")] {
        publisher.publish(qos, "t", payload);
    }
    let [first, second, third, fourth] = [(); 4].map(|()| subscriber.delivery());
    subscriber.send(&ack(PUBREC, second.packet_id));
    subscriber.expect(&ack(PUBREL, second.packet_id));
    subscriber.send(&ack(PUBACK, fourth.packet_id));
    subscriber.vanish();
    publisher.publish(1, "t", "while it was away");

    let mut subscriber = Client::resume(&gateway, "subscriber");
    subscriber.wait_for(&ack(PUBREL, second.packet_id));
    for original in [&first, &third] {
        let again = subscriber.delivery();
        let message = original.message.clone().repeated();
        let packet_id = original.packet_id;
        assert_eq!(again, Delivery { packet_id, message });
    }
    let fresh = subscriber.delivery();
    assert_eq!(fresh.message, message(1, "t", "while it was away"));
    let in_use = [&first, &second, &third].map(|delivery| delivery.packet_id);
    assert!(!in_use.contains(&fresh.packet_id), "{fresh:?}");

    // The exchanges go on where they were.
    subscriber.send(&ack(PUBCOMP, second.packet_id));
    subscriber.send(&ack(PUBACK, first.packet_id));
    subscriber.send(&ack(PUBREC, third.packet_id));
    subscriber.expect(&ack(PUBREL, third.packet_id));
    subscriber.send(&ack(PUBCOMP, third.packet_id));
    subscriber.send(&ack(PUBACK, fresh.packet_id));
    subscriber.vanish();
    let mut subscriber = Client::resume(&gateway, "subscriber");
    assert_eq!(subscriber.messages_before_marker(&mut publisher, "t"), []);
}

#[test]
fn mqtt_4_6_0_1_messages_are_sent_again_in_the_order_in_which_they_were_first_sent() {
    const MESSAGES: usize = 40;
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut subscriber = Client::begin(&gateway, "subscriber");
    subscriber.subscribe("t", 2);
    for number in 0..MESSAGES {
        publisher.publish(1 + (number % 2) as u8, "t", number.to_string());
    }
    let mut expected: Vec<_> = (0..MESSAGES).map(|_| subscriber.delivery()).collect();
    // Some are acknowledged out of order, so that the rest has gaps.
    for number in [30, 12, 4, 0] {
        let Delivery { packet_id, .. } = expected.remove(number);
        subscriber.send(&ack(PUBACK, packet_id));
    }
    for delivery in &mut expected {
        delivery.message.dup = true;
    }
    for _ in 0..2 {
        subscriber.vanish();
        subscriber = Client::resume(&gateway, "subscriber");
        let found: Vec<_> = expected.iter().map(|_| subscriber.delivery()).collect();
        assert_eq!(found, expected);
    }
    // And before what came while the client was away.
    subscriber.disconnect();
    for number in 0..5 {
        publisher.publish(1, "t", format!("later {number}"));
    }
    let mut subscriber = Client::resume(&gateway, "subscriber");
    let found: Vec<_> = expected.iter().map(|_| subscriber.delivery()).collect();
    assert_eq!(found, expected);
    for number in 0..5 {
        let expected = message(1, "t", &format!("later {number}"));
        assert_eq!(subscriber.message(), expected);
    }
}
