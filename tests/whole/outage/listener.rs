//! A device that hears all statuses: its session outlives every kill.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::way::{Ending, Way};
use crate::support::{
    client::{Client, Message, PUBACK},
    hello::Hello,
    version::Version::V311,
    wait::pause,
};

/// The pause when nothing has come.
const PAUSE: Duration = Duration::from_millis(5);

/// All statuses of some connectors.
pub(super) struct Listener {
    ways: Vec<Way>,
    hello: Hello,
    heard: Mutex<Heard>,
    stop: AtomicBool,
}

/// What was heard of a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Statuses {
    pub(super) successes: u32,
    /// The codes of failures.
    pub(super) failures: Vec<String>,
}

/// The statuses of each message, by its id.
pub(super) type Heard = HashMap<String, Statuses>;

impl Listener {
    /// Subscribes to the statuses of `ways`.
    pub(super) fn subscribe(address: SocketAddr, ways: &[Way]) -> Self {
        let hello = Hello::lasting(V311, "listener");
        let mut client = hello.connect(address);
        for way in ways {
            client.subscribe(way.status_topic(), 1);
        }
        client.disconnect();
        Self {
            ways: ways.to_owned(),
            hello,
            heard: Mutex::default(),
            stop: AtomicBool::new(false),
        }
    }

    /// Listens while `meanwhile` runs, and connects again whenever the connection breaks.
    pub(super) fn run<T>(&self, address: SocketAddr, meanwhile: impl FnOnce() -> T) -> T {
        thread::scope(|scope| {
            scope.spawn(|| {
                while !self.stop.load(Ordering::Relaxed) {
                    match self.hello.attempt(address) {
                        Ok(client) => self.listen(client),
                        Err(code) => assert_eq!(code, None, "the listener is let in"),
                    }
                    pause(PAUSE);
                }
            });
            // A failed test ends its listener, too.
            let _stop = StopAtEnd(&self.stop);
            meanwhile()
        })
    }

    /// What was heard so far.
    pub(super) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens until the connection ends.
    fn listen(&self, mut client: Client) {
        assert!(client.session_present, "the session outlives every kill");
        while !self.stop.load(Ordering::Relaxed) {
            // A packet that a kill cut off is no packet, and comes again.
            let ended = client.has_ended();
            let packets: Vec<_> = std::iter::from_fn(|| client.buffered()).collect();
            if packets.is_empty() {
                if ended {
                    return;
                }
                pause(PAUSE);
            }
            for packet in packets {
                let message = Message::read(V311, &packet);
                self.note(&message);
                client.acknowledge(PUBACK, message.id);
            }
        }
    }

    fn note(&self, message: &Message) {
        let mut ways = self.ways.iter();
        let way = ways
            .find(|way| way.status_topic() == message.topic)
            .expect("a topic that was subscribed to");
        let mut heard = self.heard();
        for (id, ending) in way.read_status(&message.payload) {
            let statuses = heard.entry(id).or_default();
            match ending {
                Ending::Success => statuses.successes += 1,
                Ending::Fail(code) => statuses.failures.push(code),
            }
        }
    }
}

struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
