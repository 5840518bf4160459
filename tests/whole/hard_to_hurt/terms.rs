//! What is agreed on with CONNECT and CONNACK.

use crate::support::{
    device::{Device, Hello, Publish},
    gateway::Gateway,
    version::Version::{self, V5, V311},
    wire::string,
};

#[test]
fn a_client_has_no_more_messages_in_flight_than_it_takes_and_than_the_configuration_allows() {
    let gateway = Gateway::start("[limits]\nmax_inflight = 5");
    for (version, maximum, most) in [
        (V311, None, 5),
        (V5, None, 5),
        (V5, Some(3), 3),
        (V5, Some(1), 1),
        (V5, Some(100), 5),
    ] {
        for lasting in [false, true] {
            for qos in [1, 2] {
                let mut hello = if lasting {
                    Hello::lasting(version, "receiver")
                } else {
                    Hello::clean(version, "receiver")
                };
                if let Some(maximum) = maximum {
                    hello = hello.property(&[0x21, 0, maximum]);
                }
                let mut device = hello.accepted(gateway.address()).0;
                device.subscribe("t", qos);
                let mut publisher = Device::connect(gateway.address(), V311, "publisher");
                for number in 0..20 {
                    publisher.publish(&Publish::new("t", number.to_string()).qos(qos));
                }
                let mut open = Vec::new();
                for number in 0..most {
                    let message = device.unacknowledged("a message in flight");
                    assert_eq!(message.text(), number.to_string());
                    open.push(message);
                }
                // Two answers are behind all that was sent: nothing more has come.
                device.ping();
                device.ping();
                for number in most..20 {
                    let first = open.remove(0);
                    device.acknowledge(&first);
                    let message = device.unacknowledged("the next message");
                    assert_eq!(message.text(), number.to_string());
                    open.push(message);
                }
                open.iter().for_each(|message| device.acknowledge(message));
                device.ping();
                device.leave();
                Hello::clean(version, "receiver")
                    .accepted(gateway.address())
                    .0
                    .leave();
            }
        }
    }
}

/// MQTT 5, 3.2.2.3.14; clients below MQTT 5 cannot be told.
#[test]
fn a_client_is_told_the_keep_alive_that_it_gets() {
    let gateway = Gateway::start("[limits]\nmax_keep_alive = \"100s\"");
    for (asked, told) in [
        (0, true),
        (99, false),
        (100, false),
        (101, true),
        (u16::MAX, true),
    ] {
        let (mut device, welcome) = Hello::clean(V5, "keeper")
            .keep_alive(asked)
            .accepted(gateway.address());
        let is_told = welcome
            .properties
            .windows(3)
            .any(|bytes| bytes == [0x13, 0, 100]);
        assert_eq!(is_told, told, "{asked}: {:x?}", welcome.properties);
        device.ping();
        Hello::clean(V311, "older")
            .keep_alive(asked)
            .accepted(gateway.address());
    }
}

/// The keep-alive that was told counts, not the one that was asked for.
#[test]
fn a_client_that_is_silent_for_longer_than_it_was_told_is_closed() {
    let gateway = Gateway::start("[limits]\nmax_keep_alive = \"1s\"");
    let mut device = Hello::clean(V5, "silent")
        .keep_alive(0)
        .accepted(gateway.address())
        .0;
    assert_eq!(device.is_sent_away(), Some(0x8D));
}

/// MQTT 5, 3.2.2.3.9 and 3.14.2.2.2: for people, where the client takes packets of that size.
#[test]
fn a_reason_has_words_where_there_is_room_for_them() {
    let gateway = Gateway::start("[limits]\nmax_sessions = 0");
    let twenty_bytes = [0x27, 0, 0, 0, 20];
    for (maximum, has_words) in [(&[][..], true), (&twenty_bytes[..], false)] {
        let hello = Hello::lasting(V5, "worded").property(maximum);
        let (mut device, welcome) = hello.answered(gateway.address());
        assert_eq!(welcome.reason, 0x97);
        assert_eq!(
            welcome.properties.first() == Some(&0x1F),
            has_words,
            "{welcome:x?}"
        );
        assert_eq!(device.wire.receive(), None);

        let hello = Hello::clean(V5, "worded").property(maximum);
        let mut device = hello.accepted(gateway.address()).0;
        device.wire.send(&Publish::new("", "x").encode(V5, 0));
        let farewell = device.wire.expect("DISCONNECT");
        assert_eq!((farewell.first, farewell.body[0]), (0xE0, 0x82));
        assert_eq!(
            farewell.body.get(2) == Some(&0x1F),
            has_words,
            "{farewell:x?}"
        );
        assert_eq!(device.wire.receive(), None);
    }
}

/// [MQTT-3.1.2-24]: a client whose packets are too small for what it asks for is not served.
#[test]
fn every_packet_to_a_client_is_as_small_as_it_asks_for() {
    let gateway = Gateway::start("");
    let (mut refused, mut served) = (0, 0);
    for maximum in 1..=60 {
        let hello = Hello::clean(V5, "").property(&[0x27, 0, 0, 0, maximum]);
        let mut device = Device::open(gateway.address(), V5);
        device.wire.send(&hello.encode());
        let filters: [(&[u8], u8); 45] = [(b"t", 1); 45];
        device.wire.send(&device.subscribe_packet(1, &[], &filters));
        device.wire.send(&[0xC0, 0]);
        let mut answers = Vec::new();
        while let Some(packet) = device.wire.receive() {
            let size = packet.body.len() + 2;
            assert!(
                size <= usize::from(maximum),
                "{size} of {maximum} bytes: {packet:x?}"
            );
            answers.push((
                packet.first,
                packet.body.get(1).copied().unwrap_or_default(),
            ));
            if packet.first == 0xD0 {
                break;
            }
        }
        match answers[..] {
            [] | [(0x20, 0x95)] => refused += 1,
            [(0x20, 0), (0xE0, _)] => {}
            [(0x20, 0), (0x90, _), (0xD0, _)] => served += 1,
            _ => panic!("{maximum} bytes: {answers:x?}"),
        }
    }
    assert!(
        refused > 10 && served > 10,
        "{refused} refused, {served} served"
    );
}

/// MQTT 5, 3.1.2.11.6: request and response are matched by the clients alone.
#[test]
fn a_client_that_asks_for_response_information_is_served() {
    let gateway = Gateway::start("");
    for flags in [[0x19, 0], [0x19, 1], [0x17, 0], [0x17, 1]] {
        let (mut device, _) = Hello::clean(V5, "asker")
            .property(&flags)
            .accepted(gateway.address());
        device.ping();
    }
}

/// What a client calls itself is in nobody's way.
#[test]
fn user_name_and_password_are_taken_as_they_are() {
    let gateway = Gateway::start("");
    for version in Version::ALL {
        let hello = Hello::clean(version, "named").encode();
        let (name, _) = version.protocol();
        let flags = 2 + 2 + name.len() + 1;
        let mut body = hello[2..].to_vec();
        body[flags - 2] |= 0xC0;
        body.extend(string("?SDK=Python&Version=1.5.5".as_bytes()));
        body.extend(string(&[0, 0xFF]));
        let mut device = Device::open(gateway.address(), version);
        device.wire.send(&crate::support::wire::packet(0x10, &body));
        assert_eq!(device.wire.expect("CONNACK").body[1], 0, "MQTT {version}");
        device.ping();
    }
}
