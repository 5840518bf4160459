//! Messages on their way to subscribers.
//!
//! Publishes that one client sends to one topic in one go travel together as a
//! [`Run`]: one allocation for their bytes, one reference count per subscriber.
//! The bytes are copies, so a message never pins a read buffer.

use std::{ops::Range, sync::Arc};

use perennial_rules::TopicName;

use crate::{
    codec::{Publish, QoS},
    will::Will,
};

/// Consecutive messages of one publisher on one topic.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) topic: TopicName,
    /// The session that published them.
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
pub(crate) const NEVER: u64 = u64::MAX;

/// One message of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queued<'a> {
    pub(crate) topic: &'a TopicName,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
    /// Milliseconds since the Unix epoch, or [`NEVER`].
    pub(crate) expires_at: u64,
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
            expires_at(publish.properties.expiry, now),
        );
    }

    pub(crate) fn push_will(&mut self, will: &Will, now: u64) {
        let properties = self.bytes.len();
        self.bytes.extend_from_slice(&will.properties);
        let expires_at = expires_at(will.expiry, now);
        self.finish(properties, &will.payload, will.qos, will.retain, expires_at);
    }

    pub(crate) fn push_plain(&mut self, payload: &[u8], qos: QoS) {
        self.finish(self.bytes.len(), payload, qos, false, NEVER);
    }

    /// Adds a copy of `message` with another QoS and retain flag.
    pub(crate) fn push_copy(&mut self, message: &Queued<'_>, qos: QoS, retain: bool) {
        let properties = self.bytes.len();
        self.bytes.extend_from_slice(message.properties);
        self.finish(properties, message.payload, qos, retain, message.expires_at);
    }

    fn finish(
        &mut self,
        properties: usize,
        payload: &[u8],
        qos: QoS,
        retain: bool,
        expires_at: u64,
    ) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        self.messages.push(Entry {
            properties: properties as u32,
            payload: start as u32,
            end: self.bytes.len() as u32,
            qos,
            retain,
            expires_at,
        });
    }

    /// The message that was added last.
    ///
    /// # Panics
    /// There is none.
    pub(crate) fn last(&self) -> Queued<'_> {
        self.get(self.messages.len() as u32 - 1)
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

/// When a message expires that is published at `now`.
pub(crate) fn expires_at(expiry: Option<u32>, now: u64) -> u64 {
    expiry.map_or(NEVER, |seconds| now + u64::from(seconds) * 1000)
}

/// The message's expiry interval has passed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Expired;

/// Messages of one run for one session.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) run: Arc<Run>,
    pub(crate) range: Range<u32>,
    /// Where its first message lies in the session's queue, if it comes from there.
    pub(crate) sequence: Option<u64>,
    pub(crate) terms: Terms,
}

impl Delivery {
    /// Whether the message at `index` of its run goes out at QoS 0.
    pub(crate) fn is_at_most_once(&self, index: u32) -> bool {
        self.terms.qos(&self.run.get(index)) == QoS::AtMostOnce
    }
}

/// How a session gets the messages of a topic.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    /// The QoS that the subscription was granted.
    pub(crate) granted: QoS,
    pub(crate) retain_as_published: bool,
    /// The identifiers of the subscriptions that match.
    pub(crate) ids: Option<Arc<[u32]>>,
    /// The whole filter of the shared subscription that chose this session.
    pub(crate) share: Option<Arc<str>>,
}

impl Terms {
    /// The QoS of `message` on its way to the session.
    pub(crate) fn qos(&self, message: &Queued<'_>) -> QoS {
        message.qos.min(self.granted)
    }

    pub(crate) fn retain(&self, message: &Queued<'_>) -> bool {
        message.retain && self.retain_as_published
    }

    /// The terms of a session that another of its subscriptions gives it, too.
    pub(crate) fn with(&self, other: &Terms) -> Terms {
        Terms {
            granted: self.granted.max(other.granted),
            retain_as_published: self.retain_as_published || other.retain_as_published,
            ids: match &other.ids {
                Some(more) => Some([self.ids(), more].concat().into()),
                None => self.ids.clone(),
            },
            share: None,
        }
    }

    pub(crate) fn ids(&self) -> &[u32] {
        self.ids.as_deref().unwrap_or_default()
    }
}
