//! What clients do in many tests: one call for each exchange of packets.

use std::net::Shutdown;

use super::{
    super::{
        build::{self, PUBACK, PUBCOMP, PUBREC, PUBREL, ack, subscribe, unsubscribe},
        prop,
        read::{Ack, ConnAck, Packet, Publish, Reasons},
        reason::{MALFORMED, PROTOCOL_ERROR, TOPIC_FILTER_INVALID},
    },
    Client,
};
use crate::support::gateway::Gateway;

impl Client {
    #[track_caller]
    pub(in super::super) fn connack(&mut self) -> ConnAck {
        match self.expect() {
            Packet::ConnAck(answer) => answer,
            other => panic!("CONNACK and not {other:?}"),
        }
    }

    /// The next packet, which is a PUBLISH; nothing acknowledges it. An alias is replaced
    /// by its topic.
    #[track_caller]
    pub(in super::super) fn publish(&mut self) -> Publish {
        let mut publish = match self.expect() {
            Packet::Publish(publish) => publish,
            other => panic!("PUBLISH and not {other:?}"),
        };
        if let Some(alias) = publish.properties.number(prop::TOPIC_ALIAS) {
            if publish.topic.is_empty() {
                let known = self.aliases.get(&alias);
                publish.topic.clone_from(known.expect("the alias is set"));
            } else {
                self.aliases.insert(alias, publish.topic.clone());
            }
        }
        assert!(!publish.topic.is_empty(), "{publish:?}");
        publish
    }

    /// The next packet, which is a PUBLISH and is acknowledged to the end of its handshake.
    #[track_caller]
    pub(in super::super) fn take(&mut self) -> Publish {
        let publish = self.publish();
        self.acknowledge(&publish);
        publish
    }

    /// Acknowledges a PUBLISH to the end of its handshake.
    #[track_caller]
    pub(in super::super) fn acknowledge(&mut self, publish: &Publish) {
        match publish.qos {
            0 => {}
            1 => self.send(&ack(PUBACK, publish.packet_id)),
            _ => {
                self.send(&ack(PUBREC, publish.packet_id));
                self.acked(PUBREL, publish.packet_id);
                self.send(&ack(PUBCOMP, publish.packet_id));
            }
        }
    }

    /// The next answer, which is an acknowledgement that begins with `first`.
    #[track_caller]
    pub(in super::super) fn ack(&mut self, first: u8, packet_id: u16) -> Ack {
        match self.answer() {
            Packet::Ack(ack) if (ack.first, ack.packet_id) == (first, packet_id) => ack,
            other => panic!("an acknowledgement {first:#04x} of {packet_id} and not {other:?}"),
        }
    }

    /// The same, and it says yes.
    #[track_caller]
    pub(in super::super) fn acked(&mut self, first: u8, packet_id: u16) {
        let ack = self.ack(first, packet_id);
        assert!(ack.reason < 0x80, "{ack:?}");
    }

    /// Subscribes to `filter` with `options` and is granted their QoS.
    #[track_caller]
    pub(in super::super) fn subscribe(&mut self, filter: &str, options: u8) {
        self.subscribe_with(&[], &[(filter, options)]);
    }

    /// The same with properties and several filters.
    #[track_caller]
    pub(in super::super) fn subscribe_with(&mut self, properties: &[u8], filters: &[(&str, u8)]) {
        let packet_id = self.next_id();
        self.send(&subscribe(packet_id, properties, filters));
        let answer = self.suback();
        assert_eq!(answer.packet_id, packet_id);
        let granted: Vec<u8> = filters.iter().map(|(_, options)| options & 3).collect();
        assert_eq!(answer.reasons, granted);
    }

    /// That a connection which subscribes to `filter` is refused, with SUBACK or with its end.
    #[track_caller]
    pub(in super::super) fn cannot_subscribe(gateway: &Gateway, filter: &str) {
        let mut client = Self::connect(gateway, "client");
        client.send(&subscribe(1, &[], &[(filter, 0)]));
        match client.expect() {
            Packet::SubAck(answer) => {
                assert_eq!(answer.reasons, [TOPIC_FILTER_INVALID], "{filter}")
            }
            Packet::Disconnect { reason, .. } => {
                let fits = [TOPIC_FILTER_INVALID, PROTOCOL_ERROR, MALFORMED];
                assert!(fits.contains(&reason), "{filter}: {reason:#04x}");
                assert_eq!(client.receive(), None);
            }
            other => panic!("{filter}: {other:?}"),
        }
    }

    /// What a SUBSCRIBE for one filter is answered with.
    #[track_caller]
    pub(in super::super) fn subscribed(&mut self, filter: &str, options: u8) -> u8 {
        let packet_id = self.next_id();
        self.send(&subscribe(packet_id, &[], &[(filter, options)]));
        let answer = self.suback();
        assert_eq!(answer.reasons.len(), 1);
        answer.reasons[0]
    }

    #[track_caller]
    pub(in super::super) fn suback(&mut self) -> Reasons {
        match self.answer() {
            Packet::SubAck(answer) => answer,
            other => panic!("SUBACK and not {other:?}"),
        }
    }

    #[track_caller]
    pub(in super::super) fn unsubscribe(&mut self, filter: &str) {
        let packet_id = self.next_id();
        self.send(&unsubscribe(packet_id, &[filter]));
        let answer = self.unsuback();
        assert_eq!((answer.packet_id, answer.reasons), (packet_id, vec![0]));
    }

    #[track_caller]
    pub(in super::super) fn unsuback(&mut self) -> Reasons {
        match self.answer() {
            Packet::UnsubAck(answer) => answer,
            other => panic!("UNSUBACK and not {other:?}"),
        }
    }

    /// Publishes `payload`, through the whole handshake of its QoS.
    #[track_caller]
    pub(in super::super) fn publishes(&mut self, topic: &str, payload: &str, qos: u8) {
        self.sends(build::Publish::new(topic, payload), qos);
    }

    /// Publishes at `qos`, through the whole handshake.
    #[track_caller]
    pub(in super::super) fn sends(&mut self, publish: build::Publish, qos: u8) {
        if qos == 0 {
            self.send(&publish.encode());
            return;
        }
        let packet_id = self.next_id();
        self.send(&publish.qos(qos, packet_id).encode());
        if qos == 1 {
            self.acked(PUBACK, packet_id);
        } else {
            self.acked(PUBREC, packet_id);
            self.send(&ack(PUBREL, packet_id));
            self.acked(PUBCOMP, packet_id);
        }
    }

    /// That no message is on its way to it: one at each QoS that it publishes to itself is
    /// what comes next.
    #[track_caller]
    pub(in super::super) fn gets_nothing(&mut self) {
        const MARKER: &str = "$marker/of/this/client";
        self.subscribe(MARKER, 1);
        for qos in 0..=1 {
            self.publishes(MARKER, "", qos);
        }
        for _ in 0..=1 {
            assert_eq!(self.take().topic, MARKER);
        }
        self.unsubscribe(MARKER);
    }

    /// That its packets so far are handled: the answer to a PINGREQ is what comes next.
    #[track_caller]
    pub(in super::super) fn pings(&mut self) {
        self.send(&[0xC0, 0]);
        assert_eq!(self.expect(), Packet::PingResp);
    }

    /// That the gateway disconnects it for one of `reasons` and closes the connection.
    #[track_caller]
    pub(in super::super) fn is_disconnected(&mut self, reasons: &[u8]) {
        match self.expect() {
            Packet::Disconnect { reason, .. } if reasons.contains(&reason) => {}
            other => panic!("DISCONNECT for one of {reasons:02x?} and not {other:?}"),
        }
        assert_eq!(self.receive(), None);
    }

    /// Says DISCONNECT and waits for the end of the connection.
    #[track_caller]
    pub(in super::super) fn leave(self) {
        self.leave_with(&[0xE0, 0]);
    }

    /// The same with a DISCONNECT of the test's choice; publishes on their way are skipped.
    #[track_caller]
    pub(in super::super) fn leave_with(mut self, disconnect: &[u8]) {
        self.send(disconnect);
        while let Some(packet) = self.receive() {
            assert!(matches!(packet, Packet::Publish(_)), "{packet:?}");
        }
    }

    /// Breaks the connection off without a word.
    pub(in super::super) fn vanish(self) {
        // It may be closed already.
        self.stream.shutdown(Shutdown::Both).ok();
    }

    /// A packet identifier that is not in use.
    pub(in super::super) fn next_id(&mut self) -> u16 {
        self.packet_id += 1;
        self.packet_id
    }
}
