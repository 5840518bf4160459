//! The plain contract: a payload goes upstream as it came, and nobody hears of it.
//!
//! It is what a rule with a filter of its own uses.

use std::borrow::Cow;

use perennial_rules::TopicFilter;

use crate::{
    Accepted, Contract, ContractKind, DeliverySettings, Publish, Rejection, Report, Settings,
    Status,
    contracts::common::{
        DEFAULT_LINGER, DEFAULT_QUEUE_RECORDS, DROP_BEHAVIORS, LINGER, MEMORY_BYTES, QUEUE_RECORDS,
        batch_size, choice,
    },
};

/// The contract in the table of kinds.
pub(crate) const KIND: ContractKind = ContractKind {
    name: "plain",
    summary: "Any rule: the payload as it is to one destination, without a status",
    build: |settings| Some(Box::new(Plain::from_settings(settings)?)),
};

/// Raw payloads to one destination.
///
/// | parameter | default | |
/// |---|---|---|
/// | `destination` | needed | where the records go, in the words of the upstream |
/// | `publish_interval` | 1 s | how long a record waits for others, 0 to 900 s; 0 sends each on its own |
/// | `queue_size` | 1,000,000 | how many records wait on disk |
/// | `queue_drop_behavior` | `"drop_newest"` | what becomes of a record beyond them: `"drop_newest"` rejects it, `"drop_oldest"` drops the one that has waited longest |
/// | `batch_size` | what the upstream takes | how many records go in one request at most |
/// | `memory_size` | the connector's | bytes of records in memory |
struct Plain {
    destination: String,
    delivery: DeliverySettings,
}

impl Plain {
    fn from_settings(settings: &mut dyn Settings) -> Option<Self> {
        let destination = settings.text("destination");
        let linger = settings.duration("publish_interval", LINGER);
        let queue_records = settings.integer("queue_size", QUEUE_RECORDS);
        let when_full = choice(settings, "queue_drop_behavior", DROP_BEHAVIORS);
        let batch_records = batch_size(settings, "batch_size");
        let memory_bytes = settings.size("memory_size", MEMORY_BYTES);
        let Some(destination) = destination else {
            settings.missing("destination", r#"destination = "archive""#);
            return None;
        };
        if destination.trim().is_empty() || destination.contains(char::is_control) {
            settings.refuse(
                "destination",
                format!("found {destination:?}; a destination is a name such as \"archive\""),
            );
            return None;
        }
        let delivery = DeliverySettings::new(
            linger.unwrap_or(DEFAULT_LINGER),
            queue_records.unwrap_or(DEFAULT_QUEUE_RECORDS),
        );
        Some(Self {
            destination,
            delivery: DeliverySettings {
                batch_records,
                when_full: when_full.unwrap_or(delivery.when_full),
                memory_bytes,
                ..delivery
            },
        })
    }
}

impl Contract for Plain {
    fn filters(&self) -> Vec<TopicFilter> {
        Vec::new()
    }

    fn delivery(&self) -> DeliverySettings {
        self.delivery.clone()
    }

    fn default_destination(&self) -> Option<&str> {
        Some(&self.destination)
    }

    fn accept<'a>(&'a self, publish: &Publish<'a>) -> Result<Accepted<'a>, Rejection> {
        Ok(Accepted {
            destination: Cow::Borrowed(&self.destination),
            id: Cow::Borrowed(""),
            payload: Cow::Borrowed(publish.payload),
        })
    }

    fn rejected(&self, _: &Rejection) -> Option<Status> {
        None
    }

    fn settled(&self, _: &[Report<'_>]) -> Vec<Status> {
        Vec::new()
    }
}
