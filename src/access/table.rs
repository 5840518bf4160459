//! What things may do by the subscription table of a Greengrass V1 group.

use std::sync::Arc;

use perennial_broker::{Client, Intakes, Peer, Reason, Version};
use perennial_certs::{Action, Party, Registry, SubscriptionTable};
use perennial_rules::TopicName;
use tracing::warn;

use super::{
    Access, admitted,
    standing::{Rights, Standing},
};
use crate::ingest::Ingest;

/// Strangers that the log hears of.
const MAX_STRANGERS: usize = 20;

impl Access {
    /// Whether a thing may publish to `topic`, and which connectors get what it publishes there.
    pub(super) fn publish_by_table(
        &self,
        client: &Client,
        standing: &Standing,
        table: &SubscriptionTable,
        topic: &TopicName,
    ) -> Result<Intakes, Reason> {
        let source = standing.party();
        if !table.may_publish(source, topic) {
            let reason = self.refuse(client, standing, Action::Publish, topic);
            // A Greengrass V1 core takes what it has no entry for and gives it to nobody; below
            // MQTT 5 the only refusal would be to close the connection.
            return match client.version {
                Version::V5 => Err(reason),
                _ => Ok(Intakes::new()),
            };
        }
        Ok(self.ingest.intakes(topic, |contract| {
            table.permits(source, topic, connector(contract))
        }))
    }

    /// Whether `client` gets what `publisher` publishes to `topic`.
    pub(super) fn deliver_by_table(
        &self,
        client: &Client,
        topic: &TopicName,
        publisher: Option<&Client>,
    ) -> bool {
        let (target, source) = self.by_one_reading(client, publisher);
        let Rights::Table(table) = &target.rights else {
            return false;
        };
        let target = target.party();
        let Some(publisher) = publisher else {
            // Who has published it is forgotten, so anybody may have.
            return table.may_receive(topic, target);
        };
        if let Some(source) = source {
            return match &source.rights {
                Rights::Table(_) => table.permits(source.party(), topic, target),
                Rights::Everything | Rights::Policies(_) => true,
                Rights::Nothing(_) => false,
            };
        }
        if publisher.id.is_empty() && publisher.peer == Peer::Away {
            // The gateway speaks for its connectors, too.
            let mut contracts = self.ingest.contracts();
            return table.permits(Party::Gateway, topic, target)
                || contracts.any(|contract| table.permits(connector(contract), topic, target));
        }
        // The will of a thing that has been away since an earlier run.
        table.permits(Party::Thing(&publisher.id), topic, target)
    }

    /// What `client` and who publishes to it may do by the same reading.
    fn by_one_reading(
        &self,
        client: &Client,
        publisher: Option<&Client>,
    ) -> (Arc<Standing>, Option<Arc<Standing>>) {
        let source = publisher.and_then(|publisher| Some((admitted(publisher)?, publisher)));
        loop {
            let target = self.standing(client);
            let source = source.map(|(source, publisher)| source.standing(self, publisher));
            if source
                .as_ref()
                .is_none_or(|source| source.number == target.number)
            {
                return (target, source);
            }
        }
    }
}

/// Says which entries are about things or connectors that are not here.
pub(super) fn warn_of_strangers(registry: &Registry, ingest: &Ingest) {
    let Some(table) = registry.subscriptions() else {
        return;
    };
    let is_known = |party: Party<'_>| match party {
        Party::Thing(name) => registry.thing(name).is_some(),
        Party::Connector(_) => ingest.contracts().any(|kind| connector(kind) == party),
        // A program of this machine, which nothing is known about, and what is always here.
        Party::Lambda(_) | Party::Gateway => true,
    };
    for (party, entry) in table.strangers(is_known).take(MAX_STRANGERS) {
        warn!(
            entry,
            %party,
            "the subscription table names what is not here"
        );
    }
}

/// Who a contract's connector is in the table: V1 had connectors of these kinds, and what goes
/// elsewhere went to the cloud there.
fn connector(contract: &str) -> Party<'_> {
    match contract {
        "firehose" | "iot-analytics" => Party::Connector(contract),
        _ => Party::Gateway,
    }
}
