//! A client that says much and waits for nothing.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::timeout,
};

use super::{
    ledger::{Ledger, Message},
    steps::{FILTERS, Sent, TOPICS, Will, version},
};
use crate::{
    codec::Version,
    fuzzing::wire::{self, Connect, Heard, PUBACK, PUBCOMP, PUBREC, PUBREL, property},
};

/// Within it the broker ends a connection, however busy the machine is.
const DEADLINE: Duration = Duration::from_secs(60);
/// Seconds that a session outlives its connection.
const EXPIRY: u32 = 100_000;
/// Seconds that a will waits, if it does.
const DELAY: u32 = 5;

/// A client, and what it remembers of its session.
pub(super) struct Client {
    number: usize,
    version: Version,
    /// Of these it writes to the last.
    links: Vec<Link>,
    is_hushed: bool,
    /// What it has not answered.
    unanswered: Vec<Answer>,
    last_id: u16,
    /// Its own publishes that are not over.
    open: BTreeMap<u16, Open>,
}

/// A connection.
struct Link {
    stream: DuplexStream,
    unread: Vec<u8>,
    attempt: Attempt,
    is_open: bool,
    /// Filters with the time at which something was asked for them.
    asked: BTreeMap<u16, (&'static str, usize)>,
}

/// A CONNECT.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) client: usize,
    /// Which of the client's it is.
    pub(super) number: usize,
    /// The age of the session that it asks for.
    pub(super) age: usize,
    pub(super) clean: bool,
    pub(super) lasts: bool,
    pub(super) will: Option<Message>,
    pub(super) is_delayed: bool,
}

/// A publish of the client's that is not over.
struct Open {
    message: Message,
    /// The attempt over which it was sent last.
    attempt: usize,
    is_received: bool,
}

/// What a client answers to a message.
enum Answer {
    /// PUBACK or PUBREC for a payload.
    Take(u8, u16, String),
    Complete(u16),
    Release(u16),
}

pub(super) fn name(client: usize) -> String {
    format!("client {client}")
}

impl Client {
    pub(super) fn new(number: usize) -> Client {
        Client {
            number,
            version: version(number),
            links: Vec::new(),
            is_hushed: false,
            unanswered: Vec::new(),
            last_id: 0,
            open: BTreeMap::new(),
        }
    }

    /// The connection that it writes to.
    fn link(&mut self) -> Option<&mut Link> {
        self.links.last_mut().filter(|link| link.is_open)
    }

    async fn say(&mut self, packets: &[u8]) {
        if let Some(link) = self.link() {
            // A broker that has closed the connection hears nothing.
            link.stream.write_all(packets).await.ok();
        }
    }

    fn next_id(&mut self) -> u16 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) async fn connect(
        &mut self,
        stream: DuplexStream,
        (clean, lasts): (bool, bool),
        will: Option<Will>,
        ledger: &mut Ledger,
    ) {
        let is_v5 = self.version == Version::V5;
        let lasts = if is_v5 { lasts } else { !clean };
        let is_delayed = is_v5 && will.is_some_and(|will| will.is_delayed);
        let will = will.map(|will| ledger.message(TOPICS[will.topic], will.qos, will.retain));
        will.iter().for_each(|will| ledger.may_retain(will));
        let (number, age) = ledger.connects(self.number, clean, lasts);
        let expiry = if lasts { EXPIRY } else { 0 };
        let delay = if is_delayed { DELAY } else { 0 };
        let connect = Connect {
            version: self.version,
            client_id: &name(self.number),
            clean_start: clean,
            keep_alive: 0,
            will: will.as_ref().map(|will| wire::Will {
                topic: will.topic,
                payload: will.payload.as_bytes(),
                qos: will.qos,
                retain: will.retain,
                properties: property(0x18, &delay.to_be_bytes()),
            }),
            properties: property(0x11, &expiry.to_be_bytes()),
        };
        let connect = connect.encode();
        self.unanswered.clear();
        self.is_hushed = false;
        self.links.push(Link {
            stream,
            unread: Vec::new(),
            attempt: Attempt {
                client: self.number,
                number,
                age,
                clean,
                lasts,
                will,
                is_delayed,
            },
            is_open: true,
            asked: BTreeMap::new(),
        });
        self.say(&connect).await;
    }

    pub(super) async fn subscribe(&mut self, filter: usize, qos: u8, ledger: &mut Ledger) {
        let (version, id, filter) = (self.version, self.next_id(), FILTERS[filter]);
        let Some(link) = self.link() else { return };
        let now = ledger.subscribes(&link.attempt, filter);
        link.asked.insert(id, (filter, now));
        let packet = wire::subscribe(version, id, &[(filter, qos)], &[]);
        self.say(&packet).await;
    }

    pub(super) async fn unsubscribe(&mut self, filter: usize, ledger: &mut Ledger) {
        let (version, id, filter) = (self.version, self.next_id(), FILTERS[filter]);
        let Some(link) = self.link() else { return };
        let now = ledger.unsubscribes(&link.attempt, filter);
        link.asked.insert(id, (filter, now));
        let packet = wire::unsubscribe(version, id, &[filter]);
        self.say(&packet).await;
    }

    pub(super) async fn publish(&mut self, messages: &[Sent], ledger: &mut Ledger) {
        let Some(link) = self.link() else { return };
        let attempt = link.attempt.number;
        let mut packets = Vec::new();
        for sent in messages {
            let mut message = ledger.message(TOPICS[sent.topic], sent.qos, sent.retain);
            if sent.is_empty {
                message.payload.clear();
            }
            let id = self.next_id();
            ledger.publishes(self.number, id, &message);
            packets.extend(encode(&message, id, false, self.version));
            if message.qos > 0 {
                let open = Open {
                    message,
                    attempt,
                    is_received: false,
                };
                self.open.insert(id, open);
            }
        }
        self.say(&packets).await;
    }

    pub(super) fn hush(&mut self) {
        self.is_hushed = true;
    }

    pub(super) async fn speak(&mut self, ledger: &mut Ledger) {
        self.is_hushed = false;
        for answer in std::mem::take(&mut self.unanswered) {
            self.answer(answer, ledger).await;
        }
    }

    async fn answer(&mut self, answer: Answer, ledger: &mut Ledger) {
        if self.is_hushed {
            return self.unanswered.push(answer);
        }
        let Some(link) = self.link() else { return };
        let packet = match answer {
            Answer::Take(kind, id, payload) => {
                ledger.takes(link.attempt.client, payload);
                wire::ack(kind, id, 0)
            }
            Answer::Complete(id) => {
                ledger.completes(&link.attempt, id);
                wire::ack(PUBCOMP, id, 0)
            }
            Answer::Release(id) => {
                ledger.releases(link.attempt.client, id);
                wire::ack(PUBREL, id, 0)
            }
        };
        self.say(&packet).await;
    }

    pub(super) async fn leave(&mut self, ends: bool, ledger: &mut Ledger) {
        let version = self.version;
        let ends = ends && version == Version::V5;
        let Some(link) = self.link() else { return };
        ledger.leaves(&link.attempt, ends);
        let packet = wire::disconnect(version, 0, ends.then_some(0));
        self.say(&packet).await;
        self.vanish().await;
    }

    /// Says nothing more, and still hears what comes.
    pub(super) async fn vanish(&mut self) {
        if let Some(link) = self.link() {
            link.is_open = false;
            link.stream.shutdown().await.ok();
        }
    }

    /// Hears what has come.
    pub(super) async fn listen(&mut self, ledger: &mut Ledger) {
        for index in 0..self.links.len() {
            self.listen_to(index, Duration::ZERO, ledger).await;
        }
    }

    /// Hangs up, and hears all that comes until the broker has hung up, too.
    pub(super) async fn finish(&mut self, ledger: &mut Ledger) {
        for index in 0..self.links.len() {
            self.links[index].is_open = false;
            self.links[index].stream.shutdown().await.ok();
            let is_closed = self.listen_to(index, DEADLINE, ledger).await;
            assert!(is_closed, "a connection does not end");
        }
    }

    /// Hears what comes over a connection in `time`; whether that has ended.
    async fn listen_to(&mut self, index: usize, time: Duration, ledger: &mut Ledger) -> bool {
        loop {
            let unread = std::mem::take(&mut self.links[index].unread);
            let mut rest = unread.as_slice();
            while let Some((heard, length)) = wire::hear(self.version, rest) {
                self.hear(index, heard, ledger).await;
                rest = &rest[length..];
            }
            let link = &mut self.links[index];
            link.unread = rest.to_vec();
            let read = link.stream.read_buf(&mut link.unread);
            match timeout(time, read).await {
                Err(_) => return false,
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => return true,
            }
        }
    }

    async fn hear(&mut self, index: usize, heard: Heard<'_>, ledger: &mut Ledger) {
        let is_last = index + 1 == self.links.len();
        let link = &mut self.links[index];
        let attempt = &link.attempt;
        let mut answer = None;
        match heard {
            Heard::ConnAck {
                session_present,
                code: 0,
            } => {
                ledger.connack(attempt, session_present);
                if is_last {
                    self.begin(session_present, ledger).await;
                }
            }
            Heard::SubAck { id, .. } => {
                let (filter, then) = link.asked[&id];
                ledger.suback(attempt, filter, then);
            }
            Heard::UnsubAck { id } => {
                let (filter, then) = link.asked[&id];
                ledger.unsuback(attempt, filter, then);
            }
            Heard::Publish(publish) if publish.qos > 0 => {
                let kind = if publish.qos == 1 { PUBACK } else { PUBREC };
                let payload = String::from_utf8(publish.payload.to_vec()).unwrap();
                answer = Some(Answer::Take(kind, publish.id, payload));
            }
            Heard::Ack {
                kind: PUBREL,
                id,
                code: 0,
            } => {
                ledger.released(attempt, id);
                answer = Some(Answer::Complete(id));
            }
            Heard::Ack { kind, id, code } if kind != PUBREL && code < 0x80 => {
                ledger.confirmed(attempt, kind, id);
                match self.open.get_mut(&id) {
                    Some(open) if kind == PUBREC => {
                        open.is_received = true;
                        answer = Some(Answer::Release(id));
                    }
                    _ => drop(self.open.remove(&id)),
                }
            }
            _ => {}
        }
        if let Some(answer) = answer.filter(|_| is_last) {
            self.answer(answer, ledger).await;
        }
    }

    /// Sends again what an earlier connection left open, if there is the session for it.
    async fn begin(&mut self, session_present: bool, ledger: &mut Ledger) {
        let last = self.links.last().map_or(0, |link| link.attempt.number);
        if !session_present {
            self.open.retain(|_, open| open.attempt == last);
            return;
        }
        let mut packets = Vec::new();
        for (id, open) in &mut self.open {
            if open.attempt == last {
                continue;
            }
            open.attempt = last;
            if open.is_received {
                ledger.releases(self.number, *id);
                packets.extend(wire::ack(PUBREL, *id, 0));
            } else {
                ledger.repeats(&open.message);
                packets.extend(encode(&open.message, *id, true, self.version));
            }
        }
        self.say(&packets).await;
    }
}

fn encode(message: &Message, id: u16, dup: bool, version: Version) -> Vec<u8> {
    let publish = wire::Publish {
        dup,
        qos: message.qos,
        retain: message.retain,
        topic: message.topic,
        id,
        properties: &[],
        payload: message.payload.as_bytes(),
    };
    publish.encode(version)
}
