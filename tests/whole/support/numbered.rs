//! Publishers whose messages carry their publisher and number, and the count of them.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use crate::support::{
    hello::Hello,
    version::Version,
    wait::{PATIENCE, pause, wait_for_some},
    wire,
};

/// Messages that a publisher has unacknowledged at most.
const WINDOW: u64 = 20;

const VERSION: Version = Version::V311;

/// What publishers say.
pub(crate) trait Speech: Send + Sync {
    /// Where message `number` of `publisher` goes.
    fn topic(&self, publisher: usize, number: u64) -> String;

    /// What it says.
    fn payload(&self, publisher: usize, number: u64) -> Vec<u8>;
}

/// Many publishers, each at QoS 1 and as fast as its window allows.
pub(crate) struct Publishers {
    name: String,
    speech: Box<dyn Speech>,
    lasting: bool,
    /// What each waits for between two windows.
    pace: Duration,
    /// How many messages each has to say.
    most: u64,
    /// Of each publisher, how many were acknowledged. Acknowledgements come in order.
    acknowledged: Vec<AtomicU64>,
    /// Of each publisher, how many were sent at least once.
    sent: Vec<AtomicU64>,
    stop: AtomicBool,
}

impl Publishers {
    /// Publishers on topics below `prefix` whose messages have `size` bytes.
    pub(crate) fn new(count: usize, prefix: &str, size: usize) -> Self {
        let prefix = prefix.to_owned();
        Self::speaking(count, "publisher", Numbered { prefix, size })
    }

    /// Publishers whose client ids begin with `name`, and who say what `speech` has for them.
    pub(crate) fn speaking(count: usize, name: &str, speech: impl Speech + 'static) -> Self {
        Self {
            name: name.to_owned(),
            speech: Box::new(speech),
            lasting: false,
            pace: Duration::ZERO,
            most: u64::MAX,
            acknowledged: (0..count).map(|_| AtomicU64::new(0)).collect(),
            sent: (0..count).map(|_| AtomicU64::new(0)).collect(),
            stop: AtomicBool::new(false),
        }
    }

    /// The same with sessions that outlive their connections.
    pub(crate) fn lasting(self) -> Self {
        Self {
            lasting: true,
            ..self
        }
    }

    /// The same with `pace` between two windows of each publisher.
    pub(crate) fn paced(self, pace: Duration) -> Self {
        Self { pace, ..self }
    }

    /// The same with `most` messages of each publisher, which ends then.
    pub(crate) fn up_to(self, most: u64) -> Self {
        Self { most, ..self }
    }

    /// Publishes until [`stop`](Self::stop) while `meanwhile` runs; connects again, and sends
    /// what was not acknowledged again, whenever a connection breaks.
    pub(crate) fn run<T>(&self, address: SocketAddr, meanwhile: impl FnOnce() -> T) -> T {
        thread::scope(|scope| {
            for publisher in 0..self.acknowledged.len() {
                scope.spawn(move || self.publish(publisher, address));
            }
            // A failed test ends its publishers, too.
            let _stop = StopAtEnd(&self.stop);
            meanwhile()
        })
    }

    /// Lets every publisher wait for the acknowledgements that are due, and end.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Of each publisher, how many were acknowledged.
    pub(crate) fn acknowledged(&self) -> Vec<u64> {
        read_all(&self.acknowledged)
    }

    /// Of each publisher, how many were sent, be they acknowledged or not.
    pub(crate) fn sent(&self) -> Vec<u64> {
        read_all(&self.sent)
    }

    /// How many were acknowledged.
    pub(crate) fn total(&self) -> u64 {
        self.acknowledged().iter().sum()
    }

    fn publish(&self, publisher: usize, address: SocketAddr) {
        while !self.publish_over_one_connection(publisher, address) {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            pause(Duration::from_millis(10));
        }
    }

    /// Whether all is said; otherwise the connection was lost.
    fn publish_over_one_connection(&self, publisher: usize, address: SocketAddr) -> bool {
        let client_id = format!("{}-{publisher}", self.name);
        let hello = match self.lasting {
            true => Hello::lasting(VERSION, &client_id),
            false => Hello::new(VERSION, &client_id),
        };
        let Ok(mut client) = hello.attempt(address) else {
            return false;
        };
        let mut acknowledged = self.acknowledged[publisher].load(Ordering::Relaxed);
        let mut next = acknowledged;
        let mut sent = self.sent[publisher].load(Ordering::Relaxed);
        let mut output = Vec::new();
        loop {
            output.clear();
            let end = self.most.min(acknowledged + WINDOW);
            while next < end && !self.stop.load(Ordering::Relaxed) {
                let topic = self.speech.topic(publisher, next);
                let payload = self.speech.payload(publisher, next);
                let id = packet_id(next);
                let mut packet = wire::publish(VERSION, 1, id, topic.as_bytes(), &payload);
                if next < sent {
                    packet[0] |= 0x08;
                }
                output.append(&mut packet);
                next += 1;
            }
            sent = next.max(sent);
            self.sent[publisher].store(sent, Ordering::Relaxed);
            client.send(&output);
            if next == acknowledged {
                return true;
            }
            let Some(answer) = client.receive() else {
                return false;
            };
            let mut answer = Some(answer);
            while let Some(packet) = answer {
                assert_eq!(packet.first, 0x40, "a PUBACK: {packet:?}");
                assert_eq!(
                    wire::acknowledged(&packet),
                    packet_id(acknowledged),
                    "in order"
                );
                acknowledged += 1;
                answer = client.buffered();
            }
            self.acknowledged[publisher].store(acknowledged, Ordering::Relaxed);
            if !self.pace.is_zero() {
                pause(self.pace);
            }
        }
    }
}

/// Messages below a prefix that are as long as is asked for.
struct Numbered {
    prefix: String,
    size: usize,
}

impl Speech for Numbered {
    fn topic(&self, publisher: usize, _: u64) -> String {
        format!("{}/{publisher}", self.prefix)
    }

    fn payload(&self, publisher: usize, number: u64) -> Vec<u8> {
        let mut payload = format!("{publisher} {number} ").into_bytes();
        payload.resize(self.size.max(payload.len()), b'.');
        payload
    }
}

fn read_all(counts: &[AtomicU64]) -> Vec<u64> {
    let counts = counts.iter();
    counts.map(|count| count.load(Ordering::Relaxed)).collect()
}

struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn packet_id(number: u64) -> u16 {
    (number % u64::from(u16::MAX)) as u16 + 1
}

/// What has arrived of the messages of [`Publishers`].
#[derive(Default)]
pub(crate) struct Tally {
    seen: Vec<Vec<bool>>,
    /// Messages that arrived more than once.
    pub(crate) repeated: u64,
    /// Messages that arrived before one with a lower number of the same publisher.
    pub(crate) early: u64,
}

impl Tally {
    /// Counts `payloads` in the order of their arrival.
    pub(crate) fn of<'a>(payloads: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut tally = Self::default();
        for payload in payloads {
            tally.count(payload);
        }
        tally
    }

    /// Counts the payloads in the lines of the file upstream.
    pub(crate) fn of_lines(text: &str) -> Self {
        Self::of(text.lines().map(|line| {
            let (_, payload) = line
                .split_once("\"payload\":\"")
                .expect("a line has a payload");
            payload
                .strip_suffix("\"}")
                .expect("a line ends with its payload")
                .as_bytes()
        }))
    }

    /// How many of those that were acknowledged have not arrived.
    pub(crate) fn missing(&self, acknowledged: &[u64]) -> u64 {
        let of_publisher = |(publisher, count): (usize, &u64)| {
            let seen = self.seen.get(publisher).map_or(&[][..], Vec::as_slice);
            let arrived = seen
                .iter()
                .take(*count as usize)
                .filter(|seen| **seen)
                .count();
            count - arrived as u64
        };
        acknowledged.iter().enumerate().map(of_publisher).sum()
    }

    /// Counts one message.
    ///
    /// # Panics
    /// It is none that the publishers send.
    pub(crate) fn count(&mut self, payload: &[u8]) {
        let text = std::str::from_utf8(payload).expect("a payload is text");
        let mut words = text.splitn(3, ' ');
        let mut number = || words.next().and_then(|word| word.parse::<usize>().ok());
        let (Some(publisher), Some(number)) = (number(), number()) else {
            panic!("not what was published: {text:?}");
        };
        if self.seen.len() <= publisher {
            self.seen.resize_with(publisher + 1, Vec::new);
        }
        let seen = &mut self.seen[publisher];
        match number {
            number if number < seen.len() => self.repeated += u64::from(seen[number]),
            number => {
                self.early += u64::from(number > seen.len());
                seen.resize(number + 1, false);
            }
        }
        seen[number] = true;
    }
}

/// Waits until every acknowledged message is in what `look` finds.
#[track_caller]
pub(crate) fn wait_for_all(acknowledged: &[u64], look: impl Fn() -> Tally) -> Tally {
    let (mut missing, mut tally) = (u64::MAX, None);
    // As long as records still arrive, patience begins anew.
    loop {
        let before = missing;
        wait_for_some(
            PATIENCE,
            &format!("{before} missing messages, or some of them"),
            || {
                let found = look();
                missing = found.missing(acknowledged);
                let moved = missing < before;
                tally = Some(found);
                moved.then_some(())
            },
        );
        if let (0, Some(tally)) = (missing, tally.take()) {
            return tally;
        }
    }
}
