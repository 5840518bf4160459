//! A publish on its way from the broker into the queues.
//!
//! Rules say which connectors take messages on a topic; each connector's contract
//! reads the message, and its record joins the transaction that must be durable
//! before the message is acknowledged.

#[cfg(test)]
mod tests;

use std::{
    future::ready,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use perennial_broker::{
    Answer, Client, Connecting, Hooks, Intake, Intakes, Message, Principal, Publisher, QoS, Reason,
    store::{StoreError, Ticket, Transaction},
};
use perennial_connectors::{Accepted, Publish, RecordRef, Rejection, Status};
use perennial_rules::{FilterTrie, TopicFilter, TopicName};
use tokio::time::Instant;
use tracing::warn;

use crate::{
    clock,
    delivery::{Connector, Delivery, StatusSink},
    reminder::Reminder,
};

/// Knows who takes what is published.
pub(crate) struct Ingest {
    rules: FilterTrie<Arc<Intaker>>,
    intakers: Vec<Arc<Intaker>>,
}

impl Ingest {
    /// An ingest that takes records once it is [opened](Ingest::open).
    ///
    /// With each connector comes the name of its contract in the table of kinds.
    pub(crate) fn new(
        connectors: &[(Arc<Connector>, &'static str)],
        rules: &[(TopicFilter, usize)],
    ) -> Ingest {
        let intakers: Vec<_> = connectors
            .iter()
            .map(|(connector, contract)| {
                Arc::new(Intaker {
                    connector: Arc::clone(connector),
                    contract,
                    open: OnceLock::new(),
                    rejections: Mutex::default(),
                })
            })
            .collect();
        let mut trie = FilterTrie::default();
        for (filter, connector) in rules {
            trie.insert(filter, Arc::clone(&intakers[*connector]));
        }
        Ingest {
            rules: trie,
            intakers,
        }
    }

    /// Records go to `delivery` and statuses to `sink`; call it once, before anybody publishes.
    pub(crate) fn open(&self, delivery: &Arc<Delivery>, sink: &Arc<dyn StatusSink>) {
        for intaker in &self.intakers {
            intaker
                .open
                .get_or_init(|| (Arc::clone(delivery), Arc::clone(sink)));
        }
    }

    /// Those who take records of messages on `topic`, of connectors whose contract's name `takes`
    /// says yes to.
    pub(crate) fn intakes(
        &self,
        topic: &TopicName,
        takes: impl Fn(&'static str) -> bool,
    ) -> Vec<Arc<dyn Intake>> {
        let mut takers: Vec<Arc<Intaker>> = Vec::new();
        self.rules.visit(topic, |intaker| {
            // A connector takes a message once, however many of its rules match.
            let is_new = !takers.iter().any(|taker| Arc::ptr_eq(taker, intaker));
            if is_new && takes(intaker.contract) {
                takers.push(Arc::clone(intaker));
            }
        });
        let intakes = takers.into_iter().map(|taker| taker as Arc<dyn Intake>);
        intakes.collect()
    }

    /// The names of the connectors' contracts.
    pub(crate) fn contracts(&self) -> impl Iterator<Item = &'static str> {
        self.intakers.iter().map(|intaker| intaker.contract)
    }
}

/// What decides where there is no access directory: everybody may do everything.
impl Hooks for Ingest {
    fn connect<'a>(
        &'a self,
        connecting: Connecting<'a>,
    ) -> Answer<'a, Result<Option<Arc<dyn Principal>>, Reason>> {
        Box::pin(ready(Ok(connecting.client.principal.clone())))
    }

    fn publish(&self, _: &Client, topic: &TopicName) -> Result<Intakes, Reason> {
        Ok(self.intakes(topic, |_| true))
    }

    fn retain(&self, _: &Client, _: &TopicName) -> Result<(), Reason> {
        Ok(())
    }

    fn subscribe(&self, _: &Client, _: &TopicFilter) -> Result<(), Reason> {
        Ok(())
    }

    fn deliver(&self, _: &Client, _: &TopicName, _: Option<&Client>) -> bool {
        true
    }
}

/// Takes records for one connector.
struct Intaker {
    connector: Arc<Connector>,
    /// The name of its contract in the table of kinds.
    contract: &'static str,
    open: OnceLock<(Arc<Delivery>, Arc<dyn StatusSink>)>,
    /// What a person hears of publishes that become no record.
    rejections: Mutex<Reminder>,
}

impl Intake for Intaker {
    fn take(
        &self,
        client: &Client,
        message: &Message<'_>,
        transaction: &mut Transaction,
    ) -> Result<(), Reason> {
        let Some((delivery, sink)) = self.open.get() else {
            return Err(Reason::ServerUnavailable);
        };
        match self.append(client, message, (delivery, sink.as_ref()), transaction) {
            Ok(()) => Ok(()),
            Err(refusal) => self.refuse(&refusal, client, sink.as_ref(), transaction),
        }
    }
}

/// A publish that does not become a record.
struct Refusal {
    rejection: Rejection,
    /// What the publisher is told where the contract has no statuses.
    reason: Reason,
}

impl Intaker {
    fn append(
        &self,
        client: &Client,
        message: &Message<'_>,
        (delivery, sink): (&Delivery, &dyn StatusSink),
        transaction: &mut Transaction,
    ) -> Result<(), Refusal> {
        let Connector {
            contract, upstream, ..
        } = &*self.connector;
        let because = |reason| move |rejection| Refusal { rejection, reason };
        let Accepted {
            destination,
            id,
            payload,
        } = contract
            .accept(&Publish {
                topic: message.topic,
                payload: message.payload,
            })
            .map_err(because(Reason::PayloadFormatInvalid))?;
        let record = RecordRef {
            id: &id,
            topic: message.topic.as_str(),
            client_id: &client.id,
            time: clock::unix_millis(),
            payload: &payload,
        };
        let (size, limit) = (
            upstream.size(&destination, record),
            upstream.limits().record_bytes,
        );
        if size > limit {
            let rejection = Rejection::too_large(id, size, limit);
            return Err(because(Reason::PacketTooLarge)(rejection));
        }
        let lane = match delivery.lane(&self.connector, &destination) {
            Ok(lane) => lane,
            Err(rejection) => {
                let rejection = Rejection {
                    id: id.into_owned(),
                    ..rejection
                };
                return Err(because(Reason::QuotaExceeded)(rejection));
            }
        };
        let tell = |dropped: &str| {
            let rejection = Rejection::dropped(dropped, &destination, lane.queued());
            if let Some(status) = contract.rejected(&rejection) {
                sink.publish(status).ok();
            }
        };
        lane.append(transaction, &record, tell).map_err(|_| {
            let rejection = Rejection::queue_full(&*id, &destination, lane.queued());
            because(Reason::QuotaExceeded)(rejection)
        })
    }

    /// Counts a rejection; how many there were since the log heard of them, when it is to hear again.
    fn count_rejection(&self) -> Option<u64> {
        let mut rejections = self
            .rejections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        rejections.count(1, Instant::now())
    }

    /// Tells the device in its contract's words that its message was not taken.
    ///
    /// Its publish is acknowledged when the words are on disk. Where the contract has none for it,
    /// or nobody can be told them, the publish itself is refused, so that a device never takes for
    /// kept what is not.
    fn refuse(
        &self,
        refusal: &Refusal,
        client: &Client,
        sink: &dyn StatusSink,
        transaction: &mut Transaction,
    ) -> Result<(), Reason> {
        let Refusal { rejection, reason } = refusal;
        if let Some(rejections) = self.count_rejection() {
            warn!(
                connector = self.connector.name,
                client = &*client.id,
                code = rejection.code,
                rejection.message,
                rejections,
                "publishes are rejected; this is the latest of them"
            );
        }
        let told = self.connector.contract.rejected(rejection);
        let told = told.and_then(|status| sink.publish(status).ok());
        told.map(|ticket| transaction.follow(ticket)).ok_or(*reason)
    }
}

/// Publishes statuses to whoever is subscribed.
pub(crate) struct StatusPublisher(pub(crate) Publisher);

impl StatusSink for StatusPublisher {
    fn publish(&self, status: Status) -> Result<Ticket, StoreError> {
        self.0
            .publish(status.topic, &status.payload, QoS::AtLeastOnce)
            .inspect_err(|error| warn!(%error, "a status was not published"))
    }
}
