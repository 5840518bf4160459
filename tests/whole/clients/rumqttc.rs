//! rumqttc: a thread drives the event loop of each client.
//!
//! It has one API for MQTT 3.1.1 and another for MQTT 5, which resemble each other.

mod v3;
mod v5;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use tokio::{runtime, sync::oneshot};

use super::{
    Transport,
    client::{Client, Connect, Habits, Message, Peer, Properties, Publish},
};
use crate::support::{
    version::Version::{self, V5, V31, V311},
    wait::{PATIENCE, wait_for, wait_for_some},
};

/// Requests that wait for the event loop.
const REQUESTS: usize = 100;

pub(super) struct Rumqttc {
    pub(super) address: SocketAddr,
    pub(super) version: Version,
    pub(super) transport: Transport,
}

impl Client for Rumqttc {
    #[track_caller]
    fn connect(&self, how: &Connect<'_>) -> Box<dyn Peer> {
        let host = match self.transport {
            Transport::Tcp => self.address.ip().to_string(),
            Transport::WebSocket => format!("ws://{}/mqtt", self.address),
        };
        let transport = match self.transport {
            Transport::Tcp => rumqttc::Transport::Tcp,
            Transport::WebSocket => rumqttc::Transport::Ws,
        };
        match self.version {
            V31 => panic!("rumqttc does not speak MQTT 3.1"),
            V311 => {
                let (requests, events) = v3::client(host, self.address.port(), transport, how);
                Box::new(Driven::start(requests, events, how))
            }
            V5 => {
                let (requests, events) = v5::client(host, self.address.port(), transport, how);
                Box::new(Driven::start(requests, events, how))
            }
        }
    }

    fn habits(&self) -> Habits {
        Habits::default()
    }
}

/// The half of a client that is asked.
trait Requests {
    fn subscribe(&self, filter: &str, qos: u8);
    /// Publishes one message on `topic`, which is empty where the alias is enough.
    fn publish(&self, topic: &str, payload: &str, publish: &Publish<'_>);
    fn disconnect(&self);
}

/// The half of a client that tells.
trait Events: Send + 'static {
    /// What happened next.
    fn next(&mut self) -> impl Future<Output = Happened> + Send;
}

enum Happened {
    Connected { session_present: bool },
    Subscribed { granted: Option<u8> },
    Acknowledged,
    Arrived(Message),
    Disconnected,
    Failed(String),
    Nothing,
}

/// All that has happened.
#[derive(Default)]
struct Seen {
    session_present: Option<bool>,
    granted: Option<u8>,
    acknowledged: usize,
    messages: Vec<Message>,
    is_disconnected: bool,
    failure: Option<String>,
}

struct Driven<R> {
    requests: R,
    seen: Arc<Mutex<Seen>>,
    /// Dropping it ends the thread.
    kill: oneshot::Sender<()>,
    thread: JoinHandle<()>,
    published: usize,
}

impl<R: Requests> Driven<R> {
    #[track_caller]
    fn start(requests: R, events: impl Events, how: &Connect<'_>) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let (kill, killed) = oneshot::channel();
        let thread = thread::spawn({
            let seen = Arc::clone(&seen);
            move || drive(events, &seen, killed)
        });
        let driven = Self {
            requests,
            seen,
            kill,
            thread,
            published: 0,
        };
        driven.wait_for("CONNACK", |seen| seen.session_present.is_some());
        if let Some((filter, qos)) = how.subscribe {
            driven.requests.subscribe(filter, qos);
            driven.wait_for("SUBACK", |seen| seen.granted.is_some());
            assert_eq!(driven.seen().granted, Some(qos), "granted QoS");
        }
        driven
    }

    #[track_caller]
    fn wait_for(&self, what: &str, condition: impl Fn(&Seen) -> bool) {
        wait_for(PATIENCE, what, || {
            let seen = self.seen();
            if let Some(failure) = &seen.failure {
                panic!("{what}: {failure}");
            }
            condition(&seen)
        });
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

impl<R: Requests> Peer for Driven<R> {
    fn session_present(&self) -> Option<bool> {
        self.seen().session_present
    }

    #[track_caller]
    fn publish(&mut self, publish: &Publish<'_>) {
        for (number, payload) in publish.payloads.iter().enumerate() {
            let is_named = !publish.alias || number == 0;
            let topic = if is_named { publish.topic } else { "" };
            self.requests.publish(topic, payload, publish);
        }
        self.published += publish.payloads.len();
        self.wait_for("all acknowledgements", |seen| {
            seen.acknowledged == self.published
        });
    }

    fn messages(&self) -> Vec<Message> {
        self.seen().messages.clone()
    }

    #[track_caller]
    fn leave(self: Box<Self>) {
        self.requests.disconnect();
        self.wait_for("the goodbye", |seen| seen.is_disconnected);
        join(self.thread);
    }

    #[track_caller]
    fn kill(self: Box<Self>) {
        drop(self.kill);
        join(self.thread);
    }
}

/// Lets a client run until it has said goodbye, or it fails, or `killed` has an end.
fn drive(mut events: impl Events, seen: &Mutex<Seen>, mut killed: oneshot::Receiver<()>) {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        loop {
            let happened = tokio::select! {
                _ = &mut killed => return,
                happened = events.next() => happened,
            };
            let mut seen = lock(seen);
            match happened {
                Happened::Connected { session_present } => {
                    seen.session_present = Some(session_present);
                }
                Happened::Subscribed { granted } => seen.granted = granted,
                Happened::Acknowledged => seen.acknowledged += 1,
                Happened::Arrived(message) => seen.messages.push(message),
                Happened::Disconnected => {
                    seen.is_disconnected = true;
                    return;
                }
                Happened::Failed(failure) => {
                    seen.failure = Some(failure);
                    return;
                }
                Happened::Nothing => {}
            }
        }
    });
}

#[track_caller]
fn join(thread: JoinHandle<()>) {
    wait_for_some(PATIENCE, "the thread ends", || {
        thread.is_finished().then_some(())
    });
    thread.join().expect("the thread did not panic");
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
