//! What a broker owes its clients, as plainly as it can be said.

use std::collections::BTreeMap;

/// Everything that a broker remembers.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// By client.
    pub(super) sessions: BTreeMap<usize, Session>,
    /// By topic.
    pub(super) retained: BTreeMap<String, Message>,
    published: u64,
    /// Seconds since the beginning.
    now: u64,
    restarts: u64,
}

#[derive(Debug, Default)]
pub(super) struct Session {
    /// Seconds that it outlives a connection; zero for none, `None` for ever.
    pub(super) expiry: Option<u32>,
    /// When its connection ended, unless there is one.
    left_at: Option<u64>,
    /// Counts the client's connections.
    connection: u64,
    /// The broker may have ended under a connection, and then sends some new messages as if they
    /// had been sent before.
    is_in_doubt: bool,
    /// By filter.
    pub(super) subscriptions: BTreeMap<String, Subscription>,
    owed: Vec<Owed>,
    /// The last message of a publisher at a QoS.
    last: BTreeMap<(usize, u8), u64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Subscription {
    pub(super) qos: u8,
    pub(super) no_local: bool,
    pub(super) retain_as_published: bool,
}

/// A message as it was published.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) number: u64,
    pub(super) publisher: usize,
    pub(super) topic: String,
    pub(super) payload: String,
    pub(super) qos: u8,
    pub(super) retain: bool,
}

/// A message that a session gets.
#[derive(Clone, Debug)]
struct Owed {
    message: Message,
    qos: u8,
    retain: bool,
    /// It was retained before the session subscribed.
    is_old: bool,
    /// Whether it has to come: a publisher may have been cut off before the broker read it.
    must: bool,
    /// The connection on which it came first.
    seen_on: Option<u64>,
    /// The connection that was open when it was published.
    published_on: Option<u64>,
    /// How often the broker had begun again when its acknowledgement was surely heard.
    settled_after: Option<u64>,
}

/// A PUBLISH as a client got it; at QoS 2 once for each handshake.
#[derive(Debug)]
pub(super) struct Got<'a> {
    pub(super) topic: &'a str,
    pub(super) payload: &'a str,
    pub(super) qos: u8,
    pub(super) retain: bool,
    pub(super) dup: bool,
}

impl Model {
    /// A client connects; whether it finds a session.
    pub(super) fn connect(&mut self, client: usize, clean: bool, expiry: Option<u32>) -> bool {
        self.disconnect(client);
        if clean {
            self.sessions.remove(&client);
        }
        let is_present = self.sessions.contains_key(&client);
        let session = self.sessions.entry(client).or_default();
        session.expiry = expiry;
        session.left_at = None;
        session.connection += 1;
        is_present
    }

    /// The client's connection is over, if it had one.
    pub(super) fn disconnect(&mut self, client: usize) {
        let Some(session) = self.sessions.get_mut(&client) else {
            return;
        };
        if session.left_at.is_none() {
            session.left_at = Some(self.now);
            session
                .owed
                .retain(|owed| owed.qos > 0 || owed.seen_on.is_some());
        }
        if session.expiry == Some(0) {
            self.sessions.remove(&client);
        }
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.now += seconds;
        let now = self.now;
        self.sessions.retain(|_, session| !session.has_expired(now));
    }

    pub(super) fn restart(&mut self) {
        self.restarts += 1;
        let sessions = self.sessions.values_mut();
        sessions.for_each(|session| session.is_in_doubt = true);
        let clients: Vec<_> = self.sessions.keys().copied().collect();
        clients
            .into_iter()
            .for_each(|client| self.disconnect(client));
    }

    /// Who subscribes gets what is retained, if it asks for it.
    pub(super) fn subscribe(
        &mut self,
        client: usize,
        filter: &str,
        subscription: Subscription,
        retain_handling: u8,
    ) {
        let session = self.sessions.get_mut(&client).expect("it is connected");
        let earlier = session
            .subscriptions
            .insert(filter.to_owned(), subscription);
        let gets_retained = match retain_handling {
            0 => true,
            1 => earlier.is_none(),
            _ => false,
        };
        if !gets_retained {
            return;
        }
        for message in self.retained.values() {
            if matches(filter, &message.topic) {
                let qos = message.qos.min(subscription.qos);
                session.owe(message, qos, true, true);
            }
        }
    }

    /// The next message of a publisher.
    pub(super) fn message(&mut self, publisher: usize, topic: &str, qos: u8) -> Message {
        self.published += 1;
        Message {
            number: self.published,
            publisher,
            topic: topic.to_owned(),
            payload: format!("{} of {publisher}", self.published),
            qos,
            retain: false,
        }
    }

    /// The broker has taken `message`.
    pub(super) fn publish(&mut self, message: &Message) {
        if message.retain && message.payload.is_empty() {
            self.retained.remove(&message.topic);
        } else if message.retain {
            self.retained.insert(message.topic.clone(), message.clone());
        }
        for (client, session) in &mut self.sessions {
            if let Some((qos, retain)) = session.wants(*client, message)
                && (qos > 0 || session.left_at.is_none())
            {
                session.owe(message, qos, retain, false);
            }
        }
    }

    /// The broker may have taken `message`: its publisher was cut off.
    pub(super) fn may_publish(&mut self, message: &Message) {
        self.publish(message);
        self.owed_of(message).for_each(|owed| owed.must = false);
    }

    /// The broker has taken the message of [`Model::may_publish`].
    pub(super) fn has_published(&mut self, message: &Message) {
        self.owed_of(message).for_each(|owed| owed.must = true);
    }

    /// The publisher of the message sends it again, not knowing whether it was taken.
    pub(super) fn publish_again(&mut self, message: &Message) {
        for (client, session) in &mut self.sessions {
            // At QoS 1 the broker takes both.
            let owed = session.owed.iter();
            let mut copies: Vec<Owed> = owed
                .filter(|owed| owed.message.number == message.number && message.qos == 1)
                .cloned()
                .collect();
            copies.iter_mut().for_each(|copy| copy.must = false);
            session.owed.extend(copies);
            // Who has come back in between may get it at QoS 0 the second time alone.
            let has_it = session
                .owed
                .iter()
                .any(|owed| owed.message.number == message.number);
            if let Some((0, retain)) = session.wants(*client, message)
                && session.left_at.is_none()
                && !has_it
            {
                session.owe(message, 0, retain, false).must = false;
            }
        }
    }

    fn owed_of(&mut self, message: &Message) -> impl Iterator<Item = &mut Owed> {
        let number = message.number;
        let owed = self
            .sessions
            .values_mut()
            .flat_map(|session| &mut session.owed);
        owed.filter(move |owed| owed.message.number == number)
    }

    /// A client got a message; panics if the broker did not owe it.
    pub(super) fn deliver(&mut self, client: usize, got: &Got<'_>) {
        let restarts = self.restarts;
        let session = self.sessions.get_mut(&client).expect("it is connected");
        session.deliver(got, restarts);
    }

    /// All that a client has got is acknowledged and the broker knows. At QoS 0 a message may
    /// be missing where there is `little_room`; else nothing may be.
    pub(super) fn check(&mut self, client: usize, little_room: bool) {
        let restarts = self.restarts;
        let session = self.sessions.get_mut(&client).expect("it is connected");
        for owed in &mut session.owed {
            if owed.seen_on.is_some() {
                owed.settled_after.get_or_insert(restarts);
            } else {
                let may_miss = !owed.must || (owed.qos == 0 && little_room);
                assert!(may_miss, "client {client} was not sent {owed:?}");
            }
        }
        session.owed.retain(|owed| owed.seen_on.is_some());
    }

    /// Whether retained messages are still to come because a client has subscribed.
    pub(super) fn awaits_retained(&self, client: usize) -> bool {
        let owed = &self.sessions[&client].owed;
        owed.iter()
            .any(|owed| owed.is_old && owed.seen_on.is_none())
    }
}

impl Session {
    fn has_expired(&self, now: u64) -> bool {
        let expires_at = self.left_at.zip(self.expiry);
        expires_at.is_some_and(|(left_at, expiry)| now >= left_at + u64::from(expiry))
    }

    /// The QoS and the retain flag that `message` has for the session.
    fn wants(&self, client: usize, message: &Message) -> Option<(u8, bool)> {
        let is_own = client == message.publisher;
        let subscriptions = self.subscriptions.iter();
        let matching: Vec<_> = subscriptions
            .filter(|(filter, _)| matches(filter, &message.topic))
            .map(|(_, subscription)| subscription)
            .filter(|subscription| !(is_own && subscription.no_local))
            .collect();
        let granted = matching.iter().map(|subscription| subscription.qos).max()?;
        let keeps_flag = matching
            .iter()
            .any(|subscription| subscription.retain_as_published);
        Some((message.qos.min(granted), message.retain && keeps_flag))
    }

    fn owe(&mut self, message: &Message, qos: u8, retain: bool, is_old: bool) -> &mut Owed {
        self.owed.push(Owed {
            message: message.clone(),
            qos,
            retain,
            is_old,
            must: true,
            seen_on: None,
            published_on: self.left_at.is_none().then_some(self.connection),
            settled_after: None,
        });
        self.owed.last_mut().expect("it was added")
    }

    fn deliver(&mut self, got: &Got<'_>, restarts: u64) {
        let alike = self.owed.iter_mut().filter(|owed| {
            let message = &owed.message;
            (&*message.topic, &*message.payload, owed.qos, owed.retain)
                == (got.topic, got.payload, got.qos, got.retain)
        });
        let (seen, fresh): (Vec<_>, Vec<_>) = alike.partition(|owed| owed.seen_on.is_some());
        let fresh = fresh.into_iter().next();
        let again = seen.into_iter().find(|owed| {
            let may_be_lost = owed.settled_after.is_none_or(|after| after < restarts);
            got.qos == 1 && got.dup && may_be_lost && owed.seen_on < Some(self.connection)
        });
        // Nothing that comes again is left when a client subscribes once more.
        let is_old = fresh.as_ref().is_some_and(|owed| owed.is_old);
        if let Some(owed) = again
            && !is_old
        {
            owed.seen_on = Some(self.connection);
            return;
        }
        let Some(owed) = fresh else {
            panic!("{got:?} is not owed");
        };
        owed.seen_on = Some(self.connection);
        let may_be_dup = self.is_in_doubt || owed.published_on != Some(self.connection);
        assert!(!got.dup || may_be_dup, "{got:?} was not sent before");
        // Empty messages look alike.
        if !owed.is_old && !got.payload.is_empty() {
            let stream = (owed.message.publisher, owed.qos);
            let last = self.last.entry(stream).or_default();
            assert!(*last <= owed.message.number, "{got:?} comes behind {last}");
            *last = owed.message.number;
        }
    }
}

/// Whether a filter matches a topic (MQTT 5, 4.7).
fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}
