//! Keep-alive and PINGREQ (3.1.2.10, 3.12).

use std::time::{Duration, Instant};

use super::{
    build::{Connect, Publish, Will},
    client::Client,
    prop,
    read::Packet,
    reason::KEEP_ALIVE_TIMEOUT,
};
use crate::support::{
    gateway::Gateway,
    wait::{PATIENCE, pause},
};

/// How often a client with a keep-alive of one second says something.
const LIVELY: Duration = Duration::from_millis(300);

#[test]
fn mqtt_3_1_2_22_and_3_2_2_22_a_client_that_is_silent_for_too_long_is_lost() {
    let gateway = Gateway::start("");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("will", 0);
    let connect = Connect::new("silent")
        .keep_alive(1)
        .will(Will::new("will", "gone"));
    let began = Instant::now();
    let (mut silent, answer) = Client::accepted(&gateway, &connect);
    assert!(!answer.properties.has(prop::SERVER_KEEP_ALIVE));

    match silent.receive() {
        None => {}
        Some(Packet::Disconnect { reason, .. }) if reason == KEEP_ALIVE_TIMEOUT => {
            assert_eq!(silent.receive(), None);
        }
        Some(other) => panic!("{other:?}"),
    }
    let elapsed = began.elapsed();
    assert!(elapsed >= Duration::from_millis(1_450), "{elapsed:?}");
    assert!(elapsed < PATIENCE / 2, "{elapsed:?}");
    assert_eq!(subscriber.take().text(), "gone");
}

#[test]
fn mqtt_3_1_2_22_any_packet_keeps_a_client_alive_and_without_a_keep_alive_none_is_needed() {
    let gateway = Gateway::start("");
    let connect = |id, seconds| Connect::new(id).keep_alive(seconds);
    let (mut pings, _) = Client::accepted(&gateway, &connect("pings", 1));
    let (mut publishes, _) = Client::accepted(&gateway, &connect("publishes", 1));
    let (mut silent, _) = Client::accepted(&gateway, &connect("silent", 0));
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        pings.pings();
        publishes.send(&Publish::new("t", "").encode());
        pause(LIVELY);
    }
    for client in [&mut pings, &mut publishes, &mut silent] {
        client.pings();
    }
}

#[test]
fn mqtt_3_12_4_1_each_pingreq_is_answered_with_pingresp() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.send(&[0xC0, 0].repeat(1_000));
    for _ in 0..1_000 {
        assert_eq!(client.expect(), Packet::PingResp);
    }
    client.leave();
}
