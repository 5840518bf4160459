//! What one client publishes: from the packet to the store and the mailboxes.
//!
//! Publishes that were read together are handed over together: one transaction,
//! one ticket, one group of acknowledgements.

use std::{collections::HashMap, sync::Arc};

use bytestring::ByteString;
use perennial_rules::TopicName;

use crate::{
    acks::{Count, PendingAcks},
    clock::unix_millis,
    codec::{Ack, AckKind, DecodeError, Publish, QoS, Reason},
    core::Core,
    hooks::{Client, Intake, Message},
    mailbox::Pressure,
    message::{Run, StoredWill},
    router::Target,
    store::{Store, StoreError, Ticket, Transaction},
};

/// Topics that a connection remembers its routes for.
const MAX_ROUTES: usize = 64;

/// What happens to messages on one topic.
pub(crate) struct Route {
    topic: TopicName,
    generation: u64,
    intakes: Vec<Arc<dyn Intake>>,
    targets: Vec<Target>,
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
    connection: u64,
    routes: HashMap<Box<[u8]>, Arc<Route>>,
    /// The route of the run that is being gathered.
    route: Option<Arc<Route>>,
    run: Option<Run>,
    /// What must be durable before the acknowledgements leave.
    records: Transaction,
    /// What mailboxes could not hold; it is dropped with their sessions and promises nothing.
    overflow: Transaction,
    acks: Vec<u8>,
    ack_count: Count,
    /// The time of the messages that are gathered, in milliseconds since the Unix epoch.
    now: u64,
    pressure: Pressure,
}

impl Inbound {
    pub(crate) fn new(client: Arc<Client>, connection: u64, store: &Store) -> Inbound {
        Inbound {
            client,
            connection,
            routes: HashMap::new(),
            route: None,
            run: None,
            records: store.transaction(),
            overflow: store.transaction(),
            acks: Vec::new(),
            ack_count: Count::default(),
            now: 0,
            pressure: Pressure::Low,
        }
    }

    /// Takes a publish: its records into the transaction, its message into the run.
    pub(crate) fn take(&mut self, publish: &Publish<'_>, core: &Core) -> Result<(), NotTaken> {
        let route = self.route_of(publish.topic, core)?;
        let message = Message {
            topic: &route.topic,
            payload: publish.payload,
            qos: publish.qos,
        };
        self.offer(&route, &message)
            .map_err(|reason| NotTaken::Refused(reason, "the message could not be taken"))?;
        if !route.targets.is_empty() {
            if self.now == 0 {
                self.now = unix_millis();
            }
            let run = self
                .run
                .get_or_insert_with(|| Run::new(route.topic.clone(), self.connection));
            run.push(publish, self.now);
        }
        Ok(())
    }

    /// Adds an acknowledgement behind what was taken so far.
    pub(crate) fn acknowledge(&mut self, kind: AckKind, packet_id: u16, reason: Reason) {
        Ack::encode(kind, packet_id, reason, self.client.version, &mut self.acks);
        self.ack_count.all += 1;
        self.ack_count.pubacks += usize::from(kind == AckKind::PubAck);
    }

    /// Acknowledgements that have no place among the pending ones yet.
    pub(crate) fn open(&self) -> Count {
        self.ack_count
    }

    /// How full the subscribers' mailboxes were found since the last call.
    pub(crate) fn take_pressure(&mut self) -> Pressure {
        std::mem::replace(&mut self.pressure, Pressure::Low)
    }

    /// Submits what was gathered; the acknowledgements wait in `acks` for the disk.
    pub(crate) fn submit(&mut self, core: &Core, acks: &mut PendingAcks) -> Result<(), StoreError> {
        self.forward(core);
        self.now = 0;
        let ticket = self.submit_transactions(core)?;
        if self.ack_count.all > 0 {
            let count = std::mem::take(&mut self.ack_count);
            acks.push(ticket, std::mem::take(&mut self.acks), count);
        }
        Ok(())
    }

    /// Publishes a will on behalf of the client.
    pub(crate) fn publish_will(&mut self, will: &StoredWill, core: &Core) {
        let Ok(route) = self.route_of(will.topic.as_bytes(), core) else {
            return;
        };
        let message = Message {
            topic: &route.topic,
            payload: &will.payload,
            qos: will.qos,
        };
        // What one intake took stays taken when another refuses.
        if self.offer(&route, &message).is_ok() {
            self.run
                .get_or_insert_with(|| Run::new(route.topic.clone(), self.connection))
                .push_will(will, unix_millis());
            self.forward(core);
        }
        if self.submit_transactions(core).is_err() {
            tracing::error!(client = %self.client.id, "a will was not stored");
        }
    }

    /// Hands the gathered run to its subscribers.
    pub(crate) fn forward(&mut self, core: &Core) {
        let (Some(run), Some(route)) = (self.run.take(), &self.route) else {
            return;
        };
        if push(run, &route.targets, &mut self.overflow) == Pressure::High {
            self.pressure = Pressure::High;
        }
        // What follows may be behind a change of the subscriptions.
        if route.generation != core.router.generation() {
            self.route = None;
        }
    }

    /// Offers a message to all that take records of it, up to the first that refuses.
    fn offer(&mut self, route: &Route, message: &Message<'_>) -> Result<(), Reason> {
        let mut intakes = route.intakes.iter();
        intakes.try_for_each(|intake| intake.take(&self.client, message, &mut self.records))
    }

    /// Submits both transactions and gives the ticket of the records.
    fn submit_transactions(&mut self, core: &Core) -> Result<Ticket, StoreError> {
        let ticket = submit(&mut self.records, core)?;
        submit(&mut self.overflow, core)?;
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
                let route = Arc::new(resolve(topic, generation, &self.client, core)?);
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

/// Publishes a message of the gateway itself; it passes no rules.
pub(crate) fn publish_internal(
    topic: TopicName,
    payload: &[u8],
    qos: QoS,
    core: &Core,
) -> Result<(), StoreError> {
    let targets = core.router.targets(&topic, core.hooks.as_ref());
    if targets.is_empty() {
        return Ok(());
    }
    let mut run = Run::new(topic, 0);
    run.push_plain(payload, qos);
    let mut overflow = core.store.transaction();
    push(run, &targets, &mut overflow);
    submit(&mut overflow, core)?;
    Ok(())
}

fn submit(transaction: &mut Transaction, core: &Core) -> Result<Ticket, StoreError> {
    if transaction.is_empty() {
        return Ok(Ticket::DONE);
    }
    core.store
        .submit(std::mem::replace(transaction, core.store.transaction()))
}

fn push(run: Run, targets: &[Target], transaction: &mut Transaction) -> Pressure {
    let run = Arc::new(run);
    let mut pressure = Pressure::Low;
    for target in targets {
        if target.no_local && target.mailbox.id == run.publisher {
            continue;
        }
        let found = target.mailbox.push(
            &run,
            target.granted,
            target.retain_as_published,
            transaction,
        );
        if found == Pressure::High {
            pressure = Pressure::High;
        }
    }
    pressure
}

fn resolve(topic: &[u8], generation: u64, client: &Client, core: &Core) -> Result<Route, NotTaken> {
    let topic = topic_name(topic).map_err(NotTaken::Invalid)?;
    let intakes = core
        .hooks
        .publish(client, &topic)
        .map_err(|reason| NotTaken::Refused(reason, "the client may not publish to the topic"))?;
    let targets = core.router.targets(&topic, core.hooks.as_ref());
    Ok(Route {
        topic,
        generation,
        intakes,
        targets,
    })
}

/// The topic name of a publish, which has no alias to stand in for it.
fn topic_name(topic: &[u8]) -> Result<TopicName, DecodeError> {
    if topic.is_empty() {
        return Err(DecodeError::protocol("the topic is empty"));
    }
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
