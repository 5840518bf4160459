//! At least once (4.3.2).

use super::{
    build::{PUBACK, Publish, ack},
    client::Client,
};
use crate::support::gateway::Gateway;

#[test]
fn mqtt_4_3_2_2_the_first_publish_has_an_identifier_and_no_dup() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.subscribe("t", 1);
    client.publishes("t", "at QoS 1", 1);
    let publish = client.take();
    assert_eq!((publish.qos, publish.dup), (1, false));
    assert_ne!(publish.packet_id, 0);
}

#[test]
fn mqtt_4_3_2_3_a_publish_is_unacknowledged_until_its_puback() {
    let gateway = Gateway::start("");
    let (mut client, _) = Client::resume(&gateway, "client");
    client.subscribe("t", 1);
    for text in ["first", "second", "third"] {
        client.publishes("t", text, 1);
    }
    let ids = ["first", "second", "third"].map(|text| {
        let publish = client.publish();
        assert_eq!(publish.text(), text);
        publish.packet_id
    });
    client.send(&ack(PUBACK, ids[1]));
    client.pings();
    client.vanish();

    let (mut client, _) = Client::resume(&gateway, "client");
    for (text, id) in [("first", ids[0]), ("third", ids[2])] {
        let publish = client.take();
        assert_eq!((publish.text(), publish.packet_id), (text, id));
        assert!(publish.dup);
    }
    client.pings();
    client.vanish();
    Client::resume(&gateway, "client").0.gets_nothing();
}

#[test]
fn mqtt_4_3_2_4_a_message_is_the_gateways_own_when_it_has_its_puback() {
    let mut gateway = Gateway::start("");
    let (mut client, _) = Client::resume(&gateway, "client");
    client.subscribe("t", 1);
    client.leave();
    let mut publisher = Client::connect(&gateway, "publisher");
    for id in [1, 7, 0xFFFF] {
        let text = id.to_string();
        publisher.send(&Publish::new("t", &text).qos(1, id).encode());
        publisher.acked(PUBACK, id);
    }
    gateway.kill9();
    gateway.restart();
    let (mut client, is_present) = Client::resume(&gateway, "client");
    assert!(is_present);
    for text in ["1", "7", "65535"] {
        assert_eq!(client.take().text(), text);
    }
    client.gets_nothing();
}

#[test]
fn mqtt_4_3_2_5_behind_its_puback_an_identifier_stands_for_a_new_message() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.subscribe("t", 0);
    for (text, publish) in [
        ("first", Publish::new("t", "first")),
        ("second", Publish::new("t", "second")),
        ("third", Publish::new("t", "third").dup()),
    ] {
        let mut publisher = Client::connect(&gateway, text);
        for _ in 0..2 {
            publisher.send(&publish.clone().qos(1, 5).encode());
            publisher.acked(PUBACK, 5);
            assert_eq!(client.take().text(), text);
        }
    }
    client.gets_nothing();
}
