//! 4.3.2 and 4.3.3: the exchanges at QoS 1 and 2, the gateway as sender and as receiver.

use super::{
    client::{Client, message},
    packets::{DUP, PUBACK, PUBCOMP, PUBREC, PUBREL, ack, publish, publish_with},
};
use crate::support::gateway::Gateway;

#[test]
fn mqtt_4_3_2_1_at_qos_1_the_gateway_holds_a_message_until_its_puback() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut subscriber = Client::begin(&gateway, "subscriber");
    subscriber.subscribe("t", 1);
    publisher.publish(1, "t", "held");
    publisher.publish(1, "t", "acknowledged");
    let held = subscriber.delivery();
    assert_eq!(held.message, message(1, "t", "held"));
    let acknowledged = subscriber.delivery();
    assert_eq!(acknowledged.message, message(1, "t", "acknowledged"));
    assert_ne!(held.packet_id, acknowledged.packet_id);
    subscriber.send(&ack(PUBACK, acknowledged.packet_id));
    subscriber.ping();

    for _ in 0..3 {
        subscriber.vanish();
        subscriber = Client::resume(&gateway, "subscriber");
        let again = subscriber.delivery();
        assert_eq!(again.packet_id, held.packet_id);
        assert_eq!(again.message, message(1, "t", "held").repeated());
        assert_eq!(subscriber.messages_before_marker(&mut publisher, "t"), []);
    }
    subscriber.send(&ack(PUBACK, held.packet_id));
    subscriber.vanish();
    let mut subscriber = Client::resume(&gateway, "subscriber");
    assert_eq!(subscriber.messages_before_marker(&mut publisher, "t"), []);
}

#[test]
fn mqtt_4_3_2_1_an_identifier_in_use_is_not_given_to_another_of_70_000_messages() {
    const BATCH: u16 = 50;
    const ROUNDS: u32 = 1_400;
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("t", 1);
    publisher.publish(1, "t", "held");
    let held = subscriber.delivery().packet_id;
    let mut came = 0;
    for round in 0..ROUNDS {
        let batch = (1..=BATCH).flat_map(|id| {
            let number = round * u32::from(BATCH) + u32::from(id) - 1;
            publish(1, id, "t", number.to_string())
        });
        publisher.send(&batch.collect::<Vec<_>>());
        for id in 1..=BATCH {
            publisher.expect(&ack(PUBACK, id));
        }
        // The gateway may pause when no other identifier is left, so what is here is taken.
        subscriber.ping();
        while subscriber.has_set_aside() {
            assert_ne!(acknowledge_number(&mut subscriber, came), held);
            came += 1;
        }
    }
    // All the others come, at the latest when the one that is held is acknowledged.
    subscriber.send(&ack(PUBACK, held));
    for number in came..ROUNDS * u32::from(BATCH) {
        acknowledge_number(&mut subscriber, number);
    }
    assert_eq!(subscriber.messages_before_marker(&mut publisher, "t"), []);
}

/// Acknowledges the message `number`, and gives its packet identifier.
#[track_caller]
fn acknowledge_number(subscriber: &mut Client, number: u32) -> u16 {
    let delivery = subscriber.delivery();
    assert_eq!(delivery.message, message(1, "t", &number.to_string()));
    assert_ne!(delivery.packet_id, 0);
    subscriber.send(&ack(PUBACK, delivery.packet_id));
    delivery.packet_id
}

#[test]
fn mqtt_4_3_2_2_after_its_puback_an_identifier_means_a_new_message() {
    let gateway = Gateway::start("");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("t", 2);
    let mut publisher = Client::connect(&gateway, "publisher");
    for (flags, payload) in [(0, "first"), (0, "second"), (DUP, "third"), (DUP, "third")] {
        publisher.send(&publish_with(flags, 1, 7, "t", payload));
        publisher.expect(&ack(PUBACK, 7));
        assert_eq!(subscriber.message(), message(1, "t", payload));
    }
}

#[test]
fn mqtt_4_3_3_1_at_qos_2_the_gateway_sends_publish_until_pubrec_and_pubrel_until_pubcomp() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut subscriber = Client::begin(&gateway, "subscriber");
    subscriber.subscribe("t", 2);
    publisher.publish(2, "t", "x");
    let sent = subscriber.delivery();
    assert_eq!(sent.message, message(2, "t", "x"));
    let id = sent.packet_id;
    for _ in 0..2 {
        subscriber.vanish();
        subscriber = Client::resume(&gateway, "subscriber");
        let again = subscriber.delivery();
        assert_eq!(again.packet_id, id);
        assert_eq!(again.message, message(2, "t", "x").repeated());
    }
    subscriber.send(&ack(PUBREC, id));
    subscriber.expect(&ack(PUBREL, id));
    // From here on it is PUBREL, and PUBLISH never again.
    for _ in 0..2 {
        subscriber.vanish();
        subscriber = Client::resume(&gateway, "subscriber");
        subscriber.expect(&ack(PUBREL, id));
        assert_eq!(subscriber.messages_before_marker(&mut publisher, "t"), []);
    }
    // Who repeats PUBREC is told PUBREL again.
    subscriber.send(&ack(PUBREC, id));
    subscriber.expect(&ack(PUBREL, id));
    subscriber.send(&ack(PUBCOMP, id));
    subscriber.vanish();
    let mut subscriber = Client::resume(&gateway, "subscriber");
    assert_eq!(subscriber.messages_before_marker(&mut publisher, "t"), []);
}

#[test]
fn mqtt_4_3_3_1_identifiers_at_qos_2_stay_in_use_until_pubcomp() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("t", 2);
    let mut in_use = Vec::new();
    for number in 0..40 {
        publisher.publish(1 + number % 2, "t", "x");
        let delivery = subscriber.delivery();
        assert!(!in_use.contains(&delivery.packet_id), "{delivery:?}");
        in_use.push(delivery.packet_id);
        if delivery.message.qos == 2 {
            subscriber.send(&ack(PUBREC, delivery.packet_id));
            subscriber.expect(&ack(PUBREL, delivery.packet_id));
        }
    }
}

#[test]
fn mqtt_4_3_3_2_at_qos_2_a_message_is_taken_once_until_it_is_released() {
    let gateway = Gateway::start("");
    let mut watcher = Client::connect(&gateway, "watcher");
    watcher.subscribe("t", 2);
    let mut observer = Client::connect(&gateway, "observer");
    let mut publisher = Client::connect(&gateway, "publisher");
    for round in ["first", "second", "third"] {
        publisher.send(&publish(2, 7, "t", round));
        publisher.expect(&ack(PUBREC, 7));
        for _ in 0..3 {
            publisher.send(&publish_with(DUP, 2, 7, "t", round));
            publisher.expect(&ack(PUBREC, 7));
        }
        publisher.send(&ack(PUBREL, 7));
        publisher.expect(&ack(PUBCOMP, 7));
        // Who repeats PUBREL is told PUBCOMP again.
        publisher.send(&ack(PUBREL, 7));
        publisher.expect(&ack(PUBCOMP, 7));
        let expected = message(2, "t", round);
        assert_eq!(watcher.message(), expected);
    }
    assert_eq!(watcher.messages_before_marker(&mut observer, "t"), []);
}

#[test]
fn mqtt_4_3_3_2_at_qos_2_a_message_is_taken_once_over_any_number_of_connections() {
    let gateway = Gateway::start("");
    let mut watcher = Client::connect(&gateway, "watcher");
    watcher.subscribe("t", 2);
    let mut publisher = Client::begin(&gateway, "publisher");
    publisher.send(&publish(2, 7, "t", "once"));
    publisher.expect(&ack(PUBREC, 7));
    for end in [Client::vanish, Client::break_off, Client::disconnect] {
        end(publisher);
        publisher = Client::resume(&gateway, "publisher");
        publisher.send(&publish_with(DUP, 2, 7, "t", "once"));
        publisher.expect(&ack(PUBREC, 7));
    }
    publisher.send(&ack(PUBREL, 7));
    publisher.expect(&ack(PUBCOMP, 7));
    publisher.vanish();
    let mut publisher = Client::resume(&gateway, "publisher");
    publisher.send(&ack(PUBREL, 7));
    publisher.expect(&ack(PUBCOMP, 7));
    assert_eq!(watcher.message(), message(2, "t", "once"));
    publisher.send(&publish(2, 7, "t", "another"));
    publisher.expect(&ack(PUBREC, 7));
    publisher.send(&ack(PUBREL, 7));
    publisher.expect(&ack(PUBCOMP, 7));
    assert_eq!(watcher.message(), message(2, "t", "another"));
    assert_eq!(watcher.messages_before_marker(&mut publisher, "t"), []);
}
