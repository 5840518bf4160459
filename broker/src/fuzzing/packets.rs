//! Any bytes as what a client sends, and as what the store gives back.

use std::fmt::Debug;

use bytestring::ByteString;
use perennial_rules::{TopicFilter, TopicName};

use crate::{
    aliases::InboundAliases,
    codec::{
        Ack, AckKind, Connect, DecodeError, Disconnect, Frame, Outgoing, PacketType, Publish, QoS,
        Reason, Subscribe, Unsubscribe, Version,
    },
    message::{Run, Terms},
    stored::{SessionRecord, SubscriptionRecord, WillRecord, key, read_message, write_message},
    will::Will,
};

const LIMIT: usize = 64 * 1024;
const NOW: u64 = 1_000_000;

/// Decodes `data` as packets of every version and as values of the store; what can be read is
/// written again and read as the same.
///
/// # Panics
/// It is not the same, or the code under test panics.
pub fn packets(data: &[u8]) {
    for version in [Version::V31, Version::V311, Version::V5] {
        let mut aliases = InboundAliases::new(4);
        let mut rest = data;
        while let Ok(Some(frame)) = Frame::first(rest, LIMIT) {
            assert!(frame.length <= rest.len() && frame.body.len() < frame.length);
            assert_eq!(Frame::announced(rest), Some(frame.length));
            if decode(frame, version, &mut aliases).is_err() {
                break;
            }
            rest = &rest[frame.length..];
        }
    }
    stored(data);
}

fn decode(
    frame: Frame<'_>,
    version: Version,
    aliases: &mut InboundAliases,
) -> Result<(), DecodeError> {
    let body = frame.body;
    match frame.packet_type {
        PacketType::Connect => {
            let connect = Connect::decode(body)?;
            connect.will.as_ref().map(will);
        }
        PacketType::Publish => {
            let publish = Publish::decode(frame.flags, body, version)?;
            let topic = aliases.resolve(publish.topic, publish.properties.topic_alias)?;
            republish(&publish, topic, version);
        }
        PacketType::PubAck => ack(AckKind::PubAck, body, version)?,
        PacketType::PubRec => ack(AckKind::PubRec, body, version)?,
        PacketType::PubRel => ack(AckKind::PubRel, body, version)?,
        PacketType::PubComp => ack(AckKind::PubComp, body, version)?,
        PacketType::Subscribe => subscribe(&Subscribe::decode(body, version)?),
        PacketType::Unsubscribe => {
            for filter in Unsubscribe::decode(body, version)?.filters {
                parse(filter);
            }
        }
        PacketType::Disconnect => {
            let disconnect = Disconnect::decode(body, version)?;
            assert!(version == Version::V5 || !disconnect.publishes_will);
        }
        PacketType::PingReq | PacketType::Auth => {}
    }
    Ok(())
}

fn ack(kind: AckKind, body: &[u8], version: Version) -> Result<(), DecodeError> {
    let ack = Ack::decode(kind, body, version)?;
    for reason in [Reason::Success, Reason::PacketIdentifierNotFound] {
        let mut wire = Vec::new();
        Ack::encode(kind, ack.packet_id, reason, version, &mut wire);
        let again = Ack::decode(kind, &wire[2..], version).map(|again| again.packet_id);
        // Some acknowledgements are the server's alone with this reason.
        assert!(again == Ok(ack.packet_id) || reason != Reason::Success);
    }
    Ok(())
}

fn will(will: &crate::codec::Will<'_>) {
    let Some(will) = Will::new(will) else { return };
    let mut run = Run::new(will.topic.clone(), 0);
    run.push_will(&will, NOW);
    assert_eq!(run.last().payload, will.payload);
    let record = WillRecord {
        will,
        due_at: Some(NOW),
    };
    assert_eq!(WillRecord::decode(&record.encode()), Some(record));
}

fn subscribe(subscribe: &Subscribe<'_>) {
    for (filter, options) in &subscribe.filters {
        let record = SubscriptionRecord {
            options: *options,
            id: subscribe.identifier.unwrap_or(0),
            retained_after: Some((*filter).into()),
            excludes_parent: false,
        };
        assert_eq!(SubscriptionRecord::decode(&record.encode()), Some(record));
        parse(filter);
    }
}

fn parse(filter: &str) {
    let Ok(parsed) = filter.parse::<TopicFilter>() else {
        return;
    };
    assert_eq!(parsed.as_str(), filter);
    assert!(filter.ends_with(parsed.pattern()));
    let key = key::subscription("client", filter);
    assert_eq!(
        key::client_and_rest(&key),
        Some(("client", filter.as_bytes()))
    );
    // A filter without wildcards is a topic name that it matches.
    if let Ok(topic) = TopicName::parse(ByteString::from(parsed.pattern())) {
        assert!(parsed.matches(&topic));
    }
}

/// Writes a publish as the broker passes it on, and to the store and back.
fn republish(publish: &Publish<'_>, topic: &[u8], version: Version) {
    let Ok(text) = std::str::from_utf8(topic) else {
        return;
    };
    let Ok(topic) = TopicName::parse(ByteString::from(text)) else {
        return;
    };
    let mut run = Run::new(topic, 7);
    run.push(publish, NOW);
    let message = run.last();
    let outgoing = Outgoing {
        dup: publish.qos > QoS::AtMostOnce,
        qos: publish.qos,
        retain: publish.retain,
        topic: text,
        topic_alias: publish.properties.topic_alias,
        packet_id: publish.packet_id,
        subscription_ids: &[],
        properties: message.properties,
        expiry: publish.properties.expiry,
        payload: publish.payload,
    };
    let mut wire = Vec::new();
    outgoing.encode(version, &mut wire);
    assert_eq!(wire.len(), outgoing.encoded_len(version));
    let frame = Frame::first(&wire, usize::MAX).ok().flatten();
    let frame = frame.expect("a packet has a frame");
    let again = Publish::decode(frame.flags, frame.body, version);
    let again = again.expect("what was written can be read");
    same(
        (again.qos, again.retain, again.packet_id, again.topic),
        (
            publish.qos,
            publish.retain,
            publish.packet_id,
            text.as_bytes(),
        ),
    );
    same(again.payload, publish.payload);
    same(
        (again.properties.expiry, again.properties.topic_alias),
        (publish.properties.expiry, publish.properties.topic_alias),
    );
    let mut forwarded = Vec::new();
    again.properties.forward(&mut forwarded);
    same(&forwarded[..], message.properties);

    let terms = Terms {
        granted: QoS::ExactlyOnce,
        retain_as_published: true,
        ids: Some([1, 268_435_455].into()),
        share: Some("$share/g/#".into()),
    };
    let mut record = Vec::new();
    write_message(&message, &terms, &mut record);
    let back = read_message(&record, Some(3)).expect("what was stored can be read");
    let read = back.run.get(0);
    same(
        (read.topic, read.qos, read.retain, read.expires_at),
        (
            message.topic,
            message.qos,
            message.retain,
            message.expires_at,
        ),
    );
    same(
        (read.properties, read.payload),
        (message.properties, message.payload),
    );
    same((back.terms.ids, back.terms.share), (terms.ids, terms.share));
}

/// Takes `data` for values and keys of the store.
fn stored(data: &[u8]) {
    if let Some(record) = SessionRecord::decode(data) {
        assert_eq!(SessionRecord::decode(&record.encode()), Some(record));
    }
    if let Some(record) = SubscriptionRecord::decode(data) {
        assert_eq!(SubscriptionRecord::decode(&record.encode()), Some(record));
    }
    if let Some(record) = WillRecord::decode(data) {
        assert_eq!(WillRecord::decode(&record.encode()), Some(record));
    }
    if let Some(delivery) = read_message(data, None) {
        let message = delivery.run.get(0);
        let mut record = Vec::new();
        write_message(&message, &delivery.terms, &mut record);
        let again = read_message(&record, None).expect("what was stored can be read");
        let read = again.run.get(0);
        same(
            (read.topic, read.qos, read.payload),
            (message.topic, message.qos, message.payload),
        );
    }
    let found = key::client_and_rest(data);
    assert!(found.is_none_or(|(client, rest)| client.len() + rest.len() + 3 == data.len()));
    assert!(key::text(data).is_none_or(|text| text.len() + 1 == data.len()));
}

fn same<T: Debug + PartialEq>(again: T, before: T) {
    assert_eq!(again, before);
}
