//! Wills (3.1.2.5 to 3.1.2.7, 3.1.3.2, 3.14.4).

use std::time::{Duration, Instant};

use super::{
    build::{Connect, Publish, Will, disconnect},
    client::Client,
    prop,
};
use crate::support::{gateway::Gateway, wait::pause};

/// A client that has subscribed to `will`, and one whose marker shows that nothing came.
struct Watch {
    subscriber: Client,
    publisher: Client,
}

impl Watch {
    #[track_caller]
    fn over(gateway: &Gateway) -> Self {
        let mut subscriber = Client::connect(gateway, "subscriber");
        subscriber.subscribe("will", 2);
        let publisher = Client::connect(gateway, "publisher");
        Self {
            subscriber,
            publisher,
        }
    }

    #[track_caller]
    fn sees(&mut self, text: &str) {
        assert_eq!(self.subscriber.take().text(), text);
    }

    #[track_caller]
    fn sees_nothing(&mut self) {
        self.publisher.publishes("will", "marker", 1);
        self.sees("marker");
    }
}

fn will() -> Will {
    Will::new("will", "gone")
}

/// A session that outlives its connection, and a will that waits for `seconds`.
fn delayed(id: &str, seconds: u32) -> Connect {
    Connect::resuming(id).will(will().with(&prop::four(prop::WILL_DELAY, seconds)))
}

#[test]
fn mqtt_3_1_2_7_the_will_of_an_accepted_connect_is_kept_and_that_of_a_refused_one_is_not() {
    let gateway = Gateway::start("");
    let mut watch = Watch::over(&gateway);
    let method = prop::text(prop::AUTHENTICATION_METHOD, "none such");
    let refused = Connect::new("refused").will(will()).with(&method);
    Client::refused(&gateway, &refused.encode(), &[0x8C]);
    watch.sees_nothing();

    let accepted = Connect::new("accepted").will(will());
    Client::accepted(&gateway, &accepted).0.vanish();
    watch.sees("gone");
}

#[test]
fn mqtt_3_1_2_8_the_will_is_published_when_the_connection_ends_without_a_proper_goodbye() {
    let gateway = Gateway::start("");
    let mut watch = Watch::over(&gateway);
    let connect = Connect::new("client").will(will().qos(2));
    let client = || Client::accepted(&gateway, &connect).0;

    client().vanish();
    watch.sees("gone");

    let mut breach = client();
    breach.send(&[0x00, 0x00]);
    breach.is_disconnected(&[0x81, 0x82]);
    watch.sees("gone");

    client().leave_with(&disconnect(0x04, &[]));
    watch.sees("gone");

    let mut replaced = client();
    Client::connect(&gateway, "client");
    replaced.is_disconnected(&[0x8E]);
    watch.sees("gone");
}

#[test]
fn mqtt_3_1_2_8_a_will_waits_for_its_delay_and_not_beyond_the_end_of_the_session() {
    let gateway = Gateway::start("");
    let mut watch = Watch::over(&gateway);
    let began = Instant::now();
    Client::accepted(&gateway, &delayed("delayed", 1))
        .0
        .vanish();
    watch.sees("gone");
    assert!(began.elapsed() >= Duration::from_millis(900), "too soon");

    let ends_first = Connect::new("ends first")
        .with(&prop::session_expiry(1))
        .will(will().with(&prop::four(prop::WILL_DELAY, 1_000)));
    Client::accepted(&gateway, &ends_first).0.vanish();
    watch.sees("gone");

    Client::accepted(&gateway, &delayed("discarded", 1_000))
        .0
        .vanish();
    Client::connect(&gateway, "discarded").pings();
    watch.sees("gone");
}

#[test]
fn mqtt_3_1_2_10_a_will_that_was_published_or_discarded_is_gone() {
    let gateway = Gateway::start("");
    let mut watch = Watch::over(&gateway);
    let with_will = Connect::resuming("client").will(will());
    Client::accepted(&gateway, &with_will).0.vanish();
    watch.sees("gone");
    Client::resume(&gateway, "client").0.vanish();
    // The session is back only when its end has been handled.
    Client::resume(&gateway, "client").0.leave();
    watch.sees_nothing();

    Client::accepted(&gateway, &with_will).0.leave();
    Client::resume(&gateway, "client").0.vanish();
    Client::resume(&gateway, "client").0.leave();
    watch.sees_nothing();
}

#[test]
fn mqtt_3_1_2_14_a_will_without_retain_is_not_retained() {
    let gateway = Gateway::start("");
    let mut watch = Watch::over(&gateway);
    let mut keeper = Client::connect(&gateway, "keeper");
    keeper.sends(Publish::new("will", "kept before").retained(), 1);
    watch.sees("kept before");
    let connect = Connect::new("client").will(will());
    Client::accepted(&gateway, &connect).0.vanish();
    watch.sees("gone");
    keeper.subscribe("will", 0);
    assert_eq!(keeper.take().text(), "kept before");
    keeper.gets_nothing();
}

#[test]
fn mqtt_3_1_2_15_a_will_with_retain_is_retained() {
    let gateway = Gateway::start("");
    let mut watch = Watch::over(&gateway);
    let connect = Connect::new("client").will(will().qos(1).retained());
    Client::accepted(&gateway, &connect).0.vanish();
    let will = watch.subscriber.take();
    assert_eq!((will.text(), will.retain), ("gone", false));
    let mut later = Client::connect(&gateway, "later");
    later.subscribe("will", 1);
    let will = later.take();
    assert_eq!((will.text(), will.retain, will.qos), ("gone", true, 1));
}

#[test]
fn mqtt_3_1_3_9_a_client_that_is_back_within_the_delay_keeps_its_will_from_being_published() {
    let gateway = Gateway::start("");
    let mut watch = Watch::over(&gateway);
    Client::accepted(&gateway, &delayed("client", 1)).0.vanish();
    let (mut client, is_present) = Client::resume(&gateway, "client");
    assert!(is_present);
    pause(Duration::from_millis(2_000));
    watch.sees_nothing();
    client.pings();
}

#[test]
fn mqtt_3_1_3_10_the_user_properties_of_a_will_keep_their_order() {
    let gateway = Gateway::start("");
    let mut watch = Watch::over(&gateway);
    let pairs = [("b", "1"), ("a", "2"), ("b", "1"), ("", ""), ("a", "0")];
    let mut will = will()
        .with(&prop::byte(prop::PAYLOAD_FORMAT, 1))
        .with(&prop::text(prop::CONTENT_TYPE, "text/plain"))
        .with(&prop::text(prop::RESPONSE_TOPIC, "answer"))
        .with(&prop::text(prop::CORRELATION_DATA, b"\0\xff"));
    for (name, value) in pairs {
        will = will.with(&prop::user(name, value));
    }
    Client::accepted(&gateway, &Connect::new("client").will(will))
        .0
        .vanish();
    let properties = watch.subscriber.take().properties;
    assert_eq!(properties.user(), pairs);
    assert_eq!(properties.number(prop::PAYLOAD_FORMAT), Some(1));
    assert_eq!(properties.text(prop::CONTENT_TYPE), Some("text/plain"));
    assert_eq!(properties.text(prop::RESPONSE_TOPIC), Some("answer"));
    assert_eq!(
        properties.binary(prop::CORRELATION_DATA),
        Some(&b"\0\xff"[..])
    );
}

#[test]
fn mqtt_3_14_4_3_a_client_that_disconnects_properly_takes_its_will_with_it() {
    let gateway = Gateway::start("");
    let mut watch = Watch::over(&gateway);
    for goodbye in [vec![0xE0, 0], vec![0xE0, 1, 0], disconnect(0, &[])] {
        let connect = Connect::new("client").will(will());
        Client::accepted(&gateway, &connect).0.leave_with(&goodbye);
        watch.sees_nothing();
    }
    Client::accepted(&gateway, &delayed("delayed", 1)).0.leave();
    pause(Duration::from_millis(2_000));
    watch.sees_nothing();
}
