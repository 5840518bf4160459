//! Sessions: how they begin, go on and end (3.1.2.4, 3.1.2.11.2, 4.1).

use std::time::Duration;

use super::{
    build::{Connect, disconnect},
    client::Client,
    prop,
};
use crate::support::{gateway::Gateway, wait::pause};

/// Leaves a session of `id` behind that has subscribed to `t` and waits for one message.
fn leave_a_session(gateway: &Gateway, id: &str) {
    let (mut client, _) = Client::resume(gateway, id);
    client.subscribe("t", 1);
    client.leave();
    let mut publisher = Client::connect(gateway, "publisher");
    publisher.publishes("t", "kept", 1);
}

#[test]
fn mqtt_3_1_2_4_and_3_1_4_4_and_3_2_2_2_a_clean_start_discards_the_session() {
    let gateway = Gateway::start("");
    leave_a_session(&gateway, "client");
    let clean = Connect::new("client").with(&prop::session_expiry(1_000));
    let (mut client, answer) = Client::accepted(&gateway, &clean);
    assert!(!answer.session_present);
    client.publishes("t", "for nobody", 1);
    client.subscribe("marker", 0);
    client.publishes("marker", "", 0);
    assert_eq!(client.take().topic, "marker");
    client.leave();

    let (mut client, is_present) = Client::resume(&gateway, "client");
    assert!(is_present, "a clean start begins a session of its own");
    client.gets_nothing();
}

#[test]
fn mqtt_3_1_2_5_and_3_2_2_3_a_session_that_is_there_goes_on() {
    let gateway = Gateway::start("");
    leave_a_session(&gateway, "client");
    let (mut client, is_present) = Client::resume(&gateway, "client");
    assert!(is_present);
    assert_eq!(client.take().text(), "kept");
    client.publishes("t", "still subscribed", 1);
    assert_eq!(client.take().text(), "still subscribed");
}

#[test]
fn mqtt_3_1_2_6_a_session_is_created_where_there_is_none() {
    let gateway = Gateway::start("");
    let (mut client, is_present) = Client::resume(&gateway, "client");
    assert!(!is_present);
    client.subscribe("t", 0);
    client.publishes("t", "", 0);
    client.take();
    client.leave();
    assert!(Client::resume(&gateway, "client").1);
}

#[test]
fn mqtt_3_1_3_2_the_client_identifier_names_the_session() {
    let gateway = Gateway::start("");
    leave_a_session(&gateway, "client");
    for other in ["Client", "client ", "clien", "client2"] {
        let (mut client, is_present) = Client::resume(&gateway, other);
        assert!(!is_present, "{other:?}");
        client.gets_nothing();
    }
    let (mut client, is_present) = Client::resume(&gateway, "client");
    assert!(is_present);
    assert_eq!(client.take().text(), "kept");
}

#[test]
fn mqtt_3_1_2_23_a_session_with_an_expiry_interval_outlives_its_connection() {
    let gateway = Gateway::start("");
    let long = prop::session_expiry(1_000);
    // Broken off, left, and kept with the last word.
    let endings: [fn(Client); 3] = [Client::vanish, Client::leave, |client| {
        client.leave_with(&disconnect(0, &prop::session_expiry(500)));
    }];
    for (number, end) in endings.into_iter().enumerate() {
        let id = format!("client {number}");
        let connect = Connect::new(&id).with(&long);
        let (mut client, _) = Client::accepted(&gateway, &connect);
        client.subscribe("t", 0);
        end(client);
        let (mut client, is_present) = Client::resume(&gateway, &id);
        assert!(is_present, "{id}");
        client.publishes("t", "still subscribed", 0);
        assert_eq!(client.take().text(), "still subscribed");
        client.unsubscribe("t");
    }
}

#[test]
fn mqtt_4_1_0_1_a_session_is_there_as_long_as_its_connection() {
    let gateway = Gateway::start("");
    for (id, expiry) in [("none", 0), ("short", 1)] {
        let connect = Connect::new(id)
            .without_clean_start()
            .with(&prop::session_expiry(expiry));
        let (mut client, _) = Client::accepted(&gateway, &connect);
        client.subscribe(id, 1);
        pause(Duration::from_millis(1_500));
        client.publishes(id, "still subscribed", 1);
        assert_eq!(client.take().text(), "still subscribed");
    }
    let (_first, _) = Client::resume(&gateway, "taken over");
    let (_, is_present) = Client::resume(&gateway, "taken over");
    assert!(is_present);
}

#[test]
fn mqtt_4_1_0_2_a_session_is_discarded_when_its_expiry_interval_has_passed() {
    let gateway = Gateway::start("");
    let connect = |id: &str, expiry| {
        Connect::new(id)
            .without_clean_start()
            .with(&prop::session_expiry(expiry))
    };
    let begin = |id, expiry| {
        let (mut client, _) = Client::accepted(&gateway, &connect(id, expiry));
        client.subscribe("t", 1);
        client
    };
    begin("at once", 0).leave();
    begin("soon", 1).leave();
    begin("broken off", 1).vanish();
    begin("said at the end", 1_000).leave_with(&disconnect(0, &prop::session_expiry(0)));
    begin("later", 1_000).leave();
    pause(Duration::from_millis(2_500));
    Client::connect(&gateway, "publisher").publishes("t", "for one", 1);
    for id in ["at once", "soon", "broken off", "said at the end"] {
        let (mut client, answer) = Client::accepted(&gateway, &connect(id, 0));
        assert!(!answer.session_present, "{id}");
        client.gets_nothing();
    }
    let (mut client, answer) = Client::accepted(&gateway, &connect("later", 0));
    assert!(answer.session_present);
    assert_eq!(client.take().text(), "for one");
}
