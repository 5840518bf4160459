//! Greengrass discovery: a thing asks over mutual TLS where its core is.
//!
//! A thing learns this if its certificate is known here, is attached to the thing that it asks
//! about, and has a policy that allows `greengrass:Discover`; a policy of a group of things does
//! not count, as with AWS.

mod authorities;
mod group;
mod pace;

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use hyper::StatusCode;
use perennial_certs::{
    Action, Connection, Identity, Permissions, Registry, Scope, Thing, ThingName,
};
use tokio::time::Instant;

use self::{authorities::from_file, group::Group, pace::Pace};
use super::Caller;
use crate::{
    audit::Why,
    config::{AccessConfig, DiscoveryConfig, Model},
};

pub use self::authorities::AuthorityError;

/// What the name of a thing follows in the path of a request.
pub(super) const PATH: &str = "/greengrass/discover/thing/";

/// Tells things where their core is.
#[derive(Debug)]
pub(crate) struct Discovery {
    group: Group,
    scope: Scope,
    model: Model,
    pace: Pace,
    /// Where devices find MQTT.
    listener: OnceLock<SocketAddr>,
}

/// Why somebody is told nothing.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// What is written down, unless the request makes no sense or there is nothing to tell.
    pub(super) why: Option<Why>,
    /// The thing that asks, as far as it is known.
    pub(super) thing: Option<Arc<Thing>>,
}

impl Discovery {
    /// Discovery by its configuration and the one of identities.
    ///
    /// # Errors
    /// The authorities of a core cannot be read.
    pub(crate) fn new(
        config: DiscoveryConfig,
        access: &AccessConfig,
    ) -> Result<Discovery, AuthorityError> {
        let scope = Scope {
            region: access.region.clone(),
            account: access.account.clone(),
        };
        // A certificate from elsewhere is trusted by those who trust its chain's end.
        let mut authorities = match &access.certificate {
            Some((chain, _)) => from_file(chain)?,
            None => Vec::new(),
        };
        authorities.retain(|one| one.certificate.is_authority());
        Ok(Discovery {
            group: Group::new(config, &scope, authorities)?,
            scope,
            model: access.model,
            pace: Pace::default(),
            listener: OnceLock::new(),
        })
    }

    /// Says where MQTT is served to devices; the first word counts.
    pub(crate) fn open(&self, listener: SocketAddr) {
        self.listener.get_or_init(|| listener);
    }

    /// What `caller` is told who asks about the thing named `asked`, as it stands in the path.
    pub(super) fn answer(
        &self,
        asked: &str,
        caller: &Caller,
        registry: &Registry,
    ) -> Result<Vec<u8>, Refusal> {
        let name = decoded(asked).and_then(|name| name.parse::<ThingName>().ok());
        let name = name.ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST))?;
        let identity = match &caller.certificate {
            Some(certificate) => registry.by_certificate(certificate),
            None => return Err(Refusal::unauthorized(Why::NoIdentity)),
        };
        let identity = identity.map_err(|refusal| Refusal::unauthorized(Why::from(&refusal)))?;

        let forbidden = |why, thing: Option<&Arc<Thing>>| Refusal {
            why: Some(why),
            thing: thing.cloned(),
            ..Refusal::new(StatusCode::FORBIDDEN)
        };
        let mut things = identity.things.iter();
        let thing = things.find(|thing| thing.name == name);
        let thing = thing.ok_or_else(|| forbidden(Why::OtherThing, identity.things.first()))?;
        if !self.pace.admits(&name, Instant::now()) {
            return Err(Refusal {
                status: StatusCode::TOO_MANY_REQUESTS,
                ..forbidden(Why::Rate, Some(thing))
            });
        }
        if !self.allows(&identity, thing, caller, registry) {
            return Err(forbidden(Why::Policy, Some(thing)));
        }
        let listener = self.listener.get().copied();
        let document = self.group.document(listener, registry.authority());
        document.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND))
    }

    fn allows(
        &self,
        identity: &Identity,
        thing: &Arc<Thing>,
        caller: &Caller,
        registry: &Registry,
    ) -> bool {
        if self.model == Model::Subscriptions {
            // A Greengrass V1 group has no policies: whoever is in it may find its core.
            return true;
        }
        let policies = registry.policies_of(identity, Some(thing), false);
        let connection = Connection {
            source_ip: caller.peer.ip(),
            thing: Some(thing),
            certificate: caller.certificate.as_deref(),
            ..Connection::default()
        };
        let permissions = Permissions::new(&policies, &connection, &self.scope);
        permissions.allows(Action::Discover, thing.name.as_str())
    }
}

impl Refusal {
    fn new(status: StatusCode) -> Refusal {
        Refusal {
            status,
            why: None,
            thing: None,
        }
    }

    fn unauthorized(why: Why) -> Refusal {
        Refusal {
            why: Some(why),
            ..Refusal::new(StatusCode::UNAUTHORIZED)
        }
    }
}

/// A part of a path without its percent-encoding, which must be right.
fn decoded(part: &str) -> Option<String> {
    let mut pieces = part.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_a_path_is_decoded_once_or_not_at_all() {
        for (part, wanted) in [
            ("sensor-1", Some("sensor-1")),
            ("line%3A1", Some("line:1")),
            ("%2e%2E", Some("..")),
            ("%252e", Some("%2e")),
            ("a%00", Some("a\0")),
            ("", Some("")),
            ("a%", None),
            ("a%2", None),
            ("a%+1", None),
            ("a%zz", None),
            ("%ff", None),
            ("%é", None),
        ] {
            assert_eq!(decoded(part).as_deref(), wanted, "{part}");
        }
    }
}
