//! What must hold when all clients have gone, whatever they did.

use std::{sync::Arc, time::Duration};

use perennial_rules::TopicName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::JoinSet,
};

use super::{
    serve,
    wire::{self, Connect, Heard, property},
};
use crate::{
    clock::ahead,
    codec::{QoS, Version},
    compat::Compat,
    core::Core,
    message::{NEVER, Queued},
    sessions::visit_due,
    stored::key,
};

/// No session of an input outlives its connection for longer.
pub(super) const LONGEST_SESSION: Duration = Duration::from_secs(24 * 60 * 60);

const V5: Version = Version::V5;
/// No filter of an input matches it.
const TOPIC: &str = "$bystander";

/// Nothing has grown beyond its bound.
pub(super) fn check_bounds(core: &Core) {
    let (limits, counters) = (&core.limits, core.snapshot());
    assert_eq!(counters.connections, 0, "connections are still counted");
    assert_eq!(counters.mailbox_bytes, 0, "bytes are still held");
    let sessions = core.sessions.away();
    assert!(sessions <= limits.max_sessions, "{sessions} sessions");
    let subscriptions = core.router.subscriptions();
    assert!(subscriptions <= sessions * limits.max_subscriptions);
    assert!(core.retained.len() <= limits.max_retained_messages);
}

/// A client that did nothing wrong is served.
pub(super) async fn serve_bystander(core: &Arc<Core>) {
    let mut bystander = Bystander::connect(core, "bystander", 0).await;
    bystander
        .say(&wire::subscribe(V5, 1, &[(TOPIC, 1)], &[]))
        .await;
    let granted = bystander.hear(|heard| matches!(heard, Heard::SubAck { codes: [1], .. }));
    assert!(granted.await, "the subscription is granted");
    let publish = wire::Publish {
        dup: false,
        qos: 1,
        retain: false,
        topic: TOPIC,
        id: 2,
        properties: &[],
        payload: b"hello",
    };
    bystander.say(&publish.encode(V5)).await;
    let (mut delivered, mut acknowledged) = (false, false);
    while !(delivered && acknowledged) {
        let heard = bystander.hear(|heard| {
            delivered |= matches!(heard, Heard::Publish(publish) if publish.payload == b"hello");
            acknowledged |= matches!(
                heard,
                Heard::Ack {
                    kind: wire::PUBACK,
                    id: 2,
                    code: 0
                }
            );
            delivered || acknowledged
        });
        assert!(heard.await, "the message goes round");
    }
    bystander.leave(None).await;
}

/// Lets the longest session expire; nothing may be left but retained messages, which go too.
pub(super) async fn end_everything(core: &Arc<Core>) {
    ahead::pass(LONGEST_SESSION + Duration::from_secs(1));
    assert_eq!(visit_due(core).await, None, "a session has yet to end");
    assert_eq!(core.sessions.away(), 0, "sessions are left");
    assert_eq!(core.router.subscriptions(), 0, "subscriptions are left");
    assert_eq!(core.snapshot().mailbox_bytes, 0, "bytes are still held");

    // Places for sessions are free again.
    Bystander::connect(core, "guest", 1)
        .await
        .leave(Some(0))
        .await;
    forget_retained(core).await;
    for tag in [
        key::RECEIVED,
        key::RELEASED,
        key::RETAINED,
        key::SESSION,
        key::SUBSCRIPTION,
        key::WILL,
    ] {
        let visited = core.store.entries(&[tag], |key, _| {
            panic!("{} is left in the store", key.escape_ascii());
        });
        visited.expect("the store can be read");
    }
    assert_eq!(core.store.queue_names(), ["taken"]);
}

async fn forget_retained(core: &Core) {
    let mut topics = Vec::new();
    let read = core.store.entries(&[key::RETAINED], |key, _| {
        let text = key::text(key).expect("the key of a retained message is text");
        topics.push(topic(text));
    });
    read.expect("the store can be read");
    assert_eq!(
        topics.len(),
        core.retained.len(),
        "the store has what memory has"
    );
    topics
        .iter()
        .for_each(|topic| core.retained.set(&nothing(topic)));
    assert_eq!(core.retained.len(), 0);
    // Something is written in any case, so that the ticket covers all before it.
    topics.push(topic("none"));
    let transaction = core.store.transaction();
    let ticket = core.retained.write(&topics, transaction, &core.store);
    let ticket = ticket.expect("the store takes it");
    core.store
        .durable()
        .reached(ticket)
        .await
        .expect("the store is well");
}

fn topic(text: &str) -> TopicName {
    TopicName::parse(text.to_owned()).expect("it is a topic name")
}

/// An empty message, which retains nothing.
fn nothing(topic: &TopicName) -> Queued<'_> {
    Queued {
        topic,
        qos: QoS::AtMostOnce,
        retain: true,
        properties: &[],
        payload: &[],
        expires_at: NEVER,
    }
}

/// A client that keeps to the protocol.
struct Bystander {
    stream: DuplexStream,
    unread: Vec<u8>,
    task: JoinSet<()>,
}

impl Bystander {
    /// Connects to a session that outlives the connection by `expiry` seconds.
    async fn connect(core: &Arc<Core>, client_id: &str, expiry: u32) -> Bystander {
        let (stream, theirs) = duplex(4096);
        let mut task = JoinSet::new();
        task.spawn(serve(theirs, Compat::None, Arc::clone(core)));
        let mut bystander = Bystander {
            stream,
            unread: Vec::new(),
            task,
        };
        let connect = Connect {
            version: V5,
            client_id,
            clean_start: true,
            keep_alive: 0,
            will: None,
            properties: property(0x11, &expiry.to_be_bytes()),
        };
        bystander.say(&connect.encode()).await;
        let accepted = bystander.hear(|heard| matches!(heard, Heard::ConnAck { code: 0, .. }));
        assert!(
            accepted.await,
            "a client that did nothing wrong is admitted"
        );
        bystander
    }

    async fn say(&mut self, packet: &[u8]) {
        let written = self.stream.write_all(packet).await;
        written.expect("the connection is open");
    }

    /// Reads one packet; whether it is what was waited for.
    async fn hear(&mut self, mut is_it: impl FnMut(Heard<'_>) -> bool) -> bool {
        loop {
            if let Some((heard, length)) = wire::hear(V5, &self.unread) {
                let is_it = is_it(heard);
                self.unread.drain(..length);
                return is_it;
            }
            let read = self.stream.read_buf(&mut self.unread).await;
            assert!(read.expect("the connection is open") > 0, "it was closed");
        }
    }

    async fn leave(mut self, expiry: Option<u32>) {
        self.say(&wire::disconnect(V5, 0, expiry)).await;
        let ended = self.task.join_next().await.expect("there is a task");
        ended.expect("it does not panic");
    }
}
