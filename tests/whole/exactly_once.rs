//! QoS 2 from one end to the other: whenever the gateway is killed, the application behind the
//! subscriber has each message once.

mod parties;
mod random;

use self::parties::{Publisher, Subscriber};
use crate::support::{
    client::{PUBCOMP, PUBREC, PUBREL},
    gateway::Gateway,
    version::Version::{self, V5, V311},
};

/// The steps of both handshakes, in the order in which one message goes through them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    PublishSent,
    PubRecReceived,
    PublishReceived,
    PubRecSent,
    PubRelReceived,
    PubCompSent,
    PubRelSent,
    PubCompReceived,
}

impl Step {
    const ALL: [Step; 8] = [
        Step::PublishSent,
        Step::PubRecReceived,
        Step::PublishReceived,
        Step::PubRecSent,
        Step::PubRelReceived,
        Step::PubCompSent,
        Step::PubRelSent,
        Step::PubCompReceived,
    ];
}

/// A publisher, a subscriber and the gateway between them.
struct Site {
    gateway: Gateway,
    publisher: Publisher,
    subscriber: Subscriber,
}

impl Site {
    fn start(version: Version) -> Site {
        let gateway = Gateway::start("");
        let address = gateway.address();
        Site {
            publisher: Publisher::connect(version, address),
            subscriber: Subscriber::connect(version, address),
            gateway,
        }
    }

    #[track_caller]
    fn take(&mut self, step: Step) {
        let (publisher, subscriber) = (&mut self.publisher, &mut self.subscriber);
        match step {
            Step::PublishSent => publisher.send("message"),
            Step::PubRecReceived => publisher.expect_pubrec(),
            Step::PubRelSent => publisher.release(),
            Step::PubCompReceived => publisher.expect_pubcomp(),
            Step::PublishReceived => subscriber.expect_publish(),
            Step::PubRecSent => subscriber.send_pubrec(),
            Step::PubRelReceived => subscriber.expect_pubrel(),
            Step::PubCompSent => subscriber.send_pubcomp(),
        }
    }

    /// Publishes a message that arrives, and finishes what is unfinished.
    #[track_caller]
    fn deliver(&mut self, payload: &str) {
        self.publisher.finish();
        self.publisher.send(payload);
        self.publisher.finish();
        self.subscriber.go_on_until(payload);
    }

    fn kill_and_go_on(&mut self) {
        self.gateway.kill9();
        self.gateway.restart();
        let address = self.gateway.address();
        self.publisher.connect_again(address);
        self.subscriber.connect_again(address);
    }
}

#[test]
fn a_kill_at_any_step_of_the_handshakes_neither_loses_nor_repeats_a_message() {
    for version in [V311, V5] {
        for (crash, settles) in Step::ALL
            .iter()
            .flat_map(|step| [(*step, false), (*step, true)])
        {
            let mut site = Site::start(version);
            site.deliver("before");
            for step in Step::ALL {
                site.take(step);
                if step == crash {
                    break;
                }
            }
            if settles {
                // What was sent has been handled when the kill comes.
                site.publisher.client.ping();
                site.subscriber.client.ping();
            }
            site.kill_and_go_on();
            site.deliver("after");
            assert_eq!(
                site.subscriber.application,
                ["before", "message", "after"],
                "MQTT {version}, killed behind {crash:?}, at rest: {settles}"
            );
        }
    }
}

#[test]
fn a_connection_that_breaks_at_any_step_neither_loses_nor_repeats_a_message() {
    for version in [V311, V5] {
        let mut site = Site::start(version);
        let mut expected = Vec::new();
        for crash in Step::ALL {
            for step in Step::ALL {
                site.take(step);
                if step == crash {
                    break;
                }
            }
            let address = site.gateway.address();
            site.publisher.connect_again(address);
            site.subscriber.connect_again(address);
            let after = format!("after {crash:?}");
            site.deliver(&after);
            expected.extend(["message".to_owned(), after]);
            assert_eq!(
                site.subscriber.application, expected,
                "MQTT {version}, broken behind {crash:?}"
            );
        }
    }
}

#[test]
fn a_message_that_is_over_is_not_sent_again_while_an_earlier_one_is_open() {
    for version in [V311, V5] {
        let mut site = Site::start(version);
        for payload in ["first", "second", "third"] {
            site.publisher.send(payload);
            site.publisher.finish();
        }
        site.subscriber.leave_first_and_finish(3);
        site.subscriber.client.settle();
        for ends_well in [false, true] {
            if ends_well {
                assert!(site.gateway.terminate().success());
            } else {
                site.gateway.kill9();
            }
            site.gateway.restart();
            site.subscriber.connect_again(site.gateway.address());
            let again = site.subscriber.client.message();
            assert_eq!(
                (again.dup, again.payload.as_str()),
                (true, "first"),
                "MQTT {version}"
            );
            site.subscriber.client.ping();
            assert_eq!(site.subscriber.client.buffered(), None, "MQTT {version}");
        }
        site.publisher.connect_again(site.gateway.address());
        site.subscriber.connect_again(site.gateway.address());
        site.deliver("fourth");
        assert_eq!(
            site.subscriber.application,
            ["first", "second", "third", "fourth"],
            "MQTT {version}"
        );
    }
}

#[test]
fn a_publisher_whose_window_was_full_when_the_gateway_was_killed_goes_on() {
    let mut gateway = Gateway::start("[limits]\nreceive_maximum = 2\n");
    let mut subscriber = Subscriber::connect(V5, gateway.address());
    let mut publisher = parties::hello(V5, "publisher").connect(gateway.address());
    for id in 1..=2 {
        publisher.publish_raw(4, id, parties::TOPIC, &[], &id.to_string());
        publisher.expect_ack(PUBREC, id);
    }
    gateway.kill9();
    gateway.restart();
    subscriber.connect_again(gateway.address());
    // It has lost the PUBREC of the first; of the second it releases a publish of another
    // connection, which takes no place among those of this one (MQTT 5, 4.9).
    let mut publisher = parties::hello(V5, "publisher").connect(gateway.address());
    publisher.publish_raw(0x0C, 1, parties::TOPIC, &[], "1");
    publisher.publish_raw(4, 3, parties::TOPIC, &[], "3");
    for id in [1, 3] {
        publisher.expect_ack(PUBREC, id);
    }
    for id in [2, 1, 3] {
        publisher.acknowledge(PUBREL, id);
        publisher.expect_ack(PUBCOMP, id);
    }
    subscriber.go_on_until("3");
    assert_eq!(subscriber.application, ["1", "2", "3"]);
}
