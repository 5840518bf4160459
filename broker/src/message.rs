//! Messages on their way to subscribers.
//!
//! Publishes that one client sends to one topic in one go travel together as a
//! [`Run`]: one allocation for their bytes, one reference count per subscriber.
//! The bytes are copies, so a message never pins a read buffer.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use bytestring::ByteString;
use perennial_rules::TopicName;

use crate::codec::{Publish, QoS, Will};

/// Consecutive messages of one publisher on one topic.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) topic: TopicName,
    /// The connection that published them.
    pub(crate) publisher: u64,
    bytes: Vec<u8>,
    messages: Vec<Entry>,
}

/// Where a message lies in the bytes of its run.
#[derive(Clone, Copy, Debug)]
struct Entry {
    properties: u32,
    payload: u32,
    end: u32,
    qos: QoS,
    retain: bool,
    expires_at: u64,
}

/// `expires_at` of a message that does not expire.
const NEVER: u64 = u64::MAX;

/// One message of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queued<'a> {
    pub(crate) topic: &'a TopicName,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
    expires_at: u64,
}

impl Run {
    pub(crate) fn new(topic: TopicName, publisher: u64) -> Run {
        Run {
            topic,
            publisher,
            bytes: Vec::new(),
            messages: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Adds a publish; `now` is in milliseconds since the Unix epoch.
    pub(crate) fn push(&mut self, publish: &Publish<'_>, now: u64) {
        let properties = self.bytes.len();
        publish.properties.forward(&mut self.bytes);
        self.finish(
            properties,
            publish.payload,
            publish.qos,
            publish.retain,
            publish.properties.expiry,
            now,
        );
    }

    pub(crate) fn push_will(&mut self, will: &StoredWill, now: u64) {
        let properties = self.bytes.len();
        self.bytes.extend_from_slice(&will.properties);
        self.finish(properties, &will.payload, will.qos, false, will.expiry, now);
    }

    pub(crate) fn push_plain(&mut self, payload: &[u8], qos: QoS) {
        self.finish(self.bytes.len(), payload, qos, false, None, 0);
    }

    fn finish(
        &mut self,
        properties: usize,
        payload: &[u8],
        qos: QoS,
        retain: bool,
        expiry: Option<u32>,
        now: u64,
    ) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        self.messages.push(Entry {
            properties: properties as u32,
            payload: start as u32,
            end: self.bytes.len() as u32,
            qos,
            retain,
            expires_at: expiry.map_or(NEVER, |seconds| now + u64::from(seconds) * 1000),
        });
    }

    pub(crate) fn get(&self, index: u32) -> Queued<'_> {
        let entry = &self.messages[index as usize];
        let slice = |range: Range<u32>| &self.bytes[range.start as usize..range.end as usize];
        Queued {
            topic: &self.topic,
            qos: entry.qos,
            retain: entry.retain,
            properties: slice(entry.properties..entry.payload),
            payload: slice(entry.payload..entry.end),
            expires_at: entry.expires_at,
        }
    }
}

impl Queued<'_> {
    /// Bytes that the message holds.
    pub(crate) fn size(&self) -> usize {
        self.properties.len() + self.payload.len()
    }

    /// Seconds left at `now`: `None` for a message that does not expire, `Err` for one that has.
    pub(crate) fn expiry_at(&self, now: u64) -> Result<Option<u32>, Expired> {
        match self.expires_at {
            NEVER => Ok(None),
            at if at <= now => Err(Expired),
            at => Ok(Some(
                ((at - now).div_ceil(1000)).min(u64::from(u32::MAX)) as u32
            )),
        }
    }
}

/// The message's expiry interval has passed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Expired;

/// A will that outlives the read buffer.
#[derive(Clone, Debug)]
pub(crate) struct StoredWill {
    pub(crate) topic: TopicName,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: QoS,
    properties: Vec<u8>,
    expiry: Option<u32>,
}

impl StoredWill {
    pub(crate) fn new(topic: TopicName, will: &Will<'_>) -> StoredWill {
        StoredWill {
            topic,
            payload: will.payload.to_vec(),
            qos: will.qos,
            properties: will.properties.clone(),
            expiry: will.expiry,
        }
    }
}

/// Messages of one run for one subscriber.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) run: Arc<Run>,
    pub(crate) range: Range<u32>,
    /// The QoS that the subscription was granted.
    pub(crate) granted: QoS,
    pub(crate) retain_as_published: bool,
}

/// The format of a stored message.
const FORMAT: u8 = 1;

/// Appends `message` to a record of a session's queue in the store.
pub(crate) fn write_stored(message: &Queued<'_>, qos: QoS, retain: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&[FORMAT, qos as u8 | u8::from(retain) << 2]);
    out.extend_from_slice(&message.expires_at.to_be_bytes());
    out.extend_from_slice(&(message.topic.len() as u16).to_be_bytes());
    out.extend_from_slice(message.topic.as_bytes());
    out.extend_from_slice(&(message.properties.len() as u32).to_be_bytes());
    out.extend_from_slice(message.properties);
    out.extend_from_slice(message.payload);
}

/// Reads what [`write_stored`] wrote; `None` for bytes that it did not write.
pub(crate) fn read_stored(record: &Bytes) -> Option<Delivery> {
    let (&[FORMAT, flags], rest) = record.split_first_chunk()? else {
        return None;
    };
    let (expires_at, rest) = rest.split_first_chunk()?;
    let (topic_len, rest) = rest.split_first_chunk()?;
    let (topic, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*topic_len)))?;
    let (properties_len, rest) = rest.split_first_chunk()?;
    let properties_len = u32::from_be_bytes(*properties_len);
    if properties_len as usize > rest.len() {
        return None;
    }
    let topic = ByteString::try_from(Bytes::copy_from_slice(topic)).ok()?;
    let qos = QoS::from_bits(flags & 3)?;
    let entry = Entry {
        properties: 0,
        payload: properties_len,
        end: rest.len() as u32,
        qos,
        retain: flags & 4 != 0,
        expires_at: u64::from_be_bytes(*expires_at),
    };
    let topic = TopicName::parse(topic).ok()?;
    let run = Run {
        topic,
        publisher: 0,
        bytes: rest.to_vec(),
        messages: vec![entry],
    };
    Some(Delivery {
        run: Arc::new(run),
        range: 0..1,
        granted: QoS::ExactlyOnce,
        retain_as_published: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_message_comes_back_as_it_was() {
        let mut run = Run::new(TopicName::parse("a/ü").unwrap(), 7);
        run.push_plain(b"first", QoS::AtMostOnce);
        run.finish(
            run.bytes.len(),
            b"second",
            QoS::ExactlyOnce,
            true,
            Some(9),
            1_000,
        );
        let mut record = Vec::new();
        write_stored(&run.get(1), QoS::AtLeastOnce, true, &mut record);
        let back = read_stored(&Bytes::from(record.clone())).unwrap();
        let message = back.run.get(0);
        assert_eq!(
            (message.topic.as_str(), message.payload, message.retain),
            ("a/ü", &b"second"[..], true)
        );
        assert_eq!(message.qos, QoS::AtLeastOnce);
        assert_eq!(message.expiry_at(1_500), Ok(Some(9)));
        assert_eq!(message.expiry_at(10_000), Err(Expired));
        for cut in 0..record.len() - b"second".len() {
            assert!(
                read_stored(&Bytes::copy_from_slice(&record[..cut])).is_none(),
                "at {cut}"
            );
        }
    }
}
