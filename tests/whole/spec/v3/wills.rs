//! 3.1.2.5, 3.1.2.7 and 3.14: wills, and the DISCONNECT that discards them.

use super::{
    client::{Client, message},
    packets::{Connect, DISCONNECT, connack},
};
use crate::support::gateway::Gateway;

fn with_will(client_id: &str) -> Connect {
    Connect::new(client_id).will(format!("will/{client_id}"), "gone", 1)
}

/// A client that sees all wills.
fn watcher(gateway: &Gateway) -> Client {
    let mut watcher = Client::connect(gateway, "watcher");
    watcher.subscribe("will/#", 2);
    watcher
}

#[test]
fn mqtt_3_1_2_8_a_will_is_published_when_its_connection_ends_without_disconnect() {
    let gateway = Gateway::start("");
    let mut watcher = watcher(&gateway);
    let mut publisher = Client::connect(&gateway, "publisher");
    let lost = Client::connect_with(&gateway, &with_will("lost"));
    let faulty = Client::connect_with(&gateway, &with_will("faulty"));
    let mut replaced = Client::connect_with(&gateway, &with_will("replaced"));
    let stored = with_will("stored").keeping_session();
    let stored = Client::connect_with(&gateway, &stored);
    // None of them while the connections last.
    assert_eq!(watcher.messages_before_marker(&mut publisher, "will/x"), []);

    lost.vanish();
    assert_eq!(watcher.message(), message(1, "will/lost", "gone"));
    faulty.break_off();
    assert_eq!(watcher.message(), message(1, "will/faulty", "gone"));
    let _successor = Client::connect(&gateway, "replaced");
    replaced.expect_end();
    assert_eq!(watcher.message(), message(1, "will/replaced", "gone"));
    stored.vanish();
    assert_eq!(watcher.message(), message(1, "will/stored", "gone"));
    assert_eq!(watcher.messages_before_marker(&mut publisher, "will/x"), []);
}

#[test]
fn mqtt_3_1_2_10_a_will_that_was_published_or_discarded_does_not_come_back() {
    let gateway = Gateway::start("");
    let mut watcher = watcher(&gateway);
    let mut publisher = Client::connect(&gateway, "publisher");
    let client = with_will("client").keeping_session();
    Client::connect_with(&gateway, &client).break_off();
    assert_eq!(watcher.message(), message(1, "will/client", "gone"));
    Client::resume(&gateway, "client").break_off();

    let mut polite = Client::open_with(&gateway, &client.bytes());
    polite.expect(&connack(true, 0));
    polite.disconnect();
    Client::resume(&gateway, "client").break_off();
    // When the session is taken again, the end of the connection before is done with.
    Client::resume(&gateway, "client").disconnect();
    assert_eq!(watcher.messages_before_marker(&mut publisher, "will/x"), []);
}

#[test]
fn mqtt_3_1_2_12_without_a_will_nothing_is_published_when_the_connection_ends() {
    let gateway = Gateway::start("");
    let mut watcher = Client::connect(&gateway, "watcher");
    watcher.subscribe("#", 2);
    let mut publisher = Client::connect(&gateway, "publisher");
    for end in [Client::disconnect, Client::break_off, Client::vanish] {
        end(Client::connect(&gateway, "client"));
        // When the identifier is taken again, the end of the connection before is done with.
        Client::connect(&gateway, "client").disconnect();
    }
    assert_eq!(watcher.messages_before_marker(&mut publisher, "x"), []);
}

#[test]
fn mqtt_3_1_2_16_a_will_without_will_retain_is_not_retained() {
    let gateway = Gateway::start("");
    let mut watcher = watcher(&gateway);
    Client::connect_with(&gateway, &with_will("client")).break_off();
    assert_eq!(watcher.message(), message(1, "will/client", "gone"));

    let mut late = Client::connect(&gateway, "late");
    late.subscribe("will/#", 1);
    let mut publisher = Client::connect(&gateway, "publisher");
    assert_eq!(late.messages_before_marker(&mut publisher, "will/x"), []);
}

#[test]
fn mqtt_3_1_2_17_a_will_with_will_retain_is_retained() {
    let gateway = Gateway::start("");
    let mut watcher = watcher(&gateway);
    Client::connect_with(&gateway, &with_will("client").retaining()).break_off();
    assert_eq!(watcher.message(), message(1, "will/client", "gone"));

    let mut late = Client::connect(&gateway, "late");
    late.subscribe("will/#", 1);
    assert_eq!(late.message(), message(1, "will/client", "gone").retained());

    // An empty one removes what was retained, as any publish does.
    let empty = Connect::new("client")
        .will("will/client", "", 1)
        .retaining();
    Client::connect_with(&gateway, &empty).break_off();
    assert_eq!(watcher.message(), message(1, "will/client", ""));
    let mut later = Client::connect(&gateway, "later");
    later.subscribe("will/#", 1);
    let mut publisher = Client::connect(&gateway, "publisher");
    assert_eq!(later.messages_before_marker(&mut publisher, "will/x"), []);
}

#[test]
fn mqtt_3_14_1_1_a_disconnect_with_reserved_bits_is_a_fault_and_no_farewell() {
    let gateway = Gateway::start("");
    let mut watcher = watcher(&gateway);
    for flags in 1..16 {
        let mut client = Client::connect_with(&gateway, &with_will("client"));
        client.send(&[DISCONNECT[0] | flags, 0]);
        client.expect_end();
        assert_eq!(watcher.message(), message(1, "will/client", "gone"));
    }
}

#[test]
fn mqtt_3_14_4_3_a_disconnect_discards_the_will() {
    let gateway = Gateway::start("");
    let mut watcher = watcher(&gateway);
    let mut publisher = Client::connect(&gateway, "publisher");
    Client::connect_with(&gateway, &with_will("clean")).disconnect();
    Client::connect_with(&gateway, &with_will("stored").keeping_session()).disconnect();
    // Whoever does not wait for the other side to close has said farewell too.
    let mut hasty = Client::connect_with(&gateway, &with_will("hasty"));
    hasty.send(&DISCONNECT);
    drop(hasty);
    for id in ["clean", "stored", "hasty"] {
        // When the identifier is taken again, the end of the connection before is done with.
        Client::open_with(&gateway, &Connect::new(id).bytes()).expect(&connack(false, 0));
    }
    assert_eq!(watcher.messages_before_marker(&mut publisher, "will/x"), []);
}
