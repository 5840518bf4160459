//! 3.8, 3.9 and 3.12: SUBSCRIBE and SUBACK, PINGREQ.

use super::{
    client::Client,
    packets::{PINGREQ, packet, suback, subscribe},
};
use crate::support::gateway::Gateway;

#[test]
fn mqtt_3_8_1_1_a_subscribe_with_other_flags_ends_the_connection() {
    let gateway = Gateway::start("");
    for flags in (0..16).filter(|&flags| flags != 2) {
        let mut bytes = subscribe(1, &[(b"t", 0)]);
        bytes[0] = 0x80 | flags;
        let mut client = Client::connect(&gateway, "client");
        client.send(&bytes);
        client.expect_end();
    }
}

#[test]
fn mqtt_3_8_3_3_a_subscribe_without_a_filter_ends_the_connection() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.send(&subscribe(1, &[]));
    client.expect_end();
}

#[test]
fn mqtt_3_8_3_4_a_subscribe_with_a_reserved_bit_or_qos_3_ends_the_connection() {
    let gateway = Gateway::start("");
    for options in [3, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x81, 0xFF] {
        let mut client = Client::connect(&gateway, "client");
        client.send(&subscribe(1, &[(b"t", options)]));
        client.expect_end();
        let mut client = Client::connect(&gateway, "client");
        client.send(&subscribe(1, &[(b"good", 1), (b"t", options)]));
        client.expect_end();
    }
}

#[test]
fn mqtt_3_8_4_1_and_3_8_4_2_a_subscribe_is_answered_with_its_identifier() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    // One after the other, then all at once, the same ones again among them.
    for id in 1..=20 {
        client.send(&subscribe(id, &[(b"t", 0)]));
        client.expect(&suback(id, &[0]));
    }
    let mut all = Vec::new();
    for id in 1..=20 {
        let filter = format!("t/{}", id % 10);
        all.extend_from_slice(&subscribe(id, &[(filter.as_bytes(), 1)]));
    }
    client.send(&all);
    for id in 1..=20 {
        client.expect(&suback(id, &[1]));
    }
}

#[test]
fn mqtt_3_8_4_5_and_3_9_3_1_suback_has_a_return_code_for_each_filter_in_their_order() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    let filters: [(&[u8], u8); 7] = [
        (b"a", 2),
        (b"b", 0),
        (b"c/+", 1),
        (b"#", 0),
        (b"d", 2),
        (b"$SYS/#", 1),
        (b"/", 2),
    ];
    client.send(&subscribe(3, &filters));
    client.expect(&suback(3, &[2, 0, 1, 0, 2, 1, 2]));
    let many: Vec<_> = (0..100).map(|number| format!("many/{number}")).collect();
    let filters: Vec<_> = many
        .iter()
        .enumerate()
        .map(|(number, filter)| (filter.as_bytes(), (number % 3) as u8))
        .collect();
    let codes: Vec<_> = filters.iter().map(|&(_, qos)| qos).collect();
    client.send(&subscribe(4, &filters));
    client.wait_for(&suback(4, &codes));
}

#[test]
fn mqtt_3_9_3_2_no_return_code_of_suback_is_another_than_0_1_2_and_0x80() {
    let gateway = Gateway::start("");
    let filters = [
        "t",
        "#",
        "+",
        "/",
        "//",
        "$SYS/#",
        "$aws/#",
        "$share/g/t",
        "$share/g",
        "$share//t",
        "$share/+/t",
        "$queue/t",
        "$",
        "a/#/b",
        "a#",
        "+a",
        "",
    ];
    for filter in filters {
        let mut client = Client::connect(&gateway, "client");
        client.send(&subscribe(1, &[(filter.as_bytes(), 1)]));
        // A filter that breaks the rules may end the connection.
        if let Some(answer) = client.receive() {
            assert_eq!((answer.first, answer.body.len()), (0x90, 3), "{filter:?}");
            assert!(
                matches!(answer.body[2], 0 | 1 | 0x80),
                "{filter:?}: {answer:x?}"
            );
        }
    }
}

#[test]
fn mqtt_3_12_4_1_a_ping_is_answered() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.send(&PINGREQ);
    client.expect(&[0xD0, 0]);
    client.send(&PINGREQ.repeat(100));
    for _ in 0..100 {
        client.expect(&packet(0xD0, &[]));
    }
}
