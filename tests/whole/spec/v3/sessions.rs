//! 3.1.2.4, 3.1.4, 3.2.2.2 and 4.1: sessions, what ends them and what does not.

use super::{
    client::{Client, message},
    packets::{Connect, DUP, PUBACK, PUBCOMP, PUBREC, PUBREL, ack, connack, publish, publish_with},
};
use crate::support::gateway::Gateway;

#[test]
fn mqtt_3_1_2_4_a_session_without_clean_session_goes_on_where_it_was() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut subscriber = Client::begin(&gateway, "subscriber");
    subscriber.subscribe("a", 1);
    subscriber.subscribe("b/+", 2);
    subscriber.subscribe("c", 1);
    subscriber.unsubscribe("c");
    for end in [Client::disconnect, Client::break_off, Client::vanish] {
        end(subscriber);
        subscriber = Client::resume(&gateway, "subscriber");
        publisher.publish(2, "a", "first");
        publisher.publish(2, "b/c", "second");
        publisher.publish(2, "c", "third");
        assert_eq!(
            subscriber.messages_before_marker(&mut publisher, "a"),
            [message(1, "a", "first"), message(2, "b/c", "second")]
        );
    }
}

#[test]
fn mqtt_3_1_2_5_messages_at_qos_1_and_2_wait_for_a_client_that_is_away() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut subscriber = Client::begin(&gateway, "subscriber");
    subscriber.subscribe("t", 2);
    subscriber.subscribe("low", 1);
    for end in [Client::disconnect, Client::break_off] {
        end(subscriber);
        let mut expected = Vec::new();
        for number in 0..200 {
            let (qos, payload) = (1 + number % 2, number.to_string());
            publisher.publish(qos, "t", &payload);
            expected.push(message(qos, "t", &payload));
        }
        publisher.publish(2, "low", "lowered");
        publisher.publish(2, "nobody's", "not asked for");
        expected.push(message(1, "low", "lowered"));
        subscriber = Client::resume(&gateway, "subscriber");
        let found = subscriber.messages_before_marker(&mut publisher, "t");
        assert_eq!(found, expected);
    }
}

#[test]
fn mqtt_3_1_2_6_a_clean_session_finds_nothing_and_leaves_nothing() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut client = Client::begin(&gateway, "client");
    client.subscribe("t", 2);
    publisher.publish(1, "t", "in flight");
    client.delivery();
    client.send(&publish(2, 7, "other", "not released"));
    client.wait_for(&ack(PUBREC, 7));
    client.break_off();
    publisher.publish(1, "t", "queued");

    let mut clean = Client::connect(&gateway, "client");
    clean.subscribe("end", 1);
    publisher.publish(1, "t", "not subscribed to");
    assert_eq!(clean.messages_before_marker(&mut publisher, "end"), []);
    // The packet identifier is free: this is a new message.
    let mut watcher = Client::connect(&gateway, "watcher");
    watcher.subscribe("other", 2);
    clean.send(&publish_with(DUP, 2, 7, "other", "new"));
    clean.wait_for(&ack(PUBREC, 7));
    clean.send(&ack(PUBREL, 7));
    clean.wait_for(&ack(PUBCOMP, 7));
    assert_eq!(watcher.message(), message(2, "other", "new"));
    clean.subscribe("t", 1);
    publisher.publish(1, "t", "in flight again");
    clean.delivery();
    clean.break_off();

    // The clean session has ended with its connection, so there is none to go on with.
    let mut last = Client::begin(&gateway, "client");
    last.subscribe("end", 1);
    publisher.publish(1, "t", "not subscribed to");
    assert_eq!(last.messages_before_marker(&mut publisher, "end"), []);
}

#[test]
fn mqtt_3_1_2_7_a_retained_message_outlives_the_session_of_its_publisher() {
    let gateway = Gateway::start("");
    Client::connect(&gateway, "clean").retain(1, "kept/clean", "first");
    let mut stored = Client::begin(&gateway, "stored");
    stored.subscribe("kept/#", 1);
    stored.retain(1, "kept/stored", "second");
    stored.break_off();
    // Discards the session.
    Client::connect(&gateway, "stored").disconnect();
    Client::connect(&gateway, "clean").break_off();

    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("kept/+", 1);
    let mut found = [subscriber.message(), subscriber.message()];
    found.sort();
    assert_eq!(
        found,
        [
            message(1, "kept/clean", "first").retained(),
            message(1, "kept/stored", "second").retained()
        ]
    );
}

#[test]
fn mqtt_3_1_3_2_a_session_belongs_to_its_client_identifier() {
    let gateway = Gateway::start("");
    let ids = ["client", "Client", "client ", "clien", "client/1", "cliént"];
    for id in ids {
        let mut client = Client::begin(&gateway, id);
        client.subscribe(format!("for/{id}"), 1);
        client.disconnect();
    }
    let mut publisher = Client::connect(&gateway, "publisher");
    for id in ids {
        publisher.publish(1, format!("for/{id}"), id);
    }
    for id in ids {
        let mut client = Client::resume(&gateway, id);
        let topic = format!("for/{id}");
        assert_eq!(
            client.messages_before_marker(&mut publisher, &topic),
            [message(1, &topic, id)]
        );
    }
}

#[test]
fn mqtt_3_1_4_2_a_client_ends_the_connection_of_another_with_its_identifier() {
    let gateway = Gateway::start("");
    let mut current = Client::connect(&gateway, "client");
    for is_clean in [true, false, false, true] {
        let mut connect = Connect::new("client");
        if !is_clean {
            connect = connect.keeping_session();
        }
        let mut next = Client::open_with(&gateway, &connect.bytes());
        let answer = next.receive().expect("CONNACK");
        assert_eq!((answer.first, answer.body[1]), (0x20, 0));
        current.expect_end();
        next.ping();
        current = next;
    }
}

#[test]
fn mqtt_3_1_4_3_a_client_that_takes_over_finds_what_its_clean_session_flag_says() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut first = Client::begin(&gateway, "client");
    first.subscribe("t", 1);
    publisher.publish(1, "t", "not acknowledged");
    let delivery = first.delivery();

    let mut second = Client::resume(&gateway, "client");
    first.expect_end();
    let again = second.delivery();
    assert_eq!(again.packet_id, delivery.packet_id);
    assert_eq!(again.message, delivery.message.repeated());

    let mut third = Client::connect(&gateway, "client");
    second.expect_end();
    third.subscribe("end", 1);
    publisher.publish(1, "t", "not subscribed to");
    assert_eq!(third.messages_before_marker(&mut publisher, "end"), []);
}

#[test]
fn mqtt_3_2_2_1_a_clean_session_is_never_one_that_was_present() {
    let gateway = Gateway::start("");
    Client::begin(&gateway, "client").disconnect();
    for _ in 0..2 {
        let connect = Connect::new("client").bytes();
        let mut client = Client::open_with(&gateway, &connect);
        client.expect(&connack(false, 0));
        client.disconnect();
    }
}

#[test]
fn mqtt_3_2_2_2_a_session_that_is_stored_is_one_that_was_present() {
    let gateway = Gateway::start("");
    let connect = Connect::new("client").keeping_session().bytes();
    Client::begin(&gateway, "client").disconnect();
    for end in [Client::disconnect, Client::break_off, Client::vanish] {
        let mut client = Client::open_with(&gateway, &connect);
        client.expect(&connack(true, 0));
        end(client);
    }
}

#[test]
fn mqtt_3_2_2_3_a_session_that_is_not_stored_is_not_one_that_was_present() {
    let gateway = Gateway::start("");
    let connect = Connect::new("client").keeping_session().bytes();
    Client::begin(&gateway, "another").disconnect();
    let mut client = Client::open_with(&gateway, &connect);
    client.expect(&connack(false, 0));
    client.disconnect();
    Client::connect(&gateway, "client").disconnect();
    let mut client = Client::open_with(&gateway, &connect);
    client.expect(&connack(false, 0));
}

#[test]
fn mqtt_4_1_0_1_a_session_keeps_its_state_even_when_the_gateway_is_killed() {
    let mut gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut client = Client::begin(&gateway, "client");
    client.subscribe("t", 2);
    client.send(&publish(2, 7, "other", "not released"));
    client.wait_for(&ack(PUBREC, 7));
    for (qos, payload) in [(2, "released"), (1, "in flight"), (2, "in flight too")] {
        publisher.publish(qos, "t", payload);
    }
    let released = client.delivery();
    client.send(&ack(PUBREC, released.packet_id));
    client.wait_for(&ack(PUBREL, released.packet_id));
    let in_flight = [client.delivery(), client.delivery()];
    client.break_off();
    publisher.publish(1, "t", "queued");

    gateway.kill9();
    gateway.restart();

    let mut watcher = Client::connect(&gateway, "watcher");
    watcher.subscribe("other", 2);
    let mut client = Client::resume(&gateway, "client");
    client.wait_for(&ack(PUBREL, released.packet_id));
    client.send(&ack(PUBCOMP, released.packet_id));
    for expected in in_flight {
        let found = client.delivery();
        assert_eq!(found.packet_id, expected.packet_id);
        assert_eq!(found.message, expected.message.repeated());
        let answer = if found.message.qos == 1 {
            PUBACK
        } else {
            PUBREC
        };
        client.send(&ack(answer, found.packet_id));
        if found.message.qos == 2 {
            client.wait_for(&ack(PUBREL, found.packet_id));
            client.send(&ack(PUBCOMP, found.packet_id));
        }
    }
    // The message of the packet identifier 7 is known, and is not published a second time.
    client.send(&publish_with(DUP, 2, 7, "other", "not released"));
    client.wait_for(&ack(PUBREC, 7));
    client.send(&ack(PUBREL, 7));
    client.wait_for(&ack(PUBCOMP, 7));
    let mut publisher = Client::connect(&gateway, "publisher");
    let seen = watcher.messages_before_marker(&mut publisher, "other");
    assert!(seen.len() <= 1, "{seen:?}");
    assert_eq!(
        client.messages_before_marker(&mut publisher, "t"),
        [message(1, "t", "queued")]
    );
}

#[test]
fn mqtt_4_1_0_2_a_clean_session_lasts_as_long_as_its_connection() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut client = Client::connect(&gateway, "client");
    client.subscribe("t", 2);
    let mut watcher = Client::connect(&gateway, "watcher");
    watcher.subscribe("other", 2);
    client.send(&publish(2, 7, "other", "not released"));
    client.wait_for(&ack(PUBREC, 7));
    publisher.publish(2, "t", "in flight");
    let in_flight = client.delivery();
    // Others come and go meanwhile.
    for number in 0..100 {
        Client::begin(&gateway, &format!("other {number}")).disconnect();
        Client::connect(&gateway, &format!("other {number}")).break_off();
    }
    client.send(&publish_with(DUP, 2, 7, "other", "not released"));
    client.wait_for(&ack(PUBREC, 7));
    client.send(&ack(PUBREL, 7));
    client.wait_for(&ack(PUBCOMP, 7));
    assert_eq!(
        watcher.messages_before_marker(&mut publisher, "other"),
        [message(2, "other", "not released")]
    );
    client.send(&ack(PUBREC, in_flight.packet_id));
    client.wait_for(&ack(PUBREL, in_flight.packet_id));
    client.send(&ack(PUBCOMP, in_flight.packet_id));
    assert_eq!(client.messages_before_marker(&mut publisher, "t"), []);
}
