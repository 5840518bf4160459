//! A publisher and a subscriber that keep to the specification over broken connections.

use std::{collections::HashSet, net::SocketAddr};

use crate::support::{
    client::{Client, Message, PUBCOMP, PUBREC, PUBREL},
    hello::Hello,
    version::Version,
    wire,
};

pub(super) const TOPIC: &str = "site/door";

/// A client whose session outlives its connections.
pub(super) fn hello(version: Version, client_id: &str) -> Hello {
    Hello::lasting(version, client_id)
}

/// Publishes one message after the other.
pub(super) struct Publisher {
    version: Version,
    pub(super) client: Client,
    open: Option<Open>,
}

/// A message whose handshake is not over.
struct Open {
    payload: String,
    stage: Stage,
}

/// How far the handshake of a message has come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Stage {
    Sent,
    /// PUBREC has come: the message itself is not sent any more.
    Received,
    /// PUBREL was sent over this connection.
    Released,
}

/// Always the same: it is free again when a message is over.
const ID: u16 = 7;

impl Publisher {
    pub(super) fn connect(version: Version, address: SocketAddr) -> Publisher {
        Publisher {
            version,
            client: hello(version, "publisher").connect(address),
            open: None,
        }
    }

    /// Connects, and repeats the last step that was not answered ([MQTT-4.4.0-1]).
    pub(super) fn connect_again(&mut self, address: SocketAddr) {
        self.client = hello(self.version, "publisher").connect(address);
        assert!(self.client.session_present);
        match &self.open {
            None => {}
            Some(open) if open.stage == Stage::Sent => {
                self.client.publish_raw(0x0C, ID, TOPIC, &[], &open.payload);
            }
            Some(_) => self.release(),
        }
    }

    pub(super) fn send(&mut self, payload: &str) {
        self.client.publish_raw(4, ID, TOPIC, &[], payload);
        self.open = Some(Open {
            payload: payload.to_owned(),
            stage: Stage::Sent,
        });
    }

    #[track_caller]
    pub(super) fn expect_pubrec(&mut self) {
        self.client.expect_ack(PUBREC, ID);
        self.reach(Stage::Received);
    }

    pub(super) fn release(&mut self) {
        self.client.acknowledge(PUBREL, ID);
        self.reach(Stage::Released);
    }

    fn reach(&mut self, stage: Stage) {
        self.open.as_mut().expect("a message is open").stage = stage;
    }

    #[track_caller]
    pub(super) fn expect_pubcomp(&mut self) {
        let pubcomp = self.client.receive().expect("PUBCOMP");
        assert_eq!(
            (pubcomp.first, wire::acknowledged(&pubcomp)),
            (PUBCOMP, ID),
            "{pubcomp:?}"
        );
        self.open = None;
    }

    /// Goes on with what is open until nothing is.
    #[track_caller]
    pub(super) fn finish(&mut self) {
        let Some(Open { stage, .. }) = self.open else {
            return;
        };
        if stage == Stage::Sent {
            self.expect_pubrec();
        }
        if stage < Stage::Released {
            self.release();
        }
        self.expect_pubcomp();
    }
}

/// Hands each message to its application when it comes first ([MQTT-4.3.3-10], method A).
pub(super) struct Subscriber {
    version: Version,
    pub(super) client: Client,
    /// Packet identifiers of messages that the application has and that are not released.
    held: HashSet<u16>,
    pub(super) application: Vec<String>,
    /// The message whose handshake goes on step by step.
    current: u16,
}

impl Subscriber {
    pub(super) fn connect(version: Version, address: SocketAddr) -> Subscriber {
        let mut client = hello(version, "subscriber").connect(address);
        client.subscribe(TOPIC, 2);
        Subscriber {
            version,
            client,
            held: HashSet::new(),
            application: Vec::new(),
            current: 0,
        }
    }

    pub(super) fn connect_again(&mut self, address: SocketAddr) {
        self.client = hello(self.version, "subscriber").connect(address);
        assert!(self.client.session_present);
    }

    #[track_caller]
    pub(super) fn expect_publish(&mut self) {
        let message = self.client.message();
        self.accept(message);
    }

    pub(super) fn send_pubrec(&mut self) {
        self.client.acknowledge(PUBREC, self.current);
    }

    #[track_caller]
    pub(super) fn expect_pubrel(&mut self) {
        self.client.expect_ack(PUBREL, self.current);
        self.held.remove(&self.current);
    }

    pub(super) fn send_pubcomp(&mut self) {
        self.client.acknowledge(PUBCOMP, self.current);
    }

    fn accept(&mut self, message: Message) {
        assert_eq!(message.qos, 2);
        self.current = message.id;
        if self.held.insert(message.id) {
            self.application.push(message.payload);
        }
    }

    /// Answers whatever comes until the application has `payload` and nothing is held.
    #[track_caller]
    pub(super) fn go_on_until(&mut self, payload: &str) {
        while self.application.last().map(String::as_str) != Some(payload) || !self.held.is_empty()
        {
            let packet = self.client.receive().expect("the connection holds");
            if packet.first == PUBREL {
                let id = wire::acknowledged(&packet);
                self.held.remove(&id);
                self.client.acknowledge(PUBCOMP, id);
            } else {
                self.accept(Message::read(self.version, &packet));
                self.send_pubrec();
            }
        }
    }

    /// Takes `count` messages, and acknowledges all but the first of them to the end.
    #[track_caller]
    pub(super) fn leave_first_and_finish(&mut self, count: usize) {
        self.expect_publish();
        let mut others = Vec::new();
        for _ in 1..count {
            self.expect_publish();
            others.push(self.current);
        }
        for id in others {
            self.current = id;
            self.send_pubrec();
            self.expect_pubrel();
            self.send_pubcomp();
        }
    }
}
