//! What the broker keeps in the store: its keys and its formats.
//!
//! A session's messages at QoS 1 and 2 are records of the queue `p/` ‖ client identifier.
//! The rest are entries under these keys, in which a client identifier follows its length
//! (two bytes) unless it comes last:
//!
//! - `A`: when the gateway was last known to run,
//! - `I` ‖ client ‖ packet identifier: a QoS 2 publish that was received and not released,
//! - `O` ‖ client ‖ sequence: a QoS 2 message that the client has and that awaits PUBCOMP,
//! - `R` ‖ topic: a retained message,
//! - `S` ‖ client: a session,
//! - `U` ‖ client ‖ filter: a subscription,
//! - `W` ‖ client: a will.
//!
//! Numbers are big-endian; times are milliseconds since the Unix epoch; every value and
//! record begins with a format version.

use std::sync::Arc;

use bytestring::ByteString;
use perennial_rules::{TopicFilter, TopicName};

use crate::{
    codec::{QoS, SubscriptionOptions, Version},
    message::{Delivery, Queued, Run, Terms},
    will::Will,
};

/// The format version of values and records.
const FORMAT: u8 = 1;

/// The keys; the first byte says what an entry is.
pub(crate) mod key {
    /// The longest key that the store takes.
    pub(crate) const MAX: usize = crate::store::Transaction::LONGEST_KEY;

    pub(crate) const ALIVE: &[u8] = b"A";
    pub(crate) const RECEIVED: u8 = b'I';
    pub(crate) const RELEASED: u8 = b'O';
    pub(crate) const RETAINED: u8 = b'R';
    pub(crate) const SESSION: u8 = b'S';
    pub(crate) const SUBSCRIPTION: u8 = b'U';
    pub(crate) const WILL: u8 = b'W';

    pub(crate) fn received(client: &str, packet_id: u16) -> Vec<u8> {
        of_client(RECEIVED, client, &packet_id.to_be_bytes())
    }

    pub(crate) fn released(client: &str, sequence: u64) -> Vec<u8> {
        of_client(RELEASED, client, &sequence.to_be_bytes())
    }

    pub(crate) fn retained(topic: &str) -> Vec<u8> {
        [&[RETAINED], topic.as_bytes()].concat()
    }

    pub(crate) fn session(client: &str) -> Vec<u8> {
        [&[SESSION], client.as_bytes()].concat()
    }

    pub(crate) fn subscription(client: &str, filter: &str) -> Vec<u8> {
        of_client(SUBSCRIPTION, client, filter.as_bytes())
    }

    pub(crate) fn will(client: &str) -> Vec<u8> {
        [&[WILL], client.as_bytes()].concat()
    }

    fn of_client(tag: u8, client: &str, rest: &[u8]) -> Vec<u8> {
        let length = (client.len() as u16).to_be_bytes();
        [&[tag], &length[..], client.as_bytes(), rest].concat()
    }

    /// The client and what follows it in a key of a client's.
    pub(crate) fn client_and_rest(key: &[u8]) -> Option<(&str, &[u8])> {
        let (length, rest) = key.get(1..)?.split_first_chunk()?;
        let (client, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        Some((std::str::from_utf8(client).ok()?, rest))
    }

    /// All behind the tag, as text.
    pub(crate) fn text(key: &[u8]) -> Option<&str> {
        std::str::from_utf8(key.get(1..)?).ok()
    }
}

/// The name of the queue of a client's session.
pub(crate) fn queue_name(client: &str) -> String {
    format!("p/{client}")
}

/// What is kept of a session beside its subscriptions and messages.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SessionRecord {
    pub(crate) version: Version,
    pub(crate) user_name: Option<String>,
    /// Seconds that it outlives a connection.
    pub(crate) expiry: u32,
    /// When its connection ended; `None` while one is open.
    pub(crate) left_at: Option<u64>,
    /// Messages in its queue below this may have been sent.
    pub(crate) sent: u64,
}

impl SessionRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let version = match self.version {
            Version::V31 => 3,
            Version::V311 => 4,
            Version::V5 => 5,
        };
        let mut value = vec![FORMAT, version, u8::from(self.user_name.is_some())];
        value.extend_from_slice(&self.expiry.to_be_bytes());
        value.extend_from_slice(&self.left_at.unwrap_or(0).to_be_bytes());
        value.extend_from_slice(&self.sent.to_be_bytes());
        value.extend_from_slice(self.user_name.as_deref().unwrap_or_default().as_bytes());
        value
    }

    pub(crate) fn decode(value: &[u8]) -> Option<SessionRecord> {
        let mut fields = Fields::of(value)?;
        let version = match fields.u8()? {
            3 => Version::V31,
            4 => Version::V311,
            5 => Version::V5,
            _ => return None,
        };
        let has_user_name = fields.u8()? != 0;
        let expiry = fields.u32()?;
        let left_at = Some(fields.u64()?).filter(|at| *at > 0);
        let sent = fields.u64()?;
        let user_name = String::from_utf8(fields.rest().to_vec()).ok()?;
        Some(SessionRecord {
            version,
            user_name: has_user_name.then_some(user_name),
            expiry,
            left_at,
            sent,
        })
    }
}

/// A subscription of a session.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct SubscriptionRecord {
    pub(crate) options: SubscriptionOptions,
    /// The subscription identifier; zero is none.
    pub(crate) id: u32,
    /// Set while retained messages for it are still to be sent: those behind this topic.
    pub(crate) retained_after: Option<ByteString>,
    /// Whether `a/#` leaves out `a`.
    pub(crate) excludes_parent: bool,
}

impl SubscriptionRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let flags = u8::from(self.retained_after.is_some()) | u8::from(self.excludes_parent) << 1;
        let mut value = vec![FORMAT, self.options.to_byte(), flags];
        value.extend_from_slice(&self.id.to_be_bytes());
        value.extend_from_slice(
            self.retained_after
                .as_deref()
                .unwrap_or_default()
                .as_bytes(),
        );
        value
    }

    pub(crate) fn decode(value: &[u8]) -> Option<SubscriptionRecord> {
        let mut fields = Fields::of(value)?;
        let options = SubscriptionOptions::from_byte(fields.u8()?)?;
        let flags = fields.u8()?;
        let id = fields.u32()?;
        let topic = std::str::from_utf8(fields.rest()).ok()?;
        Some(SubscriptionRecord {
            options,
            id,
            retained_after: (flags & 1 != 0).then(|| topic.into()),
            excludes_parent: flags & 2 != 0,
        })
    }
}

/// The filter in the key of a subscription.
pub(crate) fn filter(text: &[u8]) -> Option<TopicFilter> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A will and when it is due.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct WillRecord {
    pub(crate) will: Will,
    /// When it is to be published; `None` while the connection is open.
    pub(crate) due_at: Option<u64>,
}

impl WillRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Will {
            topic,
            payload,
            qos,
            retain,
            properties,
            expiry,
            delay,
        } = &self.will;
        let flags = *qos as u8 | u8::from(*retain) << 2 | u8::from(expiry.is_some()) << 3;
        let mut value = vec![FORMAT, flags];
        value.extend_from_slice(&expiry.unwrap_or(0).to_be_bytes());
        value.extend_from_slice(&delay.to_be_bytes());
        value.extend_from_slice(&self.due_at.unwrap_or(0).to_be_bytes());
        put_short(&mut value, topic.as_bytes());
        put_long(&mut value, properties);
        value.extend_from_slice(payload);
        value
    }

    pub(crate) fn decode(value: &[u8]) -> Option<WillRecord> {
        let mut fields = Fields::of(value)?;
        let flags = fields.u8()?;
        let expiry = fields.u32()?;
        let delay = fields.u32()?;
        let due_at = Some(fields.u64()?).filter(|at| *at > 0);
        let will = Will {
            topic: fields.topic()?,
            qos: QoS::from_bits(flags & 3)?,
            retain: flags & 4 != 0,
            expiry: (flags & 8 != 0).then_some(expiry),
            delay,
            properties: fields.long()?.to_vec(),
            payload: fields.rest().to_vec(),
        };
        Some(WillRecord { will, due_at })
    }
}

/// Appends `message`, on its way to a session under `terms`.
pub(crate) fn write_message(message: &Queued<'_>, terms: &Terms, out: &mut Vec<u8>) {
    let flags = terms.qos(message) as u8 | u8::from(terms.retain(message)) << 2;
    out.extend_from_slice(&[FORMAT, flags]);
    out.extend_from_slice(&message.expires_at.to_be_bytes());
    put_short(out, message.topic.as_bytes());
    put_short(out, terms.share.as_deref().unwrap_or_default().as_bytes());
    out.extend_from_slice(&(terms.ids().len() as u16).to_be_bytes());
    for id in terms.ids() {
        out.extend_from_slice(&id.to_be_bytes());
    }
    put_long(out, message.properties);
    out.extend_from_slice(message.payload);
}

/// Reads what [`write_message`] wrote; `None` for bytes that it did not write.
pub(crate) fn read_message(record: &[u8], sequence: Option<u64>) -> Option<Delivery> {
    let mut fields = Fields::of(record)?;
    let flags = fields.u8()?;
    let qos = QoS::from_bits(flags & 3)?;
    let expires_at = fields.u64()?;
    let topic = fields.topic()?;
    let share = std::str::from_utf8(fields.short()?).ok()?;
    let share: Option<Arc<str>> = (!share.is_empty()).then(|| share.into());
    let ids: Vec<u32> = (0..fields.u16()?)
        .map(|_| fields.u32())
        .collect::<Option<_>>()?;
    let message = Queued {
        topic: &topic,
        qos,
        retain: flags & 4 != 0,
        properties: fields.long()?,
        payload: fields.rest(),
        expires_at,
    };
    let mut run = Run::new(topic.clone(), 0);
    run.push_copy(&message, qos, message.retain);
    Some(Delivery {
        run: Arc::new(run),
        range: 0..1,
        sequence,
        terms: Terms {
            granted: qos,
            retain_as_published: true,
            ids: (!ids.is_empty()).then(|| ids.into()),
            share,
        },
    })
}

/// What is left of a value or record.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The fields behind the format version.
    fn of(value: &'a [u8]) -> Option<Fields<'a>> {
        value.strip_prefix(&[FORMAT]).map(Fields)
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*chunk)
    }

    fn u8(&mut self) -> Option<u8> {
        self.chunk().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.chunk().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.chunk().map(u64::from_be_bytes)
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn short(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.bytes(usize::from(length))
    }

    fn long(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.bytes(length as usize)
    }

    fn topic(&mut self) -> Option<TopicName> {
        let topic = std::str::from_utf8(self.short()?).ok()?;
        TopicName::parse(ByteString::from(topic)).ok()
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

fn put_short(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn put_long(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Expired;

    /// That every shortened value is refused or read as another one, without a panic.
    fn survives_cuts<T: PartialEq + std::fmt::Debug>(
        value: &[u8],
        whole: &T,
        decode: impl Fn(&[u8]) -> Option<T>,
    ) {
        for cut in 0..value.len() {
            assert_ne!(decode(&value[..cut]).as_ref(), Some(whole), "at {cut}");
        }
    }

    #[test]
    fn a_session_comes_back_as_it_was() {
        for user_name in [None, Some(String::new()), Some("user".to_owned())] {
            let record = SessionRecord {
                version: Version::V5,
                user_name,
                expiry: 77,
                left_at: Some(1_000_000),
                sent: 5,
            };
            let value = record.encode();
            assert_eq!(SessionRecord::decode(&value).as_ref(), Some(&record));
            survives_cuts(&value, &record, SessionRecord::decode);
        }
    }

    #[test]
    fn a_subscription_comes_back_as_it_was() {
        for retained_after in [None, Some("".into()), Some("a/b".into())] {
            let record = SubscriptionRecord {
                options: SubscriptionOptions {
                    qos: QoS::ExactlyOnce,
                    no_local: true,
                    ..SubscriptionOptions::default()
                },
                id: 268_435_455,
                retained_after,
                excludes_parent: true,
            };
            let value = record.encode();
            assert_eq!(SubscriptionRecord::decode(&value).as_ref(), Some(&record));
            survives_cuts(&value, &record, SubscriptionRecord::decode);
        }
        let key = key::subscription("ü", "a/+/#");
        let (client, rest) = key::client_and_rest(&key).unwrap();
        assert_eq!(client, "ü");
        assert_eq!(filter(rest).unwrap().as_str(), "a/+/#");
    }

    #[test]
    fn a_will_comes_back_as_it_was() {
        let record = WillRecord {
            will: Will {
                topic: TopicName::parse("w/ü").unwrap(),
                payload: vec![0, 255],
                qos: QoS::AtLeastOnce,
                retain: true,
                properties: vec![1, 1],
                expiry: Some(0),
                delay: 9,
            },
            due_at: Some(123),
        };
        let value = record.encode();
        assert_eq!(WillRecord::decode(&value).as_ref(), Some(&record));
        survives_cuts(&value, &record, WillRecord::decode);
    }

    #[test]
    fn a_message_comes_back_as_it_was() {
        let topic = TopicName::parse("a/ü").unwrap();
        let message = Queued {
            topic: &topic,
            qos: QoS::ExactlyOnce,
            retain: true,
            properties: b"\x01\x01",
            payload: b"second",
            expires_at: 10_000,
        };
        let terms = Terms {
            granted: QoS::AtLeastOnce,
            retain_as_published: true,
            ids: Some([7, 200_000].into()),
            share: Some("$share/g/a/+".into()),
        };
        let mut record = Vec::new();
        write_message(&message, &terms, &mut record);
        let back = read_message(&record, Some(9)).unwrap();
        let read = back.run.get(0);
        assert_eq!(
            (read.topic.as_str(), read.payload, read.properties),
            ("a/ü", &b"second"[..], &b"\x01\x01"[..])
        );
        assert_eq!(back.sequence, Some(9));
        assert_eq!(back.terms.qos(&read), QoS::AtLeastOnce);
        assert!(back.terms.retain(&read));
        assert_eq!(back.terms.ids(), [7, 200_000]);
        assert_eq!(back.terms.share.as_deref(), Some("$share/g/a/+"));
        assert_eq!(read.expiry_at(1_000), Ok(Some(9)));
        assert_eq!(read.expiry_at(10_000), Err(Expired));
        for cut in 0..record.len() - b"second".len() {
            assert!(read_message(&record[..cut], None).is_none(), "at {cut}");
        }
    }
}
