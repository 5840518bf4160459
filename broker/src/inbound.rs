//! What one client publishes: from the packet to the store and the mailboxes.
//!
//! Publishes that were read together are handed over together: one transaction,
//! one ticket, one group of acknowledgements.

use std::{
    collections::HashMap,
    mem,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytestring::ByteString;
use perennial_rules::TopicName;

use crate::{
    acks::{Count, PendingAcks},
    codec::{Ack, AckKind, DecodeError, Publish, QoS, Reason},
    compat::Compat,
    core::Core,
    group::redistribute,
    hooks::{Client, Intakes, Message},
    mailbox::{Mailbox, Pressure},
    message::{Delivery, Queued, Run, Terms},
    router::Targets,
    store::{Store, StoreError, Ticket, Transaction},
    stored::key,
    will::Will,
};

/// Topics that a connection remembers its routes for.
const MAX_ROUTES: usize = 64;

/// What happens to messages on one topic.
pub(crate) struct Route {
    topic: TopicName,
    generation: u64,
    intakes: Intakes,
    /// Whether it is known that the client may have messages retained.
    retains: AtomicBool,
    targets: Targets,
}

/// What a publish and a will have in common.
struct Outline<'a> {
    topic: &'a [u8],
    qos: QoS,
    retain: bool,
    payload: &'a [u8],
    /// Bytes of payload and properties.
    size: usize,
}

/// A publish that the broker does not take.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NotTaken {
    /// It breaks the specification, which ends the connection.
    Invalid(DecodeError),
    /// It is refused; the text is for the log.
    Refused(Reason, &'static str),
}

/// The publishing side of a connection.
pub(crate) struct Inbound {
    client: Arc<Client>,
    /// The session that publishes.
    session: u64,
    compat: Compat,
    routes: HashMap<Box<[u8]>, Arc<Route>>,
    /// The route of the run that is being gathered.
    route: Option<Arc<Route>>,
    run: Option<Run>,
    /// Messages of the run that shared subscriptions give to one session each.
    shared: Vec<(Arc<Mailbox>, Terms, Range<u32>)>,
    /// Topics on which a retained message came or went.
    retained: Vec<TopicName>,
    /// What must be durable before the acknowledgements leave.
    pub(crate) records: Transaction,
    /// What mailboxes could not hold; it is dropped with their sessions and promises nothing.
    overflow: Transaction,
    acks: Vec<u8>,
    ack_count: Count,
    /// The time of the messages that are gathered, in milliseconds since the Unix epoch.
    now: u64,
    pressure: Pressure,
}

impl Inbound {
    pub(crate) fn new(client: Arc<Client>, session: u64, store: &Store) -> Inbound {
        Inbound {
            client,
            session,
            compat: Compat::None,
            routes: HashMap::new(),
            route: None,
            run: None,
            shared: Vec::new(),
            retained: Vec::new(),
            records: store.transaction(),
            overflow: store.transaction(),
            acks: Vec::new(),
            ack_count: Count::default(),
            now: 0,
            pressure: Pressure::Low,
        }
    }

    /// The publishing side of a connection on a listener with `compat`.
    pub(crate) fn on(self, compat: Compat) -> Inbound {
        Inbound { compat, ..self }
    }

    /// Takes a publish: what must be kept into the transaction, its message into the run.
    pub(crate) fn take(&mut self, publish: &Publish<'_>, core: &Core) -> Result<(), NotTaken> {
        let now = self.now(core);
        let outline = Outline {
            topic: publish.topic,
            qos: publish.qos,
            retain: publish.retain,
            payload: publish.payload,
            size: publish.payload.len() + publish.properties.len(),
        };
        self.pass(&outline, core, |run| run.push(publish, now))
    }

    /// Takes the message of `outline`, which `push` adds to a run.
    fn pass(
        &mut self,
        outline: &Outline<'_>,
        core: &Core,
        push: impl FnOnce(&mut Run),
    ) -> Result<(), NotTaken> {
        let mut route = self.route_of(outline.topic, core)?;
        if outline.retain && !route.retains.load(Ordering::Relaxed) {
            let what = "the client may not publish retained messages to the topic";
            let may = core.hooks.retain(&self.client, &route.topic);
            may.map_err(|reason| NotTaken::Refused(reason, what))?;
            route.retains.store(true, Ordering::Relaxed);
        }
        let is_kept = outline.retain && !outline.payload.is_empty();
        if is_kept && !core.retained.has_room(&route.topic, outline.size) {
            let what = "as many messages are retained as the configuration allows";
            return Err(NotTaken::Refused(Reason::QuotaExceeded, what));
        }
        if route.is_refused(outline.size, outline.qos, self.session) {
            let what = "the queue of a session is full";
            return Err(NotTaken::Refused(Reason::QuotaExceeded, what));
        }
        let message = Message {
            topic: &route.topic,
            payload: outline.payload,
            qos: outline.qos,
        };
        self.offer(&route, &message)
            .map_err(|reason| NotTaken::Refused(reason, "the message could not be taken"))?;
        if route.targets.is_empty() && !outline.retain {
            return Ok(());
        }
        let run = self
            .run
            .get_or_insert_with(|| Run::new(route.topic.clone(), self.session));
        push(run);
        if outline.retain {
            // Before the subscribers are looked up: who subscribes from here on finds it retained.
            core.retained.set(&run.last());
            if self.retained.last() != Some(&route.topic) {
                self.retained.push(route.topic.clone());
            }
            if route.generation != core.router.generation() {
                route = Arc::new(resolve(outline.topic, &self.client, self.compat, core)?);
                self.route = Some(Arc::clone(&route));
            }
        }
        self.keep(&route, core);
        Ok(())
    }

    /// Gives the last message of the run to sessions that keep it in the store, and chooses who
    /// gets it of those that share a subscription.
    fn keep(&mut self, route: &Route, core: &Core) {
        let Some(run) = &self.run else { return };
        let message = run.last();
        for target in &route.targets.sessions {
            if target.mailbox.is_durable()
                && let Some(terms) = target.terms(self.session)
                && terms.qos(&message) > QoS::AtMostOnce
            {
                target.mailbox.keep(&message, terms, &mut self.records);
            }
        }
        for group in &route.targets.groups {
            let (records, shared) = (&mut self.records, &mut self.shared);
            group.choose(
                message.topic,
                Some(&*self.client),
                core.hooks.as_ref(),
                |mailbox, terms| {
                    if mailbox.is_durable() && terms.qos(&message) > QoS::AtMostOnce {
                        mailbox.keep(&message, terms, records);
                    } else {
                        let end = run.len() as u32;
                        shared.push((Arc::clone(mailbox), terms.clone(), end - 1..end));
                    }
                },
            );
        }
    }

    /// Adds an acknowledgement behind what was taken so far.
    pub(crate) fn acknowledge(&mut self, kind: AckKind, packet_id: u16, reason: Reason) {
        Ack::encode(kind, packet_id, reason, self.client.version, &mut self.acks);
        self.ack_count.all += 1;
        self.ack_count.pubacks += usize::from(kind == AckKind::PubAck);
    }

    /// Lets `write` add another packet that waits for the disk.
    pub(crate) fn answer(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.acks);
        self.ack_count.all += 1;
    }

    /// Acknowledgements that have no place among the pending ones yet.
    pub(crate) fn open(&self) -> Count {
        self.ack_count
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.client.id
    }

    /// How full the subscribers' mailboxes were found since the last call.
    pub(crate) fn take_pressure(&mut self) -> Pressure {
        mem::take(&mut self.pressure)
    }

    /// Submits what was gathered; the acknowledgements wait in `acks` for the disk.
    pub(crate) fn submit(&mut self, core: &Core, acks: &mut PendingAcks) -> Result<(), StoreError> {
        let submitted = self.submit_transactions(core);
        let encoded = mem::take(&mut self.acks);
        let count = mem::take(&mut self.ack_count);
        // What the store refuses is never acknowledged, whatever is submitted later.
        let ticket = submitted?;
        if !encoded.is_empty() {
            acks.push(ticket, encoded, count);
        }
        Ok(())
    }

    /// Publishes a will on behalf of a client that is away.
    pub(crate) fn publish_will(mut self, will: &Will, core: &Core) {
        self.take_will(will, core);
        if self.submit_transactions(core).is_err() {
            tracing::error!(client = &*self.client.id, "a will was not stored");
        }
    }

    /// Takes a will as if the client published it, and forgets it in the store.
    pub(crate) fn take_will(&mut self, will: &Will, core: &Core) {
        let now = self.now(core);
        let outline = Outline {
            topic: will.topic.as_bytes(),
            qos: will.qos,
            retain: will.retain,
            payload: &will.payload,
            size: will.payload.len() + will.properties.len(),
        };
        let taken = self.pass(&outline, core, |run| run.push_will(will, now));
        if let Err(NotTaken::Refused(reason, what)) = taken {
            tracing::debug!(
                client = &*self.client.id,
                ?reason,
                what,
                "a will was not published"
            );
            core.counters.messages_refused.add(1);
        }
        // What one intake took stays taken when another refuses.
        self.records.delete(&key::will(&self.client.id));
    }

    /// Hands the gathered run to its subscribers.
    pub(crate) fn forward(&mut self, core: &Core) {
        let (Some(run), Some(route)) = (self.run.take(), &self.route) else {
            return;
        };
        let run = Arc::new(run);
        let pressure = push(&run, &route.targets, &mut self.overflow);
        self.pressure = self.pressure.max(pressure);
        for (mailbox, terms, range) in self.shared.drain(..) {
            let run = Arc::clone(&run);
            let delivery = Delivery {
                run,
                range,
                sequence: None,
                terms,
            };
            match mailbox.push_shared(delivery, &mut self.overflow) {
                Ok(pressure) => self.pressure = self.pressure.max(pressure),
                // It has ended since it was chosen.
                Err(delivery) => redistribute([delivery], core, &mut self.records),
            }
        }
        // What follows may be behind a change of the subscriptions.
        if route.generation != core.router.generation() {
            self.route = None;
        }
    }

    fn now(&mut self, core: &Core) -> u64 {
        if self.now == 0 {
            self.now = core.clock.now();
        }
        self.now
    }

    /// Offers a message to all that take records of it, up to the first that refuses.
    fn offer(&mut self, route: &Route, message: &Message<'_>) -> Result<(), Reason> {
        let mut intakes = route.intakes.iter();
        intakes.try_for_each(|intake| intake.take(&self.client, message, &mut self.records))
    }

    /// Hands over the run, submits both transactions and gives the ticket of the records.
    fn submit_transactions(&mut self, core: &Core) -> Result<Ticket, StoreError> {
        self.forward(core);
        self.now = 0;
        let store = &core.store;
        let ticket = if !self.retained.is_empty() {
            let topics = mem::take(&mut self.retained);
            core.retained
                .write(&topics, mem::take(&mut self.records), store)?
        } else if !self.records.is_empty() || !self.acks.is_empty() {
            // Also where nothing is to be written: a store that fails confirms nothing.
            store.submit(mem::take(&mut self.records))?
        } else {
            Ticket::DONE
        };
        if !self.overflow.is_empty() {
            store.submit(mem::take(&mut self.overflow))?;
        }
        Ok(ticket)
    }

    /// The route for `topic`; a change of topic hands over the run so far.
    fn route_of(&mut self, topic: &[u8], core: &Core) -> Result<Arc<Route>, NotTaken> {
        let generation = core.router.generation();
        if let Some(route) = &self.route
            && route.generation == generation
            && route.topic.as_bytes() == topic
        {
            return Ok(Arc::clone(route));
        }
        self.forward(core);
        let route = match self.routes.get(topic) {
            Some(route) if route.generation == generation => Arc::clone(route),
            _ => {
                let route = Arc::new(resolve(topic, &self.client, self.compat, core)?);
                if self.routes.len() >= MAX_ROUTES {
                    self.routes.clear();
                }
                self.routes.insert(topic.into(), Arc::clone(&route));
                route
            }
        };
        self.route = Some(Arc::clone(&route));
        Ok(route)
    }
}

impl Route {
    /// Whether a session has no room for a message of `size` bytes and says so.
    fn is_refused(&self, size: usize, qos: QoS, publisher: u64) -> bool {
        let Targets { sessions, groups } = &self.targets;
        qos > QoS::AtMostOnce
            && (groups.iter().any(|group| group.refuses(size))
                || sessions.iter().any(|target| {
                    let terms = target.terms(publisher);
                    terms.is_some_and(|terms| terms.granted > QoS::AtMostOnce)
                        && target.mailbox.refuses(size)
                }))
    }
}

/// Publishes a message of the gateway itself; it passes no rules.
///
/// When the ticket is durable, it is on disk for all whose sessions outlive their connections.
pub(crate) fn publish_internal(
    topic: TopicName,
    payload: &[u8],
    qos: QoS,
    core: &Core,
) -> Result<Ticket, StoreError> {
    let client = core.own_client();
    let targets = core.router.targets(&topic, &client, core.hooks.as_ref());
    if targets.is_empty() {
        return Ok(Ticket::DONE);
    }
    let route = Arc::new(Route {
        topic: topic.clone(),
        generation: core.router.generation(),
        intakes: Intakes::new(),
        retains: AtomicBool::new(false),
        targets,
    });
    let mut inbound = Inbound::new(client, 0, &core.store);
    let mut run = Run::new(topic, 0);
    run.push_plain(payload, qos);
    inbound.run = Some(run);
    inbound.keep(&route, core);
    inbound.route = Some(route);
    inbound.submit_transactions(core)
}

/// Publishes a message about the broker, which is retained until the next one on its topic.
pub(crate) fn publish_volatile(topic: TopicName, payload: &[u8], core: &Core) {
    core.retained.set_volatile(&Queued {
        topic: &topic,
        qos: QoS::AtMostOnce,
        retain: true,
        properties: &[],
        payload,
        expires_at: crate::message::NEVER,
    });
    if publish_internal(topic, payload, QoS::AtMostOnce, core).is_err() {
        tracing::debug!("a message about the broker could not be stored");
    }
}

fn push(run: &Arc<Run>, targets: &Targets, transaction: &mut Transaction) -> Pressure {
    let mut pressure = Pressure::Low;
    for target in &targets.sessions {
        let Some(terms) = target.terms(run.publisher) else {
            continue;
        };
        let delivery = Delivery {
            run: Arc::clone(run),
            range: 0..run.len() as u32,
            sequence: None,
            terms: terms.clone(),
        };
        pressure = pressure.max(target.mailbox.push(delivery, transaction));
    }
    pressure
}

fn resolve(topic: &[u8], client: &Client, compat: Compat, core: &Core) -> Result<Route, NotTaken> {
    // Before the subscriptions are read: a change meanwhile makes it stale.
    let generation = core.router.generation();
    let topic = topic_name(topic).map_err(NotTaken::Invalid)?;
    if !core.limits.take_topic(&topic) || !compat.takes_topic(&topic) {
        let what = "the topic is longer or deeper than the configuration allows";
        return Err(NotTaken::Refused(Reason::TopicNameInvalid, what));
    }
    if *topic == *"$SYS" || topic.starts_with("$SYS/") {
        let what = "the topic is the broker's own";
        return Err(NotTaken::Refused(Reason::NotAuthorized, what));
    }
    let intakes = core
        .hooks
        .publish(client, &topic)
        .map_err(|reason| NotTaken::Refused(reason, "the client may not publish to the topic"))?;
    let targets = core.router.targets(&topic, client, core.hooks.as_ref());
    Ok(Route {
        topic,
        generation,
        intakes,
        retains: AtomicBool::new(false),
        targets,
    })
}

/// The topic name of a publish.
fn topic_name(topic: &[u8]) -> Result<TopicName, DecodeError> {
    let text = std::str::from_utf8(topic)
        .ok()
        .filter(|text| !text.contains('\0'))
        .ok_or(DecodeError::malformed(
            "the topic is not UTF-8 or has U+0000",
        ))?;
    TopicName::parse(ByteString::from(text)).map_err(|_| DecodeError {
        reason: Reason::TopicNameInvalid,
        what: "the topic has a wildcard",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{codec::Version, peer::Peer, store};

    #[test]
    fn every_answer_that_waits_counts_whatever_it_answers() {
        let folder = tempfile::tempdir().unwrap();
        let store = store::tests::open(folder.path());
        let client = Client {
            id: "c".into(),
            user_name: None,
            peer: Peer::Unix,
            version: Version::V5,
            principal: None,
        };
        let mut inbound = Inbound::new(Arc::new(client), 1, &store);
        for kind in [
            AckKind::PubAck,
            AckKind::PubRec,
            AckKind::PubRel,
            AckKind::PubComp,
        ] {
            inbound.acknowledge(kind, 1, Reason::Success);
        }
        inbound.answer(|out| out.push(0));
        assert_eq!(inbound.open(), Count { all: 5, pubacks: 1 });
    }
}
