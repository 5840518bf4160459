//! What all acknowledgements have in common: their reason codes, and what may come with
//! them (3.1.2.11.7, 3.4 to 3.7, 3.9, 3.11, 3.14).

use super::{
    build::{
        Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, Publish, ack, ack_because, subscribe, unsubscribe,
    },
    client::Client,
    prop,
    properties::Properties,
    read::Packet,
    reason::MALFORMED,
};
use crate::support::{gateway::Gateway, wire::packet};

/// A client that is given every occasion for a reason string.
struct Provoked {
    client: Client,
    /// The first byte, the properties and the size of what it was sent.
    answers: Vec<(u8, Properties, usize)>,
}

impl Provoked {
    /// Has a client with this CONNECT do all that is answered with something else than yes.
    #[track_caller]
    fn by(gateway: &Gateway, connect: &Connect) -> Self {
        let (client, _) = Client::accepted(gateway, connect);
        let mut provoked = Self {
            client,
            answers: Vec::new(),
        };
        // Above the limit on the length of topics, and nobody's.
        let long = "x".repeat(60_000);
        for topic in [long.as_str(), "nobody's"] {
            provoked.exchange(&Publish::new(topic, "").qos(1, 1).encode(), PUBACK);
            provoked.exchange(&Publish::new(topic, "").qos(2, 2).encode(), PUBREC);
        }
        // Of what was never sent.
        provoked.exchange(&ack(PUBREL, 77), PUBCOMP);
        provoked.exchange(&ack(PUBREC, 77), PUBREL);
        provoked.exchange(&ack_because(PUBREL, 78, 0x92), PUBCOMP);
        provoked.exchange(&subscribe(3, &[], &[(&long, 0), ("t", 0)]), 0x90);
        provoked.exchange(&unsubscribe(4, &["none", "t"]), 0xB0);
        provoked.exchange(&packet(0x00, &[]), 0xE0);
        assert_eq!(provoked.client.receive(), None);
        provoked
    }

    /// Sends `packet` and keeps the answer, which begins with `first`.
    #[track_caller]
    fn exchange(&mut self, packet: &[u8], first: u8) {
        self.client.send(packet);
        self.client.largest = 0;
        let (kind, properties) = match self.client.expect() {
            Packet::Ack(answer) => (answer.first, answer.properties),
            Packet::SubAck(answer) => (0x90, answer.properties),
            Packet::UnsubAck(answer) => (0xB0, answer.properties),
            Packet::Disconnect { properties, .. } => (0xE0, properties),
            other => panic!("{other:?}"),
        };
        assert_eq!(kind, first);
        self.answers.push((kind, properties, self.client.largest));
    }
}

#[test]
fn mqtt_3_4_2_1_and_3_5_2_1_and_3_6_2_1_and_3_7_2_1_and_3_14_2_1_reason_codes_are_defined() {
    let gateway = Gateway::start("");
    // A code that its packet does not have fails the reading of it.
    let provoked = Provoked::by(&gateway, &Connect::new("client"));
    let kinds = [PUBACK, PUBREC, PUBREL, PUBCOMP, 0x90, 0xB0, 0xE0];
    for kind in kinds {
        assert!(provoked.answers.iter().any(|answer| answer.0 == kind));
    }
}

#[test]
fn mqtt_3_6_1_1_wrong_flags_make_pubrel_malformed() {
    let gateway = Gateway::start("");
    for flags in (0..16).filter(|flags| *flags != 2) {
        let mut client = Client::connect(&gateway, "client");
        client.send(&Publish::new("t", "").qos(2, 1).encode());
        client.acked(PUBREC, 1);
        client.send(&packet(0x60 | flags, &[0, 1]));
        client.is_disconnected(&[MALFORMED]);
    }
}

#[test]
fn mqtt_3_1_2_29_a_client_that_wants_no_problem_information_gets_none() {
    let gateway = Gateway::start("");
    let connect = Connect::new("client").with(&prop::byte(prop::PROBLEM_INFORMATION, 0));
    for (first, properties, _) in Provoked::by(&gateway, &connect).answers {
        if first != 0xE0 {
            assert_eq!(properties, Properties::default(), "{first:#04x}");
        }
    }
    // What belongs to a message is no problem information.
    let (mut client, _) = Client::accepted(&gateway, &connect);
    client.subscribe("t", 0);
    client.sends(Publish::new("t", "").with(&prop::user("name", "value")), 0);
    assert_eq!(client.take().properties.user(), [("name", "value")]);
}

/// That no answer of a kind is larger than the CONNACK, which the client can just take.
#[track_caller]
fn fit_their_receiver(kinds: &[u8]) {
    let gateway = Gateway::start("");
    let connack = Client::connect(&gateway, "client").largest;
    let limit = prop::maximum_packet_size(connack as u32);
    let provoked = Provoked::by(&gateway, &Connect::new("client").with(&limit));
    let of_kinds = |answer: &&(u8, Properties, usize)| kinds.contains(&answer.0);
    let mut answers = provoked.answers.iter().filter(of_kinds).peekable();
    assert!(answers.peek().is_some());
    for (first, _, size) in answers {
        assert!(*size <= connack, "{first:#04x} takes {size} bytes");
    }
}

#[test]
fn mqtt_3_4_2_2_and_3_4_2_3_a_puback_fits_its_receiver() {
    fit_their_receiver(&[PUBACK]);
}

#[test]
fn mqtt_3_5_2_2_and_3_5_2_3_a_pubrec_fits_its_receiver() {
    fit_their_receiver(&[PUBREC]);
}

#[test]
fn mqtt_3_6_2_2_and_3_6_2_3_a_pubrel_fits_its_receiver() {
    fit_their_receiver(&[PUBREL]);
}

#[test]
fn mqtt_3_7_2_2_and_3_7_2_3_a_pubcomp_fits_its_receiver() {
    fit_their_receiver(&[PUBCOMP]);
}

#[test]
fn mqtt_3_9_2_1_and_3_9_2_2_a_suback_fits_its_receiver() {
    fit_their_receiver(&[0x90]);
}

#[test]
fn mqtt_3_11_2_1_and_3_11_2_2_an_unsuback_fits_its_receiver() {
    fit_their_receiver(&[0xB0]);
}

#[test]
fn mqtt_3_14_2_3_and_3_14_2_4_a_disconnect_fits_its_receiver() {
    fit_their_receiver(&[0xE0]);
}
