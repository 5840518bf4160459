//! The SQS upstream against the SQS of the moto server.

use aws_sdk_sqs::{
    Client,
    types::{
        DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use perennial_connectors::{BatchLimits, Outcome, RecordRef};
use serde_json::json;
use tokio::sync::Mutex;

use crate::{
    moto::{Moto, MotoAccess},
    support::{all_delivered, batch, build_upstream, payloads, record, upstream_problems},
};

/// A queue, and what was read of it.
pub(crate) struct SqsQueue {
    client: Client,
    url: String,
    read: Mutex<Vec<Message>>,
}

impl SqsQueue {
    /// A queue whose name ends in `suffix`: nothing, or `.fifo`.
    pub(crate) async fn create(suffix: &str) -> Self {
        let moto = Moto::shared();
        let client = Client::new(&moto.sdk_config().await);
        let name = moto.fresh_name("queue") + suffix;
        let mut request = client.create_queue().queue_name(name);
        if suffix == ".fifo" {
            request = request.attributes(QueueAttributeName::FifoQueue, "true");
        }
        let url = request.send().await.unwrap().queue_url.unwrap();
        Self {
            client,
            url,
            read: Mutex::default(),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// All messages so far, in the order in which the queue gave them.
    pub(crate) async fn messages(&self) -> Vec<Message> {
        let mut read = self.read.lock().await;
        loop {
            let request = self.client.receive_message().queue_url(&self.url);
            let received = request
                .max_number_of_messages(10)
                .message_attribute_names("All")
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .send()
                .await
                .unwrap();
            let messages = received.messages.unwrap_or_default();
            if messages.is_empty() {
                return read.clone();
            }
            self.delete(&messages).await;
            read.extend(messages);
        }
    }

    async fn delete(&self, messages: &[Message]) {
        let entry = |(message, number): (&Message, u32)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .set_receipt_handle(message.receipt_handle.clone())
                .build()
                .unwrap()
        };
        let entries = messages.iter().zip(0..).map(entry).collect();
        let request = self.client.delete_message_batch().queue_url(&self.url);
        let deleted = request.set_entries(Some(entries)).send().await.unwrap();
        assert_eq!(deleted.failed, []);
    }
}

/// What a consumer makes of a message.
pub(crate) fn payload_of(message: &Message) -> Bytes {
    let body = message.body().unwrap();
    match encoding(message) {
        None => Bytes::copy_from_slice(body.as_bytes()),
        Some("base64") => STANDARD.decode(body).unwrap().into(),
        Some("empty") => Bytes::new(),
        Some(other) => panic!("an encoding {other:?}"),
    }
}

fn encoding(message: &Message) -> Option<&str> {
    let attributes = message.message_attributes()?;
    attributes.get("perennial-encoding")?.string_value()
}

fn system_attribute(message: &Message, name: MessageSystemAttributeName) -> &str {
    &message.attributes().unwrap()[&name]
}

#[tokio::test]
async fn texts_travel_as_they_are_and_the_rest_says_how() {
    let (moto, queue) = (MotoAccess::new(), SqsQueue::create("").await);
    let upstream = build_upstream("sqs", moto.settings(json!({})));
    let sent = batch(
        queue.url(),
        [b"{\"t\": 1}\r\n".as_slice(), b"a\0", b"", b"\xff", b"-"],
    );
    assert!(all_delivered(&upstream.send(&sent).await.unwrap(), 5));
    let messages = queue.messages().await;
    let bodies: Vec<_> = messages
        .iter()
        .map(|message| (message.body().unwrap(), encoding(message)))
        .collect();
    assert_eq!(
        bodies,
        [
            ("{\"t\": 1}\r\n", None),
            ("YQA=", Some("base64")),
            ("-", Some("empty")),
            ("/w==", Some("base64")),
            ("-", None),
        ]
    );
    let arrived: Vec<_> = messages.iter().map(payload_of).collect();
    assert_eq!(arrived, payloads(&sent));
}

#[tokio::test]
async fn base64_for_all_is_a_parameter() {
    let (moto, queue) = (MotoAccess::new(), SqsQueue::create("").await);
    let upstream = build_upstream("sqs", moto.settings(json!({"use_base64": true})));
    let sent = batch(queue.url(), ["text"]);
    upstream.send(&sent).await.unwrap();
    let message = queue.messages().await.remove(0);
    assert_eq!(message.body(), Some("dGV4dA=="));
    assert_eq!(payload_of(&message), "text");
    // The attribute counts, as SQS counts it.
    assert_eq!(
        upstream.size(queue.url(), RecordRef::from(&sent.records[0])),
        "dGV4dA==".len() + "perennial-encoding".len() + "String".len() + "base64".len()
    );
}

#[tokio::test]
async fn the_receipt_is_the_id_of_the_message() {
    let (moto, queue) = (MotoAccess::new(), SqsQueue::create("").await);
    let upstream = build_upstream("sqs", moto.settings(json!({})));
    let sent = batch(queue.url(), ["a", "b"]);
    let outcomes = upstream.send(&sent).await.unwrap();
    let delivered = |message: Message| Outcome::Delivered {
        receipt: message.message_id,
    };
    let messages = queue.messages().await;
    assert_eq!(
        outcomes,
        messages.into_iter().map(delivered).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_fifo_queue_keeps_the_order_of_each_client_and_a_record_that_is_sent_again_once() {
    let (moto, queue) = (MotoAccess::new(), SqsQueue::create(".fifo").await);
    let upstream = build_upstream("sqs", moto.settings(json!({})));
    let mut sent = batch(queue.url(), ["a1", "b1", "a2", "b2"]);
    for (record, id) in sent.records.iter_mut().zip(["1", "2", "3", "4"]) {
        record.id = id.into();
        record.client_id = String::from_utf8_lossy(&record.payload[..1])
            .as_ref()
            .into();
    }
    for _ in 0..2 {
        assert!(all_delivered(&upstream.send(&sent).await.unwrap(), 4));
    }
    let messages = queue.messages().await;
    assert_eq!(messages.len(), 4);
    for client in ["a", "b"] {
        let group = MessageSystemAttributeName::MessageGroupId;
        let of_client: Vec<_> = messages
            .iter()
            .filter(|message| system_attribute(message, group.clone()) == client)
            .map(|message| message.body().unwrap().to_owned())
            .collect();
        assert_eq!(of_client, [format!("{client}1"), format!("{client}2")]);
    }
}

#[tokio::test]
async fn equal_records_without_an_id_are_two_in_a_fifo_queue() {
    let (moto, queue) = (MotoAccess::new(), SqsQueue::create(".fifo").await);
    let upstream = build_upstream("sqs", moto.settings(json!({})));
    let mut sent = batch(queue.url(), ["same", "same"]);
    for record in &mut sent.records {
        record.id = "".into();
    }
    upstream.send(&sent).await.unwrap();
    assert_eq!(queue.messages().await.len(), 2);

    let by_content = json!({"deduplicate_by_content": true});
    let upstream = build_upstream("sqs", moto.settings(by_content));
    for _ in 0..2 {
        upstream.send(&sent).await.unwrap();
    }
    assert_eq!(queue.messages().await.len(), 3);
}

#[tokio::test]
async fn whatever_makes_records_different_makes_them_two() {
    let (moto, queue) = (MotoAccess::new(), SqsQueue::create(".fifo").await);
    let upstream = build_upstream("sqs", moto.settings(json!({})));
    let mut sent = batch(queue.url(), ["same"; 6]);
    sent.records[1].id = "another".into();
    sent.records[2].topic = "another".into();
    sent.records[3].client_id = "another".into();
    sent.records[4].time += 1;
    sent.records[5].payload = Bytes::from_static(b"another");
    upstream.send(&sent).await.unwrap();
    assert_eq!(queue.messages().await.len(), 6);
}

#[tokio::test]
async fn the_group_is_what_the_template_says_in_a_form_that_sqs_takes() {
    let (moto, queue) = (MotoAccess::new(), SqsQueue::create(".fifo").await);
    let by_topic = json!({"message_group_id": "${topic}"});
    let upstream = build_upstream("sqs", moto.settings(by_topic));
    let mut sent = batch(queue.url(), ["1", "2", "3"]);
    sent.records[1].topic = "a topic with spaces".into();
    sent.records[2].topic = "t".repeat(129).into();
    assert!(all_delivered(&upstream.send(&sent).await.unwrap(), 3));
    let messages = queue.messages().await;
    let group = |at: usize| {
        let name = MessageSystemAttributeName::MessageGroupId;
        system_attribute(&messages[at], name)
    };
    assert_eq!(group(0), "kinesisfirehose/message");
    assert_eq!((group(1).len(), group(2).len()), (64, 64));
    assert_ne!(group(1), group(2));
}

#[tokio::test]
async fn a_queue_that_does_not_exist_takes_no_record() {
    let (moto, queue) = (MotoAccess::new(), SqsQueue::create("").await);
    let upstream = build_upstream("sqs", moto.settings(json!({})));
    let gone = format!("{}-gone", queue.url());
    let outcomes = upstream.send(&batch(&gone, ["a", "b"])).await.unwrap();
    assert_eq!(outcomes.len(), 2);
    for outcome in outcomes {
        let Outcome::Rejected { code, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(code, "AWS.SimpleQueueService.NonExistentQueue");
    }
}

#[tokio::test]
async fn the_limits_are_those_of_the_service_or_smaller_ones() {
    let limits = BatchLimits {
        records: 10,
        bytes: 1_048_576,
        record_bytes: 1_048_576,
        in_flight: 4,
        linger: None,
    };
    assert_eq!(build_upstream("sqs", json!({})).limits(), limits);
    let older = build_upstream("sqs", json!({"batch_bytes": 262_144}));
    assert_eq!(
        older.limits(),
        BatchLimits {
            bytes: 262_144,
            record_bytes: 262_144,
            ..limits
        }
    );
}

#[test]
fn a_text_counts_as_it_is_and_what_is_none_as_its_base64() {
    let upstream = build_upstream("sqs", json!({}));
    let size = |payload: &[u8]| upstream.size("", RecordRef::from(&record(payload)));
    assert_eq!(size(b"text"), 4);
    assert_eq!(size(b"abc\0"), 8 + 18 + 6 + 6);
    assert_eq!(size(b""), 1 + 18 + 6 + 5);
}

#[test]
fn every_wrong_parameter_is_reported() {
    assert_eq!(
        upstream_problems(
            "sqs",
            json!({
                "message_group_id": "${group}",
                "batch_bytes": 2_000_000,
                "use_base64": "yes",
                "deduplicate_by_content": 1,
                "region": "EU West",
            })
        ),
        [
            "batch_bytes: 2000000 is not a number in 1024..=1048576",
            "use_base64: \"yes\" is not true or false",
            "deduplicate_by_content: 1 is not true or false",
            "message_group_id: there is no variable ${group} here; \
             there are: ${client_id}, ${topic}, ${id}, ${destination}",
            "region: found \"EU West\"; a region is one such as \"us-east-1\"",
        ]
    );
}
