//! The SQS upstream: one `SendMessageBatch` per batch.

mod body;
mod queue;

use aws_sdk_sqs::{
    Client,
    operation::send_message_batch::SendMessageBatchOutput,
    types::{BatchResultErrorEntry, SendMessageBatchRequestEntry},
};
use uuid::Uuid;

use crate::{
    Attempt, Batch, BatchLimits, FailureClass, Outcome, RecordRef, SendError, Settings, Upstream,
    UpstreamKind,
    upstreams::{
        aws::{Access, Clients, Failure, Groups, Rules, digest, limits, reject_all, within},
        sqs::{body::Body, queue::Queue},
    },
};

/// The upstream in the table of kinds.
pub(crate) const KIND: UpstreamKind = UpstreamKind {
    name: "sqs",
    summary: "Amazon SQS: SendMessageBatch to standard and FIFO queues, base64 for what is no text",
    route: Some("queue_url"),
    build: |settings| Some(Box::new(SqsUpstream::from_settings(settings)?)),
};

/// The quotas of `SendMessageBatch`. Bytes are those of bodies and attributes as they are sent.
const LIMITS: BatchLimits = BatchLimits {
    records: 10,
    bytes: 1 << 20,
    record_bytes: 1 << 20,
    in_flight: 4,
    linger: None,
};

/// `SendMessageBatch` in the SQS API reference. The service writes its older names of errors;
/// some that speak its protocol know only the newer ones.
const RULES: Rules = Rules {
    never: &[
        "AWS.SimpleQueueService.NonExistentQueue",
        "InvalidAddress",
        "QueueDoesNotExist",
    ],
    refused: &[
        "AWS.SimpleQueueService.BatchRequestTooLong",
        "AWS.SimpleQueueService.UnsupportedOperation",
        "BatchRequestTooLong",
        "InvalidMessageContents",
        "InvalidParameterCombination",
        "InvalidParameterValue",
        "MissingParameter",
        "SerializationException",
        "UnsupportedOperation",
        "ValidationError",
        "ValidationException",
    ],
    no_access: &[
        "InvalidSecurity",
        "KMS.AccessDeniedException",
        "KMS.DisabledException",
        "KMS.InvalidKeyUsageException",
        "KMS.InvalidStateException",
        "KMS.NotFoundException",
        "KMS.OptInRequired",
        "KmsAccessDenied",
        "KmsDisabled",
        "KmsInvalidKeyUsage",
        "KmsInvalidState",
        "KmsNotFound",
        "KmsOptInRequired",
    ],
};

/// The longest name of a message group (SQS quotas).
const MAX_GROUP: usize = 128;

/// Queues of Amazon SQS.
///
/// The destination is the URL of a queue. A payload is the body of a message as it is, when it
/// is a text that SQS takes. The message attribute `perennial-encoding` says what another body
/// stands for: `base64` for base64 of the payload, `empty` for no payload, which travels as
/// `-`. A message without the attribute is the payload itself.
///
/// In a FIFO queue, whose name ends in `.fifo`, messages of a group are in the order of the
/// batch; one that the service puts off comes behind those of its batch that were taken, and
/// a contract that lets its records leave in any order has up to four batches under way at
/// once. The deduplication id of a record that has an id of its own is the SHA-256 of id, time,
/// topic, client and payload: when it is sent again within five minutes, because the answer was
/// lost, SQS keeps one. Records without an id can be equal in all of that and still be two,
/// so each attempt gets an id by chance, and one that is sent again can arrive twice.
///
/// Parameters beside those of [`Access`]:
///
/// | parameter | default | |
/// |---|---|---|
/// | `use_base64` | `false` | every payload travels in base64, also a text |
/// | `message_group_id` | `"${client_id}"` | of messages for FIFO queues: a template over `${client_id}`, `${topic}`, `${id}` and `${destination}`; an empty group becomes the topic, and one that SQS does not take its SHA-256: a group has up to 128 letters, digits and punctuation marks of ASCII |
/// | `deduplicate_by_content` | `false` | records without an id get the deduplication id of those with one; equal ones from one client in one millisecond become one |
/// | `batch_bytes` | 1 MiB | bytes of bodies and attributes in one request; fewer for a queue that is set up for less, or on a slow line, so that a request fits into `timeout` |
struct SqsUpstream {
    clients: Clients<Client>,
    groups: Groups,
    use_base64: bool,
    deduplicate_by_content: bool,
    limits: BatchLimits,
}

impl SqsUpstream {
    fn from_settings(settings: &mut dyn Settings) -> Option<Self> {
        let limits = limits(settings, LIMITS, LIMITS.bytes);
        let use_base64 = settings.boolean("use_base64").unwrap_or(false);
        let deduplicate_by_content = settings.boolean("deduplicate_by_content").unwrap_or(false);
        let groups = Groups::from_settings(settings, "message_group_id", is_group);
        let access = Access::from_settings(settings);
        Some(Self {
            clients: Clients::new(access?, Client::new),
            groups: groups?,
            use_base64,
            deduplicate_by_content,
            limits,
        })
    }

    async fn deliver(&self, batch: &Batch) -> Result<Vec<Outcome>, SendError> {
        if batch.records.is_empty() {
            return Ok(Vec::new());
        }
        let queue = match Queue::parse(&batch.destination) {
            Ok(queue) => queue,
            Err(error) => {
                return Ok(reject_all(batch, "InvalidAddress", &error.to_string()));
            }
        };
        let client = self.clients.get(queue.region).await;
        let sent = self.send_messages(&client, queue, batch).await;
        self.clients.conclude(queue.region, batch, sent)
    }

    async fn send_messages(
        &self,
        client: &Client,
        queue: Queue<'_>,
        batch: &Batch,
    ) -> Result<Vec<Outcome>, Failure> {
        let records = batch.records.iter().enumerate();
        let entries = records
            .map(|(position, record)| self.encode(queue, position, record.into()))
            .collect::<Result<_, _>>()?;
        let output = client
            .send_message_batch()
            .queue_url(queue.url)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(Failure::from_sdk(RULES))?;
        outcomes(batch.records.len(), output)
    }

    /// The entry for a record, which is named by its position in the batch.
    fn encode(
        &self,
        queue: Queue<'_>,
        position: usize,
        record: RecordRef<'_>,
    ) -> Result<SendMessageBatchRequestEntry, Failure> {
        let body = Body::of(record.payload, self.use_base64);
        let mut entry = SendMessageBatchRequestEntry::builder()
            .id(position.to_string())
            .message_body(body.text())
            .set_message_attributes(body.attributes()?);
        if queue.is_fifo {
            entry = entry
                .message_group_id(self.groups.of(queue.url, record))
                .message_deduplication_id(self.deduplication_id(record));
        }
        entry
            .build()
            .map_err(|error| Failure::malformed(error.to_string()))
    }

    fn deduplication_id(&self, record: RecordRef<'_>) -> String {
        if record.id.is_empty() && !self.deduplicate_by_content {
            return Uuid::new_v4().to_string();
        }
        digest(&[
            record.id.as_bytes(),
            &record.time.to_be_bytes(),
            record.topic.as_bytes(),
            record.client_id.as_bytes(),
            record.payload,
        ])
    }
}

impl Upstream for SqsUpstream {
    fn limits(&self) -> BatchLimits {
        self.limits
    }

    fn size(&self, _: &str, record: RecordRef<'_>) -> usize {
        Body::of(record.payload, self.use_base64).size()
    }

    fn check(&self, destination: &str) -> Result<(), String> {
        let queue = Queue::parse(destination);
        queue.map(|_| ()).map_err(|error| error.to_string())
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> Attempt<'a> {
        Box::pin(within(self.clients.timeout(), self.deliver(batch)))
    }
}

fn is_group(text: &str) -> bool {
    (1..=MAX_GROUP).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// One outcome per record; an answer that does not say one for each says nothing.
fn outcomes(sent: usize, output: SendMessageBatchOutput) -> Result<Vec<Outcome>, Failure> {
    let taken = output.successful.into_iter().map(|entry| {
        let receipt = Some(entry.message_id);
        (entry.id, Outcome::Delivered { receipt })
    });
    let failed = output.failed.into_iter().map(|entry| {
        let id = entry.id.clone();
        (id, failure(entry))
    });
    let mut outcomes = vec![None; sent];
    for (id, outcome) in taken.chain(failed) {
        let place = id.parse().ok().and_then(|at: usize| outcomes.get_mut(at));
        match place {
            Some(place @ None) => *place = Some(outcome),
            _ => {
                return Err(Failure::malformed(format!(
                    "the answer has an entry {id:?}, which was not sent or is there already"
                )));
            }
        }
    }
    let outcomes: Option<Vec<_>> = outcomes.into_iter().collect();
    outcomes.ok_or_else(|| Failure::malformed("the answer lacks entries for records"))
}

/// What the sender is to blame for is refused again, unless it is the rate or the credentials.
fn failure(entry: BatchResultErrorEntry) -> Outcome {
    let message = entry.message.unwrap_or_default();
    let code = entry.code;
    let passes = matches!(
        RULES.class(&code),
        Some(FailureClass::Throttled | FailureClass::NoAccess)
    );
    if entry.sender_fault && !passes {
        Outcome::Rejected { code, message }
    } else {
        Outcome::Retry { code, message }
    }
}

#[cfg(test)]
mod tests;
