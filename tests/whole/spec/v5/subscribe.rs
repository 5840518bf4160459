//! SUBSCRIBE and SUBACK (3.8, 3.9).

use super::{
    build::{PUBACK, Publish, subscribe},
    client::Client,
    read::Packet,
    reason::{MALFORMED, PROTOCOL_ERROR},
};
use crate::support::{
    gateway::Gateway,
    version::Version::V5,
    wire::{self, packet, string},
};

const NO_LOCAL: u8 = 0x04;

/// That each of `packets` ends the connection for one of `reasons`.
#[track_caller]
fn end_connections(packets: &[Vec<u8>], reasons: &[u8]) {
    let gateway = Gateway::start("");
    for packet in packets {
        let mut client = Client::connect(&gateway, "client");
        client.send(packet);
        client.is_disconnected(reasons);
    }
}

#[test]
fn mqtt_3_8_1_1_wrong_flags_make_subscribe_malformed() {
    let with_flags = |flags: u8| {
        let mut packet = subscribe(1, &[], &[("t", 0)]);
        packet[0] = 0x80 | flags;
        packet
    };
    let wrong: Vec<Vec<u8>> = (0..16)
        .filter(|flags| *flags != 2)
        .map(with_flags)
        .collect();
    end_connections(&wrong, &[MALFORMED]);
}

#[test]
fn mqtt_3_8_3_1_a_filter_that_is_not_utf_8_makes_subscribe_malformed() {
    let wrong = [&b"\xff"[..], b"a/\xed\xa0\x80", b"\xc0\x80"];
    let packets = wrong.map(|filter| wire::subscribe(V5, 1, filter, 0));
    end_connections(&packets, &[MALFORMED]);
}

#[test]
fn mqtt_3_8_3_2_a_subscribe_without_a_filter_is_a_protocol_error() {
    end_connections(&[subscribe(1, &[], &[])], &[PROTOCOL_ERROR]);
    let filter_without_options = [&[0, 1, 0], &string(b"t")[..]].concat();
    end_connections(&[packet(0x82, &filter_without_options)], &[MALFORMED]);
}

#[test]
fn mqtt_3_8_3_3_with_no_local_a_client_does_not_get_its_own_messages() {
    let gateway = Gateway::start("");
    let (mut client, _) = Client::resume(&gateway, "client");
    client.subscribe("t", NO_LOCAL | 1);
    client.subscribe("marker", 0);
    let mut other = Client::connect(&gateway, "other");
    for qos in 0..=2 {
        client.publishes("t", "its own", qos);
        other.publishes("t", "another's", 1);
        assert_eq!(client.take().text(), "another's");
    }
    // Its own are those of its client identifier, on whichever connection.
    client.leave();
    let (mut client, _) = Client::resume(&gateway, "client");
    client.publishes("t", "its own", 1);
    client.publishes("marker", "", 0);
    assert_eq!(client.take().topic, "marker");
    client.subscribe("t", 1);
    client.publishes("t", "without no local", 0);
    assert_eq!(client.take().text(), "without no local");
}

#[test]
fn mqtt_3_8_3_4_no_local_on_a_shared_subscription_is_a_protocol_error() {
    let shared = subscribe(1, &[], &[("$share/group/t", NO_LOCAL)]);
    end_connections(&[shared], &[PROTOCOL_ERROR]);
}

#[test]
fn mqtt_3_8_3_5_reserved_bits_in_the_options_make_subscribe_malformed() {
    let with = |options| subscribe(1, &[], &[("t", options)]);
    end_connections(&[0x40, 0x80, 0xC1].map(with), &[MALFORMED]);
    // Two fields have a value that is not defined.
    end_connections(&[0x03, 0x30].map(with), &[PROTOCOL_ERROR, MALFORMED]);
}

#[test]
fn mqtt_3_8_4_1_and_3_8_4_2_a_subscribe_is_answered_with_suback_and_its_identifier() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    let packets: Vec<u8> = [9, 0xFFFF, 1]
        .iter()
        .flat_map(|id| subscribe(*id, &[], &[("t", 0)]))
        .collect();
    client.send(&packets);
    for id in [9, 0xFFFF, 1] {
        assert_eq!(client.suback().packet_id, id);
    }
    client.pings();
}

#[test]
fn mqtt_3_8_4_3_the_same_filter_replaces_the_subscription() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    for qos in [2, 0, 1] {
        client.subscribe("a/+", qos);
        client.publishes("a/b", "", 2);
        assert_eq!(client.take().qos, qos);
    }
    client.subscribe("a/+", NO_LOCAL);
    client.publishes("a/b", "", 2);
    client.gets_nothing();
    client.unsubscribe("a/+");
    client.publishes("a/b", "", 2);
    client.gets_nothing();
}

#[test]
fn mqtt_3_8_4_4_a_replacement_sends_retained_messages_again_and_loses_none() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.sends(Publish::new("kept", "kept").retained(), 1);
    for _ in 0..3 {
        client.subscribe("kept", 0);
        assert_eq!(client.take().text(), "kept");
    }

    client.subscribe("t", 1);
    let mut wanted = 0..400_u32;
    for number in wanted.clone() {
        let publish = Publish::new("t", number.to_string());
        publisher.send(&publish.qos(1, number as u16 + 1).encode());
        let replacement = subscribe(number as u16 + 1, &[], &[("t", 1)]);
        client.send(&replacement);
    }
    let mut acks = 0;
    while acks < 400 || !wanted.is_empty() {
        match client.expect() {
            Packet::SubAck(_) => acks += 1,
            Packet::Publish(publish) => {
                let number = wanted.next().expect("400 publishes");
                assert_eq!(publish.text(), number.to_string());
                client.acknowledge(&publish);
            }
            other => panic!("{other:?}"),
        }
    }
    for id in 1..=400 {
        publisher.acked(PUBACK, id);
    }
}

#[test]
fn mqtt_3_8_4_5_and_3_8_4_6_and_3_9_3_1_and_3_9_3_2_each_filter_has_its_code_in_its_place() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    let filters = [("a", 2), ("b/#", 0), ("c", 1), ("d/+", 2), ("a", 0)];
    client.send(&subscribe(3, &[], &filters));
    let answer = client.suback();
    assert_eq!((answer.packet_id, answer.reasons), (3, vec![2, 0, 1, 2, 0]));
    for (topic, qos) in [("a", 0), ("b", 0), ("c", 1), ("d/e", 2)] {
        client.publishes(topic, "", 2);
        let publish = client.take();
        assert_eq!((publish.topic.as_str(), publish.qos), (topic, qos));
    }
    client.gets_nothing();
}

#[test]
fn mqtt_3_8_4_7_a_code_is_the_granted_qos_or_a_failure() {
    let gateway = Gateway::start("[limits]\nmax_subscriptions_per_client = 4\n");
    let mut client = Client::connect(&gateway, "client");
    for (filter, qos) in [("a", 0), ("b", 1), ("c", 2)] {
        assert_eq!(client.subscribed(filter, qos), qos);
    }
    client.subscribe("marker", 0);
    // A filter beyond the limit fails alone, and does not get messages.
    client.send(&subscribe(9, &[], &[("a", 1), ("d", 1), ("b", 2)]));
    let answer = client.suback().reasons;
    assert_eq!((answer[0], answer[2]), (1, 2));
    assert!(answer[1] >= 0x80, "{answer:?}");
    client.publishes("d", "", 1);
    client.publishes("marker", "", 0);
    assert_eq!(client.take().topic, "marker");
}

#[test]
fn mqtt_3_8_4_8_a_message_goes_out_at_the_lower_of_both_qos() {
    let gateway = Gateway::start("");
    let mut subscribers: Vec<Client> = (0..=2)
        .map(|granted| {
            let mut client = Client::connect(&gateway, &format!("granted {granted}"));
            client.subscribe("t", granted);
            client
        })
        .collect();
    let mut publisher = Client::connect(&gateway, "publisher");
    for published in 0..=2 {
        publisher.publishes("t", "", published);
        for (granted, client) in (0..).zip(&mut subscribers) {
            assert_eq!(client.take().qos, published.min(granted));
        }
    }
}
