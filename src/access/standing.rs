//! What a client may do by one reading of the access directory.

use std::sync::Arc;

use perennial_broker::Client;
use perennial_certs::{
    self as certs, Action, CertificateStatus, Connection, Identity, Party, Permissions, Policy,
    SubscriptionTable, Thing,
};

use super::{
    Access, Reading,
    principals::{Anonymous, Bearing, Who},
};
use crate::{audit::Why, clock, config::Model};

/// What a client may do by one reading.
#[derive(Debug)]
pub(super) struct Standing {
    /// The number of the reading.
    pub(super) number: u64,
    pub(super) who: Who,
    /// The thing that it is.
    pub(super) thing: Option<Arc<Thing>>,
    pub(super) rights: Rights,
}

/// What a client may do.
#[derive(Debug)]
pub(super) enum Rights {
    /// All that there is.
    Everything,
    /// What its policies say.
    Policies(Permissions),
    /// What the subscription table says about its thing.
    Table(Arc<SubscriptionTable>),
    /// It may not be connected, for this reason.
    Nothing(Why),
}

type Decided = Result<(Option<Arc<Thing>>, Rights), Why>;

impl Standing {
    /// What `who` may do, who connects as `client`.
    pub(super) fn new(
        access: &Access,
        reading: &Reading,
        who: Who,
        client: &Client,
        bearing: Bearing,
    ) -> Standing {
        let decided = match &who {
            Who::Known(identity) => of_known(identity, access, reading, client, bearing),
            Who::Anonymous(anonymous) => of_anonymous(anonymous, access, reading, client, bearing),
            Who::Absent => of_absent(access, reading, client),
        };
        Standing::decided(reading, who, decided)
    }

    /// What the same client may do by another reading.
    pub(super) fn renewed(
        &self,
        access: &Access,
        reading: &Reading,
        client: &Client,
        bearing: Bearing,
    ) -> Standing {
        let mut who = self.who.clone();
        if let Who::Known(identity) = &mut who {
            match reading.registry.renew(identity) {
                Ok(renewed) => *identity = renewed,
                Err(refusal) => return Standing::decided(reading, who, Err(Why::from(&refusal))),
            }
        }
        Standing::new(access, reading, who, client, bearing)
    }

    fn decided(reading: &Reading, who: Who, decided: Decided) -> Standing {
        let (thing, rights) = decided.unwrap_or_else(|why| (None, Rights::Nothing(why)));
        Standing {
            number: reading.number,
            who,
            thing,
            rights,
        }
    }

    /// Whether the certificate that it was shown is not valid at this time.
    pub(super) fn is_untimely(&self) -> bool {
        match &self.who {
            Who::Known(identity) => identity.is_untimely(clock::unix_millis() / 1_000),
            Who::Anonymous(_) | Who::Absent => false,
        }
    }

    /// The name of the thing that it is.
    pub(super) fn thing_name(&self) -> Option<&str> {
        self.thing.as_ref().map(|thing| thing.name.as_str())
    }

    /// Who it is in a subscription table.
    pub(super) fn party(&self) -> Party<'_> {
        Party::Thing(self.thing_name().unwrap_or_default())
    }

    /// Why it may not do what it may not do.
    pub(super) fn reason(&self) -> Why {
        match self.rights {
            Rights::Everything | Rights::Policies(_) => Why::Policy,
            Rights::Table(_) => Why::Subscriptions,
            Rights::Nothing(why) => why,
        }
    }
}

fn of_known(
    identity: &Identity,
    access: &Access,
    reading: &Reading,
    client: &Client,
    bearing: Bearing,
) -> Decided {
    let thing = identity.thing(&client.id, access.rule);
    let thing = thing.map_err(|refusal| Why::from(&refusal))?;
    if access.model == Model::Subscriptions {
        // As on a Greengrass V1 core, where devices of the group come in and nobody else.
        let thing = thing.ok_or(Why::Subscriptions)?;
        return Ok((Some(Arc::clone(thing)), by_table(reading)));
    }
    let certificate = match &identity.principal {
        certs::Principal::Certificate(certificate) => Some(&**certificate),
        certs::Principal::User(_) | certs::Principal::AccessKey(_) => None,
    };
    let policies = reading
        .registry
        .policies_of(identity, thing.map(|thing| &**thing), true);
    let connection = Connection {
        thing: thing.map(|thing| &**thing),
        certificate,
        ..connection(client, bearing)
    };
    let rights = connected(&policies, &connection, access)?;
    Ok((thing.cloned(), rights))
}

fn of_anonymous(
    anonymous: &Anonymous,
    access: &Access,
    reading: &Reading,
    client: &Client,
    bearing: Bearing,
) -> Decided {
    let Some(names) = &anonymous.policies else {
        return Ok((None, Rights::Everything));
    };
    let policies = names.iter();
    let policies = policies.filter_map(|name| reading.registry.policy(name).cloned());
    let policies: Vec<_> = policies.collect();
    let rights = connected(&policies, &connection(client, bearing), access)?;
    Ok((None, rights))
}

/// What a client may do whose will was left by an earlier run. Who it was is not known any
/// more: it has the policies of the thing with its name and of that thing's certificates.
fn of_absent(access: &Access, reading: &Reading, client: &Client) -> Decided {
    let registry = &reading.registry;
    let thing = registry
        .thing(&client.id)
        .filter(|thing| !thing.is_disabled)
        .ok_or(Why::NoIdentity)?;
    if access.model == Model::Subscriptions {
        return Ok((Some(Arc::clone(thing)), by_table(reading)));
    }
    let mut identity = registry.supposed(thing, None);
    for certificate in &thing.certificates {
        if certificate.status == CertificateStatus::Active {
            let supposed = registry.supposed(thing, Some(certificate));
            identity.policies.extend(supposed.policies);
        }
    }
    let policies = registry.policies_of(&identity, Some(thing), true);
    let connection = Connection {
        thing: Some(thing),
        ..connection(client, Bearing::default())
    };
    let permissions = Permissions::new(&policies, &connection, &access.scope);
    Ok((Some(Arc::clone(thing)), Rights::Policies(permissions)))
}

/// What the table says, by which nothing flows without an entry.
fn by_table(reading: &Reading) -> Rights {
    Rights::Table(
        reading
            .registry
            .subscriptions()
            .cloned()
            .unwrap_or_default(),
    )
}

/// What the policies say, if they let the client connect.
fn connected(
    policies: &[Arc<Policy>],
    connection: &Connection<'_>,
    access: &Access,
) -> Result<Rights, Why> {
    let permissions = Permissions::new(policies, connection, &access.scope);
    let client_id = connection.client_id.unwrap_or_default();
    match permissions.allows(Action::Connect, client_id) {
        true => Ok(Rights::Policies(permissions)),
        false => Err(Why::Policy),
    }
}

fn connection(client: &Client, bearing: Bearing) -> Connection<'_> {
    Connection {
        client_id: Some(&client.id),
        source_ip: client.peer.ip(),
        thing: None,
        certificate: None,
        is_persistent: bearing.is_persistent,
        has_will: bearing.has_will,
    }
}
