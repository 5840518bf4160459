//! Who clients are and what they may do: the hooks of a gateway that has an access directory.
//!
//! - A client is who its certificate says, else its user name and password, else the signature
//!   of its request; else it is the listener's anonymous client, if there is one.
//! - What it may do is decided by the latest reading of the directory, once per client and
//!   reading, and remembered with the client.
//! - What passes here goes on to the ingest.

mod connect;
mod fingerprint;
mod opened;
mod principals;
mod reading;
mod server;
mod standing;
mod table;
#[cfg(test)]
mod tests;
mod turns;
mod upkeep;

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use perennial_broker::{
    Answer, Client, Connecting, Hooks, Intakes, Peer, Principal, Reason, Upgrade,
};
use perennial_certs::{Action, ClientIdRule, Registry, Scope};
use perennial_rules::{TopicFilter, TopicName};

pub use self::reading::AccessError;
pub(crate) use self::{
    opened::Opened,
    upkeep::{Figures, Upkeep},
};
use self::{
    principals::{Admitted, Bearing, Who},
    reading::Reader,
    standing::{Rights, Standing},
    turns::Turns,
};
use crate::{
    audit::{Audit, Refused},
    config::{AccessConfig, ListenerSettings, Model},
    ingest::Ingest,
};

/// Decides for the broker: who comes in, and what it may do.
pub(crate) struct Access {
    ingest: Arc<Ingest>,
    audit: Arc<Audit>,
    rule: ClientIdRule,
    model: Model,
    scope: Scope,
    latest: RwLock<Reading>,
    /// The number of the latest reading.
    number: AtomicU64,
    /// Whose password is checked: each takes a processor for a while, and others have to go on
    /// meanwhile.
    passwords: Arc<Turns>,
}

/// A reading of the access directory.
#[derive(Clone)]
struct Reading {
    registry: Arc<Registry>,
    number: u64,
}

/// Reads what a gateway with this configuration would read.
///
/// # Errors
/// Everything that is wrong.
pub fn check(config: &AccessConfig, listeners: &[ListenerSettings]) -> Result<(), AccessError> {
    Reader::new(config, listeners).check()
}

impl Access {
    /// Decides by `registry` as `config` says, and hands what passes to `ingest`.
    pub(crate) fn new(
        config: &AccessConfig,
        registry: Arc<Registry>,
        ingest: Arc<Ingest>,
        audit: Arc<Audit>,
    ) -> Access {
        let number = 0;
        table::warn_of_strangers(&registry, &ingest);
        Access {
            ingest,
            audit,
            rule: config.client_id,
            model: config.model,
            scope: Scope {
                region: config.region.clone(),
                account: config.account.clone(),
            },
            latest: RwLock::new(Reading { registry, number }),
            number: AtomicU64::new(number),
            passwords: Arc::default(),
        }
    }

    /// The latest reading of the access directory.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.reading().registry
    }

    /// Where refusals are counted and written down.
    pub(crate) fn audit(&self) -> &Arc<Audit> {
        &self.audit
    }

    /// Decides by `registry` from here on; what the broker remembers of earlier answers it has
    /// to be told to forget.
    pub(crate) fn replace(&self, registry: Arc<Registry>) {
        table::warn_of_strangers(&registry, &self.ingest);
        let mut latest = self.latest.write().unwrap_or_else(PoisonError::into_inner);
        latest.registry = registry;
        latest.number += 1;
        self.number.store(latest.number, Ordering::Release);
    }

    fn reading(&self) -> Reading {
        let latest = self.latest.read();
        latest.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What `client` may do by the latest reading.
    fn standing(&self, client: &Client) -> Arc<Standing> {
        match admitted(client) {
            Some(admitted) => admitted.standing(self, client),
            None => {
                let (reading, bearing) = (self.reading(), Bearing::default());
                Arc::new(Standing::new(self, &reading, Who::Absent, client, bearing))
            }
        }
    }

    /// Whether a message may be kept for `client`, who has been away since an earlier run. By
    /// policies that is decided when it is back; by the table it is up to the publisher, too, who
    /// is forgotten then.
    fn may_wait_for(&self, client: &Client, topic: &TopicName, publisher: Option<&Client>) -> bool {
        if self.model == Model::Policies {
            return true;
        }
        match self.standing(client).rights {
            Rights::Table(_) => self.deliver_by_table(client, topic, publisher),
            // Nobody knows yet who it is: a client of this machine may do everything.
            _ => true,
        }
    }

    /// Counts and writes down that `client` may not do something.
    fn refuse(
        &self,
        client: &Client,
        standing: &Standing,
        action: Action,
        resource: &str,
    ) -> Reason {
        self.audit.refused(&Refused {
            action,
            resource,
            client: &client.id,
            principal: &standing.who,
            thing: standing.thing_name(),
            peer: client.peer,
            reason: standing.reason(),
        });
        Reason::NotAuthorized
    }
}

impl Hooks for Access {
    fn upgrade(&self, request: &Upgrade<'_>) -> Result<Option<Arc<dyn Principal>>, String> {
        self.identify_by_request(request)
    }

    fn connect<'a>(
        &'a self,
        connecting: Connecting<'a>,
    ) -> Answer<'a, Result<Option<Arc<dyn Principal>>, Reason>> {
        Box::pin(self.admit(connecting))
    }

    fn stays(&self, client: &Client) -> bool {
        let standing = self.standing(client);
        // What it may do is decided once for a reading, and a certificate can end in between.
        !matches!(standing.rights, Rights::Nothing(_)) && !standing.is_untimely()
    }

    fn publish(&self, client: &Client, topic: &TopicName) -> Result<Intakes, Reason> {
        let standing = self.standing(client);
        let may = match &standing.rights {
            Rights::Everything => true,
            Rights::Policies(permissions) => permissions.allows(Action::Publish, topic),
            Rights::Table(table) => {
                return self.publish_by_table(client, &standing, table, topic);
            }
            Rights::Nothing(_) => false,
        };
        if !may {
            return Err(self.refuse(client, &standing, Action::Publish, topic));
        }
        Ok(self.ingest.intakes(topic, |_| true))
    }

    fn retain(&self, client: &Client, topic: &TopicName) -> Result<(), Reason> {
        let standing = self.standing(client);
        let may = match &standing.rights {
            Rights::Everything => true,
            Rights::Policies(permissions) => permissions.allows(Action::RetainPublish, topic),
            Rights::Table(table) => table.may_publish(standing.party(), topic),
            Rights::Nothing(_) => false,
        };
        if !may {
            return Err(self.refuse(client, &standing, Action::RetainPublish, topic));
        }
        Ok(())
    }

    fn subscribe(&self, client: &Client, filter: &TopicFilter) -> Result<(), Reason> {
        let standing = self.standing(client);
        let filter = filter.as_str();
        match &standing.rights {
            // By the table delivery decides, as on a Greengrass V1 core.
            Rights::Everything | Rights::Table(_) => Ok(()),
            Rights::Policies(permissions) if permissions.allows(Action::Subscribe, filter) => {
                Ok(())
            }
            Rights::Policies(_) | Rights::Nothing(_) => {
                Err(self.refuse(client, &standing, Action::Subscribe, filter))
            }
        }
    }

    fn deliver(&self, client: &Client, topic: &TopicName, publisher: Option<&Client>) -> bool {
        let Some(admitted) = admitted(client) else {
            return client.peer == Peer::Away && self.may_wait_for(client, topic, publisher);
        };
        let standing = admitted.standing(self, client);
        let may = match &standing.rights {
            Rights::Everything => true,
            Rights::Policies(permissions) => permissions.allows(Action::Receive, topic),
            Rights::Table(_) => self.deliver_by_table(client, topic, publisher),
            Rights::Nothing(_) => false,
        };
        if !may {
            self.audit.count(Action::Receive, standing.reason());
        }
        may
    }
}

fn admitted(client: &Client) -> Option<&Admitted> {
    client.principal.as_ref()?.downcast_ref()
}
