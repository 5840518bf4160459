//! What a session has comes back: after a lost connection, a stop and a kill.

use crate::support::{
    client::MARKER,
    gateway::Gateway,
    hello::Hello,
    version::Version::{self, V5, V31, V311},
};

/// What happens to a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Break {
    Disconnect,
    Lost,
    Stop,
    Kill,
}

const BREAKS: [Break; 4] = [Break::Disconnect, Break::Lost, Break::Stop, Break::Kill];

#[test]
fn subscriptions_and_queued_messages_come_back_in_order() {
    for (version, how) in Version::ALL
        .iter()
        .flat_map(|version| BREAKS.map(|how| (*version, how)))
    {
        let what = format!("MQTT {version}, {how:?}");
        let mut gateway = Gateway::start("");
        let hello = Hello::lasting(version, "subscriber");
        let mut client = hello.connect(gateway.address());
        assert!(!client.session_present);
        client.subscribe("a/+", 2);
        client.subscribe("b", 1);
        client.subscribe("c", 0);
        client.unsubscribe("b");
        match how {
            Break::Disconnect => client.disconnect(),
            _ => drop(client),
        }
        let mut publisher = Hello::new(V311, "publisher").connect(gateway.address());
        let mut expected = Vec::new();
        for number in 0..30 {
            let qos = number % 3;
            let payload = number.to_string();
            publisher.publish(qos, &format!("a/{qos}"), &payload);
            publisher.publish(1, "b", "unsubscribed");
            publisher.publish(1, "c", "granted QoS 0");
            // At QoS 0 nothing is kept for a client that is away.
            expected.extend((qos > 0).then_some((qos, payload)));
        }
        match how {
            Break::Stop => assert!(gateway.terminate().success()),
            Break::Kill => gateway.kill9(),
            Break::Disconnect | Break::Lost => {}
        }
        if matches!(how, Break::Stop | Break::Kill) {
            gateway.restart();
        }
        let mut client = hello.connect(gateway.address());
        // The specification of 3.1 has no such flag.
        assert_eq!(client.session_present, version != V31, "{what}");
        let mut publisher = Hello::new(V311, "publisher").connect(gateway.address());
        for (qos, payload) in expected {
            let message = client.take();
            assert_eq!((message.qos, message.payload), (qos, payload), "{what}");
        }
        // The subscriptions hold.
        publisher.publish(0, "c", "live at QoS 0");
        publisher.publish(1, "b", "unsubscribed");
        publisher.publish(2, "a/2", MARKER);
        assert_eq!(client.take_until_marker(), ["live at QoS 0"], "{what}");
    }
}

#[test]
fn what_was_acknowledged_is_not_queued_again() {
    for version in [V311, V5] {
        let mut gateway = Gateway::start("");
        let hello = Hello::lasting(version, "subscriber");
        let mut client = hello.connect(gateway.address());
        client.subscribe("t", 2);
        let mut publisher = Hello::new(V311, "publisher").connect(gateway.address());
        for number in 0..20 {
            publisher.publish(1 + number % 2, "t", &number.to_string());
            client.take();
        }
        client.settle();
        gateway.kill9();
        gateway.restart();
        let mut client = hello.connect(gateway.address());
        let mut publisher = Hello::new(V311, "publisher").connect(gateway.address());
        publisher.publish(1, "t", MARKER);
        assert!(client.take_until_marker().is_empty(), "MQTT {version}");
    }
}
