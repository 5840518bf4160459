//! 3.1.2.3 to 3.1.3: the flags of CONNECT, the fields that they announce, client identifiers.

use super::{
    client::{Client, message},
    packets::{Connect, WILL, connack},
};
use crate::support::gateway::Gateway;

const USER_NAME: u8 = 0x80;
const PASSWORD: u8 = 0x40;

#[track_caller]
fn assert_is_not_served(connect: &Connect) {
    let gateway = Gateway::start("");
    Client::open_with(&gateway, &connect.bytes()).expect_end();
}

/// A CONNECT with one more field than its flags announce, or several.
fn unannounced(fields: &[&str]) -> Connect {
    let mut connect = Connect::new("client");
    connect
        .fields
        .extend(fields.iter().map(|&field| field.into()));
    connect
}

/// A CONNECT with flags for which there are no fields.
fn flags(flags: u8) -> Connect {
    let mut connect = Connect::new("client");
    connect.flags |= flags;
    connect
}

#[test]
fn mqtt_3_1_2_3_the_reserved_flag_ends_the_connection() {
    assert_is_not_served(&flags(0x01));
}

#[test]
fn mqtt_3_1_2_9_a_will_flag_without_a_will_ends_the_connection() {
    assert_is_not_served(&flags(WILL));
    let mut connect = flags(WILL);
    connect.fields.push(b"only a topic".to_vec());
    assert_is_not_served(&connect);
}

#[test]
fn mqtt_3_1_2_11_a_will_without_the_will_flag_ends_the_connection() {
    assert_is_not_served(&unannounced(&["will", "gone"]));
}

#[test]
fn mqtt_3_1_2_13_a_will_qos_without_the_will_flag_ends_the_connection() {
    for qos in 1..=3 {
        assert_is_not_served(&flags(qos << 3));
    }
}

#[test]
fn mqtt_3_1_2_14_a_will_has_qos_0_1_or_2_and_never_3() {
    let gateway = Gateway::start("");
    let mut watcher = Client::connect(&gateway, "watcher");
    watcher.subscribe("will", 2);
    for qos in 0..=2 {
        let connect = Connect::new("client").will("will", "gone", qos);
        Client::connect_with(&gateway, &connect).break_off();
        assert_eq!(watcher.message(), message(qos, "will", "gone"));
    }
    let connect = Connect::new("client").will("will", "gone", 3);
    Client::open_with(&gateway, &connect.bytes()).expect_end();
}

#[test]
fn mqtt_3_1_2_15_will_retain_without_the_will_flag_ends_the_connection() {
    assert_is_not_served(&flags(0x20));
}

#[test]
fn mqtt_3_1_2_18_a_user_name_without_its_flag_ends_the_connection() {
    assert_is_not_served(&unannounced(&["user"]));
}

#[test]
fn mqtt_3_1_2_19_a_user_name_flag_without_a_user_name_ends_the_connection() {
    assert_is_not_served(&flags(USER_NAME));
}

#[test]
fn mqtt_3_1_2_20_a_password_without_its_flag_ends_the_connection() {
    let mut connect = unannounced(&["user", "password"]);
    connect.flags |= USER_NAME;
    assert_is_not_served(&connect);
}

#[test]
fn mqtt_3_1_2_21_a_password_flag_without_a_password_ends_the_connection() {
    let mut connect = flags(PASSWORD);
    connect = connect.user_name("user");
    assert_is_not_served(&connect);
}

#[test]
fn mqtt_3_1_2_22_a_password_flag_without_the_user_name_flag_ends_the_connection() {
    assert_is_not_served(&Connect::new("client").password("password"));
}

#[test]
fn mqtt_3_1_3_1_the_fields_of_the_payload_are_read_in_their_order() {
    let gateway = Gateway::start("");
    let connect = Connect::new("first")
        .will("second", "third", 1)
        .user_name("fourth")
        .password("fifth");
    let mut watcher = Client::connect(&gateway, "watcher");
    watcher.subscribe("#", 1);
    let client = Client::connect_with(&gateway, &connect);
    // Its identifier is the first field: who comes with that ends its connection.
    let mut successor = Client::connect(&gateway, "first");
    let mut client = client;
    client.expect_end();
    assert_eq!(watcher.message(), message(1, "second", "third"));
    assert_eq!(watcher.messages_before_marker(&mut successor, "end"), []);
}

#[test]
fn mqtt_3_1_3_3_a_connect_without_a_client_identifier_ends_the_connection() {
    let mut connect = Connect::new("client");
    connect.fields.clear();
    assert_is_not_served(&connect);
}

#[test]
fn mqtt_3_1_3_5_client_identifiers_of_1_to_23_letters_and_digits_are_accepted() {
    const LETTERS: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let gateway = Gateway::start("");
    for letter in LETTERS.chars() {
        Client::connect(&gateway, &letter.to_string());
    }
    for length in 1..=23 {
        Client::connect(&gateway, &LETTERS[length..2 * length]);
        Client::connect(&gateway, &LETTERS[LETTERS.len() - length..]);
    }
}

#[test]
fn mqtt_3_1_3_6_each_client_with_an_empty_identifier_is_given_one_of_its_own() {
    let gateway = Gateway::start("");
    let mut clients: Vec<_> = (0..3).map(|_| Client::connect(&gateway, "")).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.subscribe(format!("t/{number}"), 1);
    }
    let mut publisher = Client::connect(&gateway, "publisher");
    for (number, client) in clients.iter_mut().enumerate() {
        let topic = format!("t/{number}");
        publisher.publish(1, &topic, "yours");
        assert_eq!(client.message(), message(1, &topic, "yours"));
    }
}

#[test]
fn mqtt_3_1_3_8_and_3_1_3_9_an_empty_identifier_without_clean_session_is_refused_with_code_2() {
    let gateway = Gateway::start("");
    let connect = Connect::new("").keeping_session();
    let mut client = Client::open_with(&gateway, &connect.bytes());
    client.expect(&connack(false, 2));
    client.expect_end();
}
