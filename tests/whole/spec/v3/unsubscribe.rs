//! 3.10: UNSUBSCRIBE and UNSUBACK.

use super::{
    client::{Client, message},
    packets::{PUBACK, PUBCOMP, PUBREC, PUBREL, UNSUBACK, ack, unsubscribe},
};
use crate::support::gateway::Gateway;

#[test]
fn mqtt_3_10_1_1_an_unsubscribe_with_other_flags_ends_the_connection() {
    let gateway = Gateway::start("");
    for flags in (0..16).filter(|&flags| flags != 2) {
        let mut bytes = unsubscribe(1, &[b"t"]);
        bytes[0] = 0xA0 | flags;
        let mut client = Client::connect(&gateway, "client");
        client.send(&bytes);
        client.expect_end();
    }
}

#[test]
fn mqtt_3_10_3_2_an_unsubscribe_without_a_filter_ends_the_connection() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.send(&unsubscribe(1, &[]));
    client.expect_end();
}

#[test]
fn mqtt_3_10_4_1_an_unsubscribe_ends_the_subscription_of_the_very_same_filter() {
    let gateway = Gateway::start("");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    let mut publisher = Client::connect(&gateway, "publisher");
    let filters = ["a/b", "a/+", "a/#", "+/b"];
    subscriber.subscribe("end", 1);
    for filter in filters {
        subscriber.subscribe(filter, 1);
        for other in ["A/b", "a/B", "a/b/", "/a/b", "a//b", "+/+", "#", "a/c", "a"] {
            subscriber.unsubscribe(other);
        }
        for other in filters.iter().filter(|&&other| other != filter) {
            subscriber.unsubscribe(other);
        }
        publisher.publish(1, "a/b", "x");
        assert_eq!(
            subscriber.messages_before_marker(&mut publisher, "end"),
            [message(1, "a/b", "x")],
            "{filter}"
        );
        subscriber.unsubscribe(filter);
        publisher.publish(1, "a/b", "x");
        let left = subscriber.messages_before_marker(&mut publisher, "end");
        assert_eq!(left, [], "{filter}");
    }
}

#[test]
fn mqtt_3_10_4_2_after_an_unsubscribe_no_more_messages_are_taken() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut subscriber = Client::begin(&gateway, "subscriber");
    subscriber.subscribe("t", 2);
    subscriber.subscribe("end", 1);
    subscriber.unsubscribe("t");
    for qos in 0..=2 {
        publisher.publish(qos, "t", "too late");
    }
    assert_eq!(subscriber.messages_before_marker(&mut publisher, "end"), []);
    subscriber.disconnect();
    for qos in 0..=2 {
        publisher.publish(qos, "t", "too late");
    }
    let mut subscriber = Client::resume(&gateway, "subscriber");
    assert_eq!(subscriber.messages_before_marker(&mut publisher, "end"), []);
}

#[test]
fn mqtt_3_10_4_3_a_delivery_that_has_begun_is_completed_after_an_unsubscribe() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut subscriber = Client::begin(&gateway, "subscriber");
    subscriber.subscribe("t", 2);
    publisher.publish(1, "t", "first");
    publisher.publish(2, "t", "second");
    publisher.publish(2, "t", "third");
    let begun = [(); 3].map(|()| subscriber.delivery());
    let [first, second, third] = begun.each_ref().map(|delivery| delivery.packet_id);
    subscriber.unsubscribe("t");
    subscriber.send(&ack(PUBREC, second));
    subscriber.expect(&ack(PUBREL, second));
    subscriber.send(&ack(PUBCOMP, second));
    subscriber.vanish();

    // What is not acknowledged is sent again, though its subscription is gone.
    let mut subscriber = Client::resume(&gateway, "subscriber");
    for (expected, answer) in [(&begun[0], PUBACK), (&begun[2], PUBREC)] {
        let found = subscriber.delivery();
        assert_eq!(found.packet_id, expected.packet_id);
        assert_eq!(found.message, expected.message.clone().repeated());
        subscriber.send(&ack(answer, found.packet_id));
    }
    assert_ne!(first, third);
    subscriber.expect(&ack(PUBREL, third));
    subscriber.send(&ack(PUBCOMP, third));
    subscriber.subscribe("end", 1);
    assert_eq!(subscriber.messages_before_marker(&mut publisher, "end"), []);
}

#[test]
fn mqtt_3_10_4_4_an_unsubscribe_is_answered_with_its_identifier() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    for id in [1, 0x100, 0xFFFF] {
        client.subscribe("t", 1);
        client.send(&unsubscribe(id, &[b"t"]));
        client.expect(&ack(UNSUBACK, id));
    }
}

#[test]
fn mqtt_3_10_4_5_an_unsubscribe_that_ends_nothing_is_answered() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.send(&unsubscribe(5, &[b"never/subscribed/to"]));
    client.expect(&ack(UNSUBACK, 5));
    client.send(&unsubscribe(6, &[b"#", b"+", b"a/+/b"]));
    client.expect(&ack(UNSUBACK, 6));
}

#[test]
fn mqtt_3_10_4_6_several_filters_are_unsubscribed_from_with_one_answer() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut client = Client::connect(&gateway, "client");
    for filter in ["a", "b", "c", "end"] {
        client.subscribe(filter, 1);
    }
    client.send(&unsubscribe(5, &[b"a", b"none", b"c", b"a"]));
    client.expect(&ack(UNSUBACK, 5));
    for topic in ["a", "b", "c"] {
        publisher.publish(1, topic, "x");
    }
    assert_eq!(
        client.messages_before_marker(&mut publisher, "end"),
        [message(1, "b", "x")]
    );
}
