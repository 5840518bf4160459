//! Whom CONNACK accepts, and what it says (3.1.3, 3.1.4, 3.2).

use super::{
    build::{Connect, Publish, Will},
    client::Client,
    prop,
    reason::{BAD_AUTHENTICATION_METHOD, PACKET_TOO_LARGE, QOS_NOT_SUPPORTED},
};
use crate::support::gateway::Gateway;

/// A listener that speaks MQTT as AWS IoT does, up to QoS 1.
const UP_TO_QOS_1: &str = "compat.aws_iot = true\n";

/// A CONNECT that the gateway refuses.
fn refused() -> Connect {
    let method = prop::text(prop::AUTHENTICATION_METHOD, "none such");
    Connect::resuming("client").with(&method)
}

#[test]
fn mqtt_3_1_3_5_client_identifiers_of_letters_and_digits_are_allowed() {
    let gateway = Gateway::start("");
    for id in [
        "0",
        "z",
        "0123456789abcdefghijklm",
        "nopqrstuvwxyzABCDEFGHIJ",
        "KLMNOPQRSTUVWXYZ",
    ] {
        let (mut client, answer) = Client::accepted(&gateway, &Connect::new(id));
        assert!(!answer.properties.has(prop::ASSIGNED_CLIENT_ID));
        client.pings();
    }
}

#[test]
fn mqtt_3_1_3_6_and_3_1_3_7_and_3_2_2_16_a_client_without_an_identifier_is_assigned_its_own() {
    let gateway = Gateway::start("");
    let mut assigned = Vec::new();
    let mut clients = Vec::new();
    for connect in [
        Connect::new(""),
        Connect::new("").without_clean_start(),
        Connect::resuming(""),
    ] {
        let (client, answer) = Client::accepted(&gateway, &connect);
        let id = answer.properties.text(prop::ASSIGNED_CLIENT_ID);
        let id = id.expect("an identifier is assigned").to_owned();
        assert!(!id.is_empty() && !assigned.contains(&id), "{id:?}");
        assert!(!answer.session_present);
        assigned.push(id);
        clients.push(client);
    }
    let mut last = clients.pop().expect("three clients");
    last.subscribe("t", 1);
    last.leave();
    let (mut last, is_present) = Client::resume(&gateway, &assigned[2]);
    assert!(is_present, "the assigned identifier names the session");
    last.publishes("t", "still subscribed", 0);
    assert_eq!(last.take().text(), "still subscribed");
    for client in &mut clients {
        client.pings();
    }
}

#[test]
fn mqtt_3_1_3_8_a_client_identifier_is_accepted_or_the_connection_ends() {
    let gateway = Gateway::start("");
    let long = "x".repeat(0xFFFF);
    for id in ["$SYS", "a/+/#", " ", "\u{7F}", "\u{10FFFF}", &long] {
        let mut client = Client::open(&gateway);
        client.send(&Connect::new(id).encode());
        match client.connack().reason {
            0x00 => client.pings(),
            0x85 => assert_eq!(client.receive(), None),
            other => panic!("the client identifier {id:?} gets {other:#04x}"),
        }
    }
}

#[test]
fn mqtt_3_1_4_2_and_4_12_0_1_and_4_12_0_4_a_connect_that_fails_a_check_ends_the_connection() {
    let gateway = Gateway::start("");
    let refusals = [BAD_AUTHENTICATION_METHOD, 0x87];
    Client::refused(&gateway, &refused().encode(), &refusals);
}

#[test]
fn mqtt_3_2_2_6_and_3_2_2_7_a_refusal_has_no_session_and_ends_the_connection() {
    let gateway = Gateway::start("");
    Client::resume(&gateway, "client").0.leave();
    let answer = Client::refused(&gateway, &refused().encode(), &[BAD_AUTHENTICATION_METHOD]);
    assert!(!answer.session_present);
    let (_, is_present) = Client::resume(&gateway, "client");
    assert!(is_present, "the refusal took the session");
}

#[test]
fn mqtt_3_2_2_1_and_3_2_2_8_connack_has_a_defined_reason_and_no_reserved_flags() {
    let gateway = Gateway::start("");
    let wildcard_will = Connect::new("client").will(Will::new("a/+", "gone"));
    let accepted = Connect::new("client");
    let present = Connect::resuming("client");
    // What is not defined fails the reading of it.
    for connect in [accepted, refused(), wildcard_will, present.clone(), present] {
        let mut client = Client::open(&gateway);
        client.send(&connect.encode());
        client.connack();
    }
}

#[test]
fn mqtt_3_2_2_9_a_listener_up_to_qos_1_says_so_and_others_say_nothing() {
    for (config, maximum) in [(UP_TO_QOS_1, Some(1)), ("", None)] {
        let gateway = Gateway::start(config);
        let (mut client, answer) = Client::accepted(&gateway, &Connect::new("client"));
        assert_eq!(answer.properties.number(prop::MAXIMUM_QOS), maximum);
        let highest = maximum.unwrap_or(2) as u8;
        client.subscribe("t", highest);
        client.publishes("t", "", highest);
        assert_eq!(client.take().qos, highest);
    }
}

#[test]
fn mqtt_3_2_2_11_and_3_2_2_12_a_listener_up_to_qos_1_takes_no_publish_and_no_will_above() {
    let gateway = Gateway::start(UP_TO_QOS_1);
    let will = Connect::new("client").will(Will::new("will", "gone").qos(2));
    Client::refused(&gateway, &will.encode(), &[QOS_NOT_SUPPORTED]);

    let mut client = Client::connect(&gateway, "client");
    client.send(&Publish::new("t", "").qos(2, 1).encode());
    client.is_disconnected(&[QOS_NOT_SUPPORTED]);
}

#[test]
fn mqtt_3_2_2_15_a_packet_above_the_maximum_packet_size_ends_the_connection() {
    let gateway = Gateway::start("[limits]\nmax_packet_size = 1024\n");
    let (mut client, answer) = Client::accepted(&gateway, &Connect::new("client"));
    let limit = answer.properties.number(prop::MAXIMUM_PACKET_SIZE);
    assert_eq!(limit, Some(1024));
    // The fixed header takes three bytes; behind it are the topic and no properties.
    client.subscribe("t", 0);
    let largest = "x".repeat(1024 - 3 - 4);
    client.publishes("t", &largest, 0);
    assert_eq!(client.take().text(), largest);
    client.publishes("t", &format!("{largest}x"), 0);
    client.is_disconnected(&[PACKET_TOO_LARGE]);
}

#[test]
fn mqtt_3_2_2_19_and_3_2_2_20_a_connack_fits_into_the_clients_maximum_packet_size() {
    let gateway = Gateway::start("");
    // A refusal without properties takes five bytes.
    let mut client = Client::open(&gateway);
    client.send(&refused().with(&prop::maximum_packet_size(5)).encode());
    assert_eq!(client.connack().reason, BAD_AUTHENTICATION_METHOD);
    assert!(client.largest <= 5, "{} bytes", client.largest);

    let mut client = Client::connect(&gateway, "client");
    let needed = client.largest;
    client.pings();
    let limit = prop::maximum_packet_size(needed as u32);
    let (client, _) = Client::accepted(&gateway, &Connect::new("client").with(&limit));
    assert!(client.largest <= needed, "{} bytes", client.largest);
}

#[test]
fn mqtt_3_1_2_28_no_response_information_is_sent_to_a_client_that_does_not_ask() {
    let gateway = Gateway::start("");
    let does_not = prop::byte(prop::REQUEST_RESPONSE_INFORMATION, 0);
    for connect in [
        Connect::new("client"),
        Connect::new("client").with(&does_not),
    ] {
        let (_, answer) = Client::accepted(&gateway, &connect);
        assert!(!answer.properties.has(prop::RESPONSE_INFORMATION));
    }
}
