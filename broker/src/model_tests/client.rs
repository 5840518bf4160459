//! A client that keeps to the protocol, and takes each message at QoS 2 once.

use std::{collections::BTreeSet, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::timeout,
};

use super::model::Got;
use crate::{
    codec::Version,
    fuzzing::wire::{self, Heard, PUBACK, PUBCOMP, PUBREC, PUBREL},
};

/// Within it the broker answers, however busy the machine is.
const DEADLINE: Duration = Duration::from_secs(20);

/// A client, and what it remembers of its session.
pub(super) struct Client {
    pub(super) version: Version,
    link: Option<Link>,
    /// Whether it acknowledges nothing for the time being.
    pub(super) is_holding: bool,
    /// Acknowledgements that it has not sent.
    held: Vec<(u8, u16)>,
    /// Publishes at QoS 2 that it has and that the broker has not released.
    received: BTreeSet<u16>,
    last_id: u16,
}

/// A connection.
pub(super) struct Link {
    stream: DuplexStream,
    unread: Vec<u8>,
    /// Publishes at QoS 1 and 2 that came on it and are not over.
    open: BTreeSet<u16>,
    receive_maximum: usize,
}

/// An answer of the broker to a client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    ConnAck { session_present: bool, code: u8 },
    Ack { kind: u8, id: u16, code: u8 },
    SubAck(Vec<u8>),
    UnsubAck,
    PingResp,
}

/// What a client hears.
pub(super) enum News {
    Answer(Answer),
    /// Bytes of a PUBLISH that is new to it.
    Message(Vec<u8>),
    /// Part of a handshake.
    Routine,
    /// The broker has closed the connection.
    Closed,
}

impl Client {
    pub(super) fn new(version: Version) -> Client {
        Client {
            version,
            link: None,
            is_holding: false,
            held: Vec::new(),
            received: BTreeSet::new(),
            last_id: 0,
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    /// Has a connection in place of the one before, which is given back.
    pub(super) fn connect(&mut self, stream: DuplexStream, receive_maximum: u16) -> Option<Link> {
        let earlier = self.link.take();
        self.disconnect();
        self.link = Some(Link {
            stream,
            unread: Vec::new(),
            open: BTreeSet::new(),
            receive_maximum: match receive_maximum {
                0 => usize::from(u16::MAX),
                maximum => usize::from(maximum),
            },
        });
        earlier
    }

    pub(super) fn disconnect(&mut self) {
        self.link = None;
        self.held.clear();
        self.is_holding = false;
    }

    /// The broker knows nothing of a session.
    pub(super) fn forget(&mut self) {
        self.received.clear();
    }

    pub(super) fn next_id(&mut self) -> u16 {
        self.last_id = self.last_id % u16::MAX + 1;
        self.last_id
    }

    /// Writes packets; a broker that has closed the connection hears nothing.
    pub(super) async fn say(&mut self, packets: &[u8]) {
        if let Some(link) = &mut self.link {
            link.stream.write_all(packets).await.ok();
        }
    }

    /// The next that it hears; if it `waits`, as long as the broker may take.
    pub(super) async fn hear(&mut self, waits: bool) -> Option<News> {
        let version = self.version;
        loop {
            let link = self.link.as_mut().expect("it is connected");
            if let Some((heard, length)) = wire::hear(version, &link.unread) {
                if let Heard::Disconnect { code } = heard {
                    panic!("disconnected with {code:#x}");
                }
                let packet = link.unread[..length].to_vec();
                link.unread.drain(..length);
                return Some(self.take(packet).await);
            }
            let read = link.stream.read_buf(&mut link.unread);
            let limit = if waits { DEADLINE } else { Duration::ZERO };
            match timeout(limit, read).await {
                Err(_) => return None,
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => return Some(News::Closed),
            }
        }
    }

    /// Takes a packet, and answers or holds the answer back.
    async fn take(&mut self, packet: Vec<u8>) -> News {
        let (heard, _) = wire::hear(self.version, &packet).expect("it is whole");
        match heard {
            Heard::Publish(publish) if publish.qos == 0 => News::Message(packet),
            Heard::Publish(publish) => {
                let (qos, id, dup) = (publish.qos, publish.id, publish.dup);
                self.open(id);
                let is_new = qos == 1 || self.received.insert(id);
                assert!(is_new || dup, "{id} comes again without DUP");
                let kind = if qos == 1 { PUBACK } else { PUBREC };
                self.acknowledge(kind, id).await;
                if is_new {
                    News::Message(packet)
                } else {
                    News::Routine
                }
            }
            Heard::Ack {
                kind: PUBREL, id, ..
            } => {
                self.received.remove(&id);
                self.acknowledge(PUBCOMP, id).await;
                News::Routine
            }
            Heard::Ack { kind, id, code } => News::Answer(Answer::Ack { kind, id, code }),
            Heard::ConnAck {
                session_present,
                code,
            } => News::Answer(Answer::ConnAck {
                session_present,
                code,
            }),
            Heard::SubAck { codes, .. } => News::Answer(Answer::SubAck(codes.to_vec())),
            Heard::UnsubAck { .. } => News::Answer(Answer::UnsubAck),
            Heard::PingResp => News::Answer(Answer::PingResp),
            Heard::Disconnect { .. } => News::Routine,
        }
    }

    fn open(&mut self, id: u16) {
        let link = self.link.as_mut().expect("it is connected");
        assert!(link.open.insert(id), "{id} is in flight already");
        assert!(
            link.open.len() <= link.receive_maximum,
            "too many are in flight"
        );
    }

    async fn acknowledge(&mut self, kind: u8, id: u16) {
        if self.is_holding {
            self.held.push((kind, id));
        } else {
            self.send(kind, id).await;
        }
    }

    async fn send(&mut self, kind: u8, id: u16) {
        if let Some(link) = &mut self.link
            && kind != PUBREC
        {
            link.open.remove(&id);
        }
        self.say(&wire::ack(kind, id, 0)).await;
    }

    /// Sends up to `most` acknowledgements that were held back.
    pub(super) async fn release(&mut self, most: usize, backwards: bool) {
        if backwards {
            self.held.reverse();
        }
        let most = most.min(self.held.len());
        let mut released: Vec<_> = self.held.drain(..most).collect();
        if backwards {
            self.held.reverse();
        }
        for (kind, id) in released.drain(..) {
            self.send(kind, id).await;
        }
    }

    /// Sends all of them, and holds none back any more.
    pub(super) async fn release_all(&mut self) {
        self.is_holding = false;
        self.release(usize::MAX, false).await;
    }
}

/// A PUBLISH among the news.
pub(super) fn got(version: Version, packet: &[u8]) -> Got<'_> {
    let Some((Heard::Publish(publish), _)) = wire::hear(version, packet) else {
        panic!("it is a PUBLISH");
    };
    Got {
        topic: publish.topic,
        payload: std::str::from_utf8(publish.payload).expect("payloads are text"),
        qos: publish.qos,
        retain: publish.retain,
        dup: publish.dup,
    }
}
