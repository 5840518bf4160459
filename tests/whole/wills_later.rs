//! Wills that wait: for their delay, for the end of a session, for a gateway that was killed.

use std::time::{Duration, Instant};

use crate::support::{
    client::{Client, MARKER, PUBACK},
    gateway::Gateway,
    hello::{Hello, Will},
    properties::id,
    version::Version::{V5, V311},
    wait::{PATIENCE, pause, wait_for_some},
};

const TOPIC: &str = "will";

fn will() -> Will {
    Will {
        topic: TOPIC,
        payload: "gone",
        qos: 1,
        ..Will::default()
    }
}

fn delayed(seconds: u32) -> Will {
    Will {
        delay: seconds,
        ..will()
    }
}

/// A session that gets wills, connected.
fn watcher(gateway: &Gateway) -> Client {
    let mut client = Hello::lasting(V5, "watcher").connect(gateway.address());
    client.subscribe(TOPIC, 2);
    client
}

/// What has come to `watcher` so far.
fn wills(watcher: &mut Client) -> Vec<String> {
    watcher.publish(1, TOPIC, MARKER);
    watcher.take_until_marker()
}

#[test]
fn a_delayed_will_is_published_when_its_time_has_come() {
    let gateway = Gateway::start("");
    let mut watcher = watcher(&gateway);
    let client = Hello::lasting(V5, "client")
        .will(delayed(1))
        .connect(gateway.address());
    let began = Instant::now();
    drop(client);
    assert!(wills(&mut watcher).is_empty());
    assert_eq!(watcher.take().payload, "gone");
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert!(wills(&mut watcher).is_empty());
    // The session goes on.
    let client = Hello::lasting(V5, "client").connect(gateway.address());
    assert!(client.session_present);
}

#[test]
fn a_delayed_will_is_not_published_when_its_client_comes_back() {
    let mut gateway = Gateway::start("");
    let hello = Hello::lasting(V5, "client").will(delayed(2));
    for restarts in [false, true] {
        let mut watcher = watcher(&gateway);
        drop(hello.connect(gateway.address()));
        if restarts {
            assert!(gateway.terminate().success());
            gateway.restart();
            watcher = self::watcher(&gateway);
        }
        // Without a will, so that nothing is left to publish.
        let back = Hello::lasting(V5, "client").connect(gateway.address());
        assert!(back.session_present);
        pause(Duration::from_millis(2_500));
        assert!(wills(&mut watcher).is_empty());
        drop(back);
        assert!(wills(&mut watcher).is_empty());
    }
}

#[test]
fn a_delayed_will_is_published_with_the_end_of_its_session_if_that_comes_first() {
    let gateway = Gateway::start("");
    let mut watcher = watcher(&gateway);
    let hello = Hello::lasting(V5, "client").will(delayed(3_600));
    // The session expires.
    drop(hello.clone().expiry(1).connect(gateway.address()));
    assert!(wills(&mut watcher).is_empty());
    assert_eq!(watcher.take().payload, "gone");
    // It ends with its connection.
    drop(hello.clone().expiry(0).connect(gateway.address()));
    assert_eq!(watcher.take().payload, "gone");
    // Its client starts anew, and takes over by that.
    let earlier = hello.connect(gateway.address());
    let newcomer = Hello::lasting(V5, "client")
        .clean(true)
        .connect(gateway.address());
    assert_eq!(watcher.take().payload, "gone");
    drop((earlier, newcomer));
    // Its client starts anew after it was lost.
    drop(hello.connect(gateway.address()));
    let _newcomer = Hello::new(V311, "client").connect(gateway.address());
    assert_eq!(watcher.take().payload, "gone");
    assert!(wills(&mut watcher).is_empty());
}

#[test]
fn a_takeover_publishes_a_will_without_delay_and_cancels_one_with() {
    let gateway = Gateway::start("");
    let mut watcher = watcher(&gateway);
    let hello = Hello::lasting(V5, "client");
    let first = hello.clone().will(will()).connect(gateway.address());
    let second = hello.clone().will(delayed(1)).connect(gateway.address());
    assert_eq!(watcher.take().payload, "gone");
    let _third = hello.connect(gateway.address());
    drop((first, second));
    pause(Duration::from_millis(1_500));
    assert!(wills(&mut watcher).is_empty());
}

#[test]
fn a_client_that_says_goodbye_chooses_whether_its_will_is_published() {
    let gateway = Gateway::start("");
    let mut watcher = watcher(&gateway);
    for (delay, code, expected) in [(0, 0, 0), (0, 4, 1), (1, 0, 0), (1, 4, 1)] {
        let hello = Hello::lasting(V5, "client").will(delayed(delay));
        hello.connect(gateway.address()).disconnect_with(&[code]);
        if delay > 0 {
            assert!(wills(&mut watcher).is_empty());
            pause(Duration::from_millis(1_500));
        }
        assert_eq!(
            wills(&mut watcher),
            vec!["gone"; expected],
            "{delay} {code}"
        );
    }
}

#[test]
fn a_killed_gateway_publishes_each_will_once_when_it_is_back() {
    let mut gateway = Gateway::start("");
    watcher(&gateway).disconnect();
    let named = |payload| Will {
        payload,
        qos: 2,
        ..will()
    };
    let address = gateway.address();
    let connected = [
        Hello::new(V311, "one").will(named("of 3.1.1 without a session")),
        Hello::lasting(V311, "two").will(named("of 3.1.1 with one")),
        Hello::new(V5, "three").will(named("of 5 without a session")),
        Hello::lasting(V5, "four").will(named("of 5 with one")),
    ]
    .map(|hello| hello.connect(address));
    let polite = Hello::new(V5, "polite").will(named("of one that said goodbye"));
    polite.connect(address).disconnect();
    // It is behind the goodbye in the store.
    Hello::new(V5, "other")
        .connect(address)
        .publish(1, TOPIC, "first");
    gateway.kill9();
    drop(connected);
    gateway.restart();
    let mut watcher = Hello::lasting(V5, "watcher").connect(gateway.address());
    assert_eq!(watcher.take().payload, "first");
    let mut got: Vec<_> = (0..4).map(|_| watcher.take()).collect();
    assert!(got.iter().all(|message| message.qos == 2));
    got.sort_by(|one, other| one.payload.cmp(&other.payload));
    assert_eq!(
        got.iter()
            .map(|message| &*message.payload)
            .collect::<Vec<_>>(),
        [
            "of 3.1.1 with one",
            "of 3.1.1 without a session",
            "of 5 with one",
            "of 5 without a session"
        ]
    );
    for restart in [Gateway::kill9, |gateway: &mut Gateway| {
        assert!(gateway.terminate().success());
    }] {
        assert!(wills(&mut watcher).is_empty());
        restart(&mut gateway);
        gateway.restart();
        watcher = self::watcher(&gateway);
    }
    assert!(wills(&mut watcher).is_empty());
}

#[test]
fn a_kill_takes_nothing_of_a_delay_and_restarts_do_not_add_to_it() {
    let mut gateway = Gateway::start("");
    watcher(&gateway).disconnect();
    let hello = Hello::lasting(V5, "client").will(delayed(3));
    let client = hello.connect(gateway.address());
    // The connection holds for longer than the will waits.
    pause(Duration::from_secs(4));
    gateway.kill9();
    drop(client);
    gateway.restart();
    let mut early = watcher(&gateway);
    assert!(wills(&mut early).is_empty(), "its client may come back");
    let began = Instant::now();
    for _ in 0..2 {
        pause(Duration::from_secs(1));
        assert!(gateway.terminate().success());
        gateway.restart();
    }
    let mut watcher = watcher(&gateway);
    assert_eq!(watcher.take().payload, "gone");
    assert!(began.elapsed() < Duration::from_millis(4_500));
}

#[test]
fn a_will_carries_its_properties_and_is_retained_if_it_says_so() {
    let mut gateway = Gateway::start("");
    let mut properties = vec![id::MESSAGE_EXPIRY, 0, 0, 0, 100, id::CONTENT_TYPE, 0, 1];
    properties.push(b'x');
    let will = Will {
        retain: true,
        qos: 2,
        properties,
        ..will()
    };
    for kills in [false, true] {
        let client = Hello::new(V5, "client")
            .will(will.clone())
            .connect(gateway.address());
        if kills {
            gateway.kill9();
            gateway.restart();
        }
        drop(client);
        let message = wait_for_some(PATIENCE, "the will is retained", || {
            let mut late = Hello::new(V5, "late").connect(gateway.address());
            late.subscribe(TOPIC, 2);
            late.subscribe("own", 1);
            late.publish(1, "own", MARKER);
            let message = late.take();
            (message.payload != MARKER).then_some(message)
        });
        assert_eq!((&*message.payload, message.qos), ("gone", 2));
        assert!(message.retain);
        let expiry = message.properties.number(id::MESSAGE_EXPIRY).unwrap();
        assert!((80..=100).contains(&expiry), "{expiry}");
        assert_eq!(message.properties.text(id::CONTENT_TYPE), Some(&b"x"[..]));
        let mut cleaner = Hello::new(V5, "cleaner").connect(gateway.address());
        cleaner.publish_raw(3, 1, TOPIC, &[], "");
        cleaner.expect_ack(PUBACK, 1);
    }
}
