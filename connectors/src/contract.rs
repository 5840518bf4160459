//! What devices speak: a publish becomes a record, an outcome becomes a status.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use perennial_rules::{TopicFilter, TopicName};

use crate::upstream::Outcome;

/// The shape of what devices send and hear.
///
/// A contract is pure: it reads a publish, names the destination, and words the
/// statuses. Queueing, sending and publishing are done around it.
pub trait Contract: Send + Sync {
    /// The topic filters that devices of this contract publish to, for a rule that names none.
    fn filters(&self) -> Vec<TopicFilter>;

    /// How records of this contract are queued and batched.
    fn delivery(&self) -> DeliverySettings;

    /// Where records go when the publish names nothing else, if the contract has such a
    /// place; to be checked against the upstream before anything starts.
    fn default_destination(&self) -> Option<&str> {
        None
    }

    /// The region of the service that the contract's parameters name, for the upstream.
    fn publish_region(&self) -> Option<&str> {
        None
    }

    /// Reads a publish.
    ///
    /// # Errors
    /// What is wrong with the publish, worded for the device that sent it.
    fn accept<'a>(&'a self, publish: &Publish<'a>) -> Result<Accepted<'a>, Rejection>;

    /// The status for a publish that was not accepted, found no room, was dropped for a newer
    /// one or grew too old; `None` where the contract has none.
    fn rejected(&self, rejection: &Rejection) -> Option<Status>;

    /// The statuses for records whose outcome is final; a retry is not reported.
    fn settled(&self, reports: &[Report<'_>]) -> Vec<Status>;
}

/// A publish as a contract sees it.
#[derive(Clone, Copy, Debug)]
pub struct Publish<'a> {
    /// The topic that it was published to.
    pub topic: &'a TopicName,
    /// The application message.
    pub payload: &'a [u8],
}

/// A publish that becomes a record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted<'a> {
    /// Where the record goes, in the words of the contract: an ARN, a channel, a name.
    pub destination: Cow<'a, str>,
    /// The device's id for the request; empty when it gave none.
    pub id: Cow<'a, str>,
    /// What is sent upstream.
    pub payload: Cow<'a, [u8]>,
}

/// A publish that does not become a record, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rejection {
    /// The device's id for the request; empty when it gave none or it could not be read.
    pub id: String,
    /// A short code in the style of AWS error types.
    pub code: String,
    /// What is wrong and what would be right, for the person who reads the status.
    pub message: String,
}

impl Rejection {
    /// A record that the upstream takes in no batch, because it alone is too large.
    #[must_use]
    pub fn too_large(id: impl Into<String>, found: usize, limit: usize) -> Self {
        Self {
            id: id.into(),
            code: "InvalidArgumentException".to_owned(),
            message: format!(
                "the record has {found} bytes; the destination takes at most {limit} bytes in one record"
            ),
        }
    }

    /// A record that was dropped to make room for a newer one.
    #[must_use]
    pub fn dropped(id: impl Into<String>, destination: &str, limit: u64) -> Self {
        Self {
            id: id.into(),
            code: "LimitExceededException".to_owned(),
            message: format!(
                "{limit} records wait for {destination}; this one was dropped for a newer one"
            ),
        }
    }

    /// A record that waited longer than it may.
    #[must_use]
    pub fn expired(id: impl Into<String>, limit: Duration) -> Self {
        Self {
            id: id.into(),
            code: "RecordExpiredException".to_owned(),
            message: format!(
                "the record is older than {} s and was not sent",
                limit.as_secs_f32()
            ),
        }
    }

    /// A record for which its destination's queue has no room.
    #[must_use]
    pub fn queue_full(id: impl Into<String>, destination: &str, limit: u64) -> Self {
        Self {
            id: id.into(),
            code: "LimitExceededException".to_owned(),
            message: format!(
                "{limit} records wait for {destination} and no more are taken; send it again later"
            ),
        }
    }
}

/// The final outcome of one record.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The device's id for the request; empty when it gave none.
    pub id: &'a str,
    /// What became of the record.
    pub outcome: &'a Outcome,
}

/// A message that a contract publishes to the broker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Status {
    /// The topic that devices subscribe to.
    pub topic: TopicName,
    /// The document.
    pub payload: Bytes,
}

/// How records of a contract are queued and batched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeliverySettings {
    /// How long a record waits for others before a batch closes; zero sends each record on its own.
    pub linger: Duration,
    /// Records in a batch; `None` leaves it to the upstream.
    pub batch_records: Option<usize>,
    /// How many records wait per destination.
    pub queue_records: u64,
    /// What becomes of a record when so many wait already.
    pub when_full: WhenFull,
    /// Destinations that can have records at the same time; `None` leaves it to the connector.
    pub max_destinations: Option<usize>,
    /// Bytes of records that are held in memory for all destinations; `None` leaves it to the connector.
    pub memory_bytes: Option<u64>,
    /// Whether records leave in the order of their arrival. Where they need not, several
    /// requests are under way at once and fresh records do not wait for a backlog.
    pub ordered: bool,
    /// What becomes of a record that failed alone while others of its batch came through.
    pub after_failure: AfterFailure,
    /// What becomes of a record whose id another record of the same batch has.
    pub duplicate_ids: DuplicateIds,
}

impl DeliverySettings {
    /// Records in their order, those beyond `queue_records` rejected.
    #[must_use]
    pub fn new(linger: Duration, queue_records: u64) -> Self {
        Self {
            linger,
            batch_records: None,
            queue_records,
            when_full: WhenFull::RejectNewest,
            max_destinations: None,
            memory_bytes: None,
            ordered: true,
            after_failure: AfterFailure::SendFirst,
            duplicate_ids: DuplicateIds::Send,
        }
    }
}

/// What becomes of a record for which its queue has no room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WhenFull {
    /// It is rejected.
    RejectNewest,
    /// It is taken, and the records that have waited longest are dropped.
    DropOldest,
}

/// Where a record goes that failed alone and is to be sent again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AfterFailure {
    /// Before all that wait.
    SendFirst,
    /// To the end of the queue.
    SendLast,
}

/// What becomes of a record whose id another record of the same batch has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DuplicateIds {
    /// Both are sent: the id is nothing to the upstream.
    Send,
    /// The first is sent and the others are dropped and counted.
    Drop,
    /// The others are sent in batches of their own.
    Separate,
}
