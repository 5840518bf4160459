//! How long a session lives: until a clean start, until it expires, until its client says so.

use std::time::Duration;

use super::remains;
use crate::support::{
    client::{Client, MARKER, PUBREC, PUBREL},
    gateway::Gateway,
    hello::{Hello, Will},
    properties::id,
    version::Version::{self, V5, V311},
    wait::pause,
    wire,
};

const CLIENT: &str = "the-client";

/// A client with something of everything that a session has, connected still.
fn with_everything(gateway: &Gateway, hello: &Hello) -> Client {
    let mut client = hello.connect(gateway.address());
    client.subscribe("a/#", 2);
    client.subscribe("b", 1);
    client.subscribe("$share/group/c", 1);
    // A QoS 2 publish that is not released.
    client.publish_raw(4, 50, "elsewhere", &[], "open");
    client.expect_ack(PUBREC, 50);
    let mut publisher = Hello::new(V311, "publisher").connect(gateway.address());
    for (qos, topic) in [(2, "a/1"), (2, "a/2"), (1, "b"), (1, "c")] {
        publisher.publish(qos, topic, "queued");
    }
    // A QoS 2 message that waits for PUBCOMP; the others are sent and not acknowledged.
    let first = client.message();
    client.acknowledge(PUBREC, first.id);
    client.expect_ack(PUBREL, first.id);
    publisher.disconnect();
    client
}

fn with_will(hello: Hello) -> Hello {
    hello.will(Will {
        topic: "will",
        payload: "gone",
        qos: 1,
        delay: 3600,
        ..Will::default()
    })
}

#[test]
fn nothing_is_left_of_a_session_however_it_has_ended() {
    type Ending = (&'static str, Hello, fn(&mut Gateway, &Hello, Client));
    let lasting = |version| with_will(Hello::lasting(version, CLIENT));
    let endings: [Ending; 7] = [
        ("a clean start", lasting(V311), |gateway, hello, client| {
            drop(client);
            let hello = hello.clone().clean(true);
            hello.connect(gateway.address()).disconnect();
        }),
        (
            "a clean start that takes over",
            lasting(V5),
            |gateway, hello, mut client| {
                let hello = hello.clone().clean(true).expiry(0);
                let newcomer = hello.connect(gateway.address());
                assert!(!newcomer.session_present);
                newcomer.disconnect();
                while client.receive().is_some() {}
            },
        ),
        ("DISCONNECT with expiry 0", lasting(V5), |_, _, client| {
            client.disconnect_with(&[0, 5, id::SESSION_EXPIRY, 0, 0, 0, 0]);
        }),
        (
            "an expiry of 0 at a later CONNECT",
            lasting(V5),
            |gateway, hello, client| {
                drop(client);
                let client = hello.clone().expiry(0).connect(gateway.address());
                assert!(client.session_present);
                client.disconnect();
            },
        ),
        ("expiry", lasting(V5).expiry(1), |_, _, client| {
            drop(client);
            pause(Duration::from_millis(1_500));
        }),
        (
            "expiry while the gateway was down",
            lasting(V5).expiry(1),
            |gateway, _, client| {
                assert!(gateway.terminate().success());
                drop(client);
                pause(Duration::from_millis(1_100));
                gateway.restart();
            },
        ),
        (
            "expiry after a kill",
            lasting(V5).expiry(1),
            |gateway, _, client| {
                gateway.kill9();
                drop(client);
                gateway.restart();
                pause(Duration::from_millis(1_500));
            },
        ),
    ];
    for (what, hello, end) in endings {
        let mut gateway = Gateway::start("");
        let client = with_everything(&gateway, &hello);
        end(&mut gateway, &hello, client);
        assert!(gateway.terminate().success());
        let remains = remains::of_client(&gateway.data_dir(), CLIENT);
        assert_eq!(remains, [""; 0], "{what}");
    }
}

#[test]
fn what_of_a_session_is_to_be_kept_is_found_in_the_store() {
    // The test above could not fail if this looked at nothing.
    let mut gateway = Gateway::start("");
    let hello = with_will(Hello::lasting(V5, CLIENT));
    drop(with_everything(&gateway, &hello));
    assert!(gateway.terminate().success());
    let remains = remains::of_client(&gateway.data_dir(), CLIENT);
    for tag in ["p/", "I", "O", "S", "U", "W"] {
        assert!(
            remains.iter().any(|name| name.starts_with(tag)),
            "{tag}: {remains:?}"
        );
    }
}

#[test]
fn a_session_that_has_not_expired_survives_a_kill_whatever_was_last_noted() {
    let mut gateway = Gateway::start("");
    let hello = Hello::lasting(V5, CLIENT).expiry(3);
    let client = hello.connect(gateway.address());
    // Longer than the session outlives its connection, which holds meanwhile.
    pause(Duration::from_secs(4));
    gateway.kill9();
    drop(client);
    gateway.restart();
    assert!(hello.connect(gateway.address()).session_present);
}

#[test]
fn an_expiry_goes_on_over_restarts_that_the_client_does_not_see() {
    let mut gateway = Gateway::start("");
    let hello = Hello::lasting(V5, CLIENT).expiry(3);
    let client = hello.connect(gateway.address());
    gateway.kill9();
    drop(client);
    for _ in 0..4 {
        gateway.restart();
        pause(Duration::from_secs(1));
        assert!(gateway.terminate().success());
    }
    gateway.restart();
    assert!(!hello.connect(gateway.address()).session_present);
}

#[test]
fn a_disconnect_shortens_the_expiry_and_cannot_raise_it_from_none() {
    let gateway = Gateway::start("");
    let one_second = [0, 5, id::SESSION_EXPIRY, 0, 0, 0, 1];
    let hello = Hello::lasting(V5, CLIENT);
    hello
        .connect(gateway.address())
        .disconnect_with(&one_second);
    pause(Duration::from_millis(1_500));
    assert!(!hello.connect(gateway.address()).session_present);

    let mut client = Hello::new(V5, "none").connect(gateway.address());
    client.send(&wire::packet(0xE0, &one_second));
    let farewell = client.receive().expect("DISCONNECT");
    assert_eq!((farewell.first, farewell.body[0]), (0xE0, 0x82));
    assert_eq!(client.receive(), None);
    let hello = Hello::lasting(V5, "none");
    assert!(!hello.connect(gateway.address()).session_present);
}

#[test]
fn a_longer_expiry_than_there_is_is_told_and_holds() {
    let gateway = Gateway::start("[limits]\nmax_session_expiry = \"1s\"\n");
    let told = |expiry| {
        let client = Hello::lasting(V5, CLIENT)
            .expiry(expiry)
            .connect(gateway.address());
        client.told.number(id::SESSION_EXPIRY)
    };
    assert_eq!(told(1), None);
    assert_eq!(told(2), Some(1));
    assert_eq!(told(u32::MAX), Some(1));
    for version in [V311, V5] {
        let hello = Hello::lasting(version, CLIENT);
        hello.connect(gateway.address()).disconnect();
        pause(Duration::from_millis(1_500));
        assert!(!hello.connect(gateway.address()).session_present);
    }
}

#[test]
fn one_session_too_many_is_refused_until_another_ends() {
    let mut gateway = Gateway::start("[limits]\nmax_sessions = 2\n");
    for version in [V311, V5] {
        let hello = Hello::lasting(version, &format!("first-{version}"));
        hello.connect(gateway.address()).disconnect();
    }
    let refusal = |gateway: &Gateway, version: Version| {
        let hello = Hello::lasting(version, "third");
        hello.attempt(gateway.address()).err()
    };
    for restarts in [false, true] {
        if restarts {
            assert!(gateway.terminate().success());
            gateway.restart();
        }
        assert_eq!(refusal(&gateway, V311), Some(Some(3)));
        assert_eq!(refusal(&gateway, V5), Some(Some(0x97)));
        // Those that are there can be used, and others need no place.
        let there = Hello::lasting(V5, "first-5").connect(gateway.address());
        assert!(there.session_present);
        Hello::new(V5, "passing")
            .connect(gateway.address())
            .disconnect();
    }
    let over = Hello::new(V311, "first-3.1.1");
    over.connect(gateway.address()).disconnect();
    assert_eq!(refusal(&gateway, V311), None);
    assert_eq!(refusal(&gateway, V5), None, "it resumes that session");
}

#[test]
fn a_client_without_an_identifier_can_keep_the_session_that_it_is_told() {
    let gateway = Gateway::start("");
    let client = Hello::lasting(V5, "").connect(gateway.address());
    let assigned = client.told.text(0x12).expect("an identifier").to_vec();
    client.disconnect();
    let hello = Hello::lasting(V5, std::str::from_utf8(&assigned).unwrap());
    let mut client = hello.connect(gateway.address());
    assert!(client.session_present);
    client.subscribe("t", 1);
    client.publish(1, "t", MARKER);
    assert!(client.take_until_marker().is_empty());
}
