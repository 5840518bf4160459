//! A client that keeps to nothing.

use std::{collections::VecDeque, future::poll_fn, pin::Pin, task::Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::{
    input::Input,
    wire::{self, Connect, Heard, PINGREQ, PUBACK, PUBCOMP, PUBREC, PUBREL, Will, property},
};
use crate::codec::Version;

/// Bytes that a client holds before it writes no more.
const UNWRITTEN: usize = 16 * 1024;

const VERSIONS: [Version; 3] = [Version::V311, Version::V5, Version::V31];
const IDS: [&str; 4] = ["a", "b", "c", ""];
const TOPICS: [&str; 10] = [
    "a", "a/b", "a/b/c", "b", "/", "$x", "taken", "hidden", "$SYS/x", "a/+",
];
const FILTERS: [&str; 13] = [
    "#",
    "a/#",
    "+",
    "a/+",
    "a/b",
    "+/b",
    "$share/g/#",
    "$share/g/a/+",
    "$share/h/#",
    "$x/#",
    "secret",
    "a/#/b",
    "",
];

/// A client and what it has to say.
pub(super) struct Client {
    pub(super) stream: Option<DuplexStream>,
    version: Version,
    /// It reads nothing, as if it hung.
    pub(super) is_deaf: bool,
    unwritten: Vec<u8>,
    unread: Vec<u8>,
    /// What a client that keeps to the protocol would answer.
    due: VecDeque<(u8, u16)>,
}

impl Default for Client {
    fn default() -> Client {
        Client {
            stream: None,
            version: Version::V311,
            is_deaf: false,
            unwritten: Vec::new(),
            unread: Vec::new(),
            due: VecDeque::new(),
        }
    }
}

impl Client {
    /// Leaves an earlier connection, if there is one, and says CONNECT on another.
    pub(super) fn connect(&mut self, input: &mut Input<'_>, stream: DuplexStream) {
        let version = input.pick(&VERSIONS);
        *self = Client {
            stream: Some(stream),
            version,
            ..Client::default()
        };
        let flags = input.byte();
        let mut properties = Vec::new();
        if flags & 1 != 0 {
            let seconds = input.pick(&[0, 1, 60, 100_000, u32::MAX]);
            properties.extend(property(0x11, &seconds.to_be_bytes()));
        }
        if flags & 2 != 0 {
            properties.extend(property(0x21, &[0, input.byte()]));
        }
        if flags & 4 != 0 {
            properties.extend(property(0x27, &[0, 0, input.byte() & 1, input.byte()]));
        }
        if flags & 8 != 0 {
            properties.extend(property(0x22, &[0, input.byte()]));
        }
        let mut will_properties = Vec::new();
        if flags & 16 != 0 {
            let seconds = input.pick(&[0, 1, 60, u32::MAX]);
            will_properties = property(0x18, &seconds.to_be_bytes());
        }
        let will = (flags & 32 != 0).then(|| Will {
            topic: input.pick(&TOPICS),
            qos: input.byte() & 3,
            retain: input.byte() & 1 != 0,
            payload: input.bytes(64),
            properties: will_properties,
        });
        let connect = Connect {
            version,
            client_id: input.pick(&IDS),
            clean_start: flags & 64 == 0,
            keep_alive: u16::from(input.byte()),
            will,
            properties,
        };
        self.say(&connect.encode());
    }

    pub(super) fn step(&mut self, step: u8, input: &mut Input<'_>) {
        let version = self.version;
        let packet = match step {
            7..10 => {
                let identifier = match input.byte() {
                    id @ 1..20 => property(0x0B, &[id]),
                    _ => Vec::new(),
                };
                let filters: Vec<(&str, u8)> = (0..=input.below(3))
                    .map(|_| (input.pick(&FILTERS), input.byte() % 64))
                    .collect();
                wire::subscribe(version, id(input), &filters, &identifier)
            }
            10 => wire::unsubscribe(version, id(input), &[input.pick(&FILTERS)]),
            11..18 => publish(version, input),
            18..23 => match self.due.pop_front() {
                Some((kind, id)) => wire::ack(kind, id, 0),
                None => return,
            },
            23 => match self.due.pop_back() {
                Some((kind, id)) => wire::ack(kind, id, input.pick(&[0, 0x80, 0x92])),
                None => return,
            },
            24 => {
                let kind = input.pick(&[PUBACK, PUBREC, PUBREL, PUBCOMP]);
                wire::ack(kind, id(input), input.pick(&[0, 0, 0x80, 0x92, 0x10]))
            }
            25 | 26 => wire::ack(PUBREL, id(input), 0),
            27 => {
                let expiry = input.pick(&[None, Some(0), Some(1), Some(u32::MAX)]);
                wire::disconnect(version, input.pick(&[0, 4, 0x8E]), expiry)
            }
            28 => PINGREQ.to_vec(),
            29 => wire::packet(input.byte(), input.bytes(200)),
            _ => input.bytes(100).to_vec(),
        };
        self.say(&packet);
    }

    fn say(&mut self, packet: &[u8]) {
        if self.unwritten.len() < UNWRITTEN {
            self.unwritten.extend_from_slice(packet);
        }
    }

    /// Writes and reads what there is.
    pub(super) async fn pump(&mut self) {
        let Some(mut stream) = self.stream.take() else {
            return;
        };
        let is_open = poll_fn(|context| {
            let mut is_open = true;
            if !self.unwritten.is_empty() {
                let written = Pin::new(&mut stream).poll_write(context, &self.unwritten);
                match written {
                    Poll::Ready(Ok(bytes)) => drop(self.unwritten.drain(..bytes)),
                    Poll::Ready(Err(_)) => is_open = false,
                    Poll::Pending => {}
                }
            }
            let mut buffer = [0; 1024];
            let mut free = ReadBuf::new(&mut buffer);
            if !self.is_deaf
                && let Poll::Ready(read) = Pin::new(&mut stream).poll_read(context, &mut free)
            {
                is_open &= read.is_ok() && !free.filled().is_empty();
                self.unread.extend_from_slice(free.filled());
            }
            Poll::Ready(is_open)
        })
        .await;
        self.listen();
        self.stream = is_open.then_some(stream);
    }

    /// Notes what the packets that came ask for.
    fn listen(&mut self) {
        while let Some((heard, length)) = wire::hear(self.version, &self.unread) {
            match heard {
                Heard::Publish(publish) if publish.qos == 1 => {
                    self.due.push_back((PUBACK, publish.id));
                }
                Heard::Publish(publish) if publish.qos == 2 => {
                    self.due.push_back((PUBREC, publish.id));
                }
                Heard::Ack {
                    kind: PUBREC,
                    id,
                    code,
                } if code < 0x80 => {
                    self.due.push_back((PUBREL, id));
                }
                Heard::Ack {
                    kind: PUBREL, id, ..
                } => self.due.push_back((PUBCOMP, id)),
                _ => {}
            }
            self.unread.drain(..length);
        }
        self.due.truncate(1_000);
    }
}

/// One of a few packet identifiers, which come again.
fn id(input: &mut Input<'_>) -> u16 {
    match input.byte() {
        id @ 0..64 => u16::from(id) % 8,
        id => u16::from(id) * 257,
    }
}

fn publish(version: Version, input: &mut Input<'_>) -> Vec<u8> {
    let (flags, kinds) = (input.byte(), input.byte());
    let mut properties = Vec::new();
    if kinds & 1 != 0 {
        properties.extend(property(0x02, &[0, 0, 0, input.byte()]));
    }
    if kinds & 2 != 0 {
        properties.extend(property(0x23, &[0, input.byte() % 5]));
    }
    if kinds & 4 != 0 {
        properties.extend(property(0x26, b"\0\x01k\0\x01v"));
    }
    let repeat = if kinds & 8 != 0 { 12 } else { 1 };
    wire::Publish {
        dup: flags & 8 != 0,
        qos: flags >> 1 & 3,
        retain: flags & 1 != 0,
        topic: if kinds & 16 != 0 {
            ""
        } else {
            input.pick(&TOPICS)
        },
        id: id(input),
        properties: &properties,
        payload: &input.bytes(100).repeat(repeat),
    }
    .encode(version)
}
