//! What a thing is told: its group, the cores in it, and whom it trusts.
//!
//! The keys are those that the SDKs read, not those of AWS's first example. Each entry has an
//! identifier of its own: some SDKs keep entries by it and lose all but one of the same.

use std::net::SocketAddr;

use perennial_certs::Scope;
use serde::Serialize;

use super::authorities::{Authority, AuthorityError, from_file, from_pem};
use crate::{
    addresses,
    config::{CoreConfig, DiscoveryConfig},
};

/// The group that all things of this gateway are in.
#[derive(Debug)]
pub(super) struct Group {
    id: Option<String>,
    own: Core,
    others: Vec<Core>,
    /// Those of the other cores, and of this one if its certificate is from elsewhere.
    authorities: Vec<Authority>,
}

#[derive(Debug)]
struct Core {
    arn: String,
    addresses: Vec<(String, u16)>,
}

impl Group {
    /// The group by its configuration; `authorities` are those of this core beside the gateway's
    /// own.
    ///
    /// # Errors
    /// The authorities of another core cannot be read.
    pub(super) fn new(
        config: DiscoveryConfig,
        scope: &Scope,
        mut authorities: Vec<Authority>,
    ) -> Result<Group, AuthorityError> {
        let DiscoveryConfig {
            group,
            core,
            addresses,
            cores,
        } = config;
        let mut others = Vec::new();
        for core in cores {
            let CoreConfig {
                name,
                addresses,
                authorities: file,
            } = core;
            authorities.extend(from_file(&file)?);
            let arn = thing_arn(scope, &name);
            others.push(Core { arn, addresses });
        }
        let name = core.unwrap_or_else(|| as_thing(&addresses::host_name()));
        Ok(Group {
            id: group,
            own: Core {
                arn: thing_arn(scope, &name),
                addresses,
            },
            others,
            authorities,
        })
    }

    /// What a thing is told as JSON, if there is a core that it can reach. This core is at
    /// `listener` where the configuration does not say, and trusted by `authority`, PEM.
    pub(super) fn document(
        &self,
        listener: Option<SocketAddr>,
        authority: Option<&str>,
    ) -> Option<Vec<u8>> {
        let own = authority.and_then(|pem| from_pem(pem.as_bytes()).ok());
        let own = own.unwrap_or_default();
        let mut number = 0;
        let mut cores = vec![self.own(listener, &mut number)];
        cores.extend(self.others.iter().map(|core| core.text(&mut number)));
        cores.retain(|core| !core.connectivity.is_empty());
        if cores.is_empty() {
            return None;
        }
        let mut authorities: Vec<&str> = Vec::new();
        for Authority { pem, .. } in own.iter().chain(&self.authorities) {
            if !authorities.contains(&pem.as_str()) {
                authorities.push(pem);
            }
        }
        let first = own.first().or(self.authorities.first());
        let id = self.id.clone().or(first.map(Authority::as_uuid));
        let document = Document {
            groups: [GroupText {
                id: id.unwrap_or_default(),
                cores,
                authorities,
            }],
        };
        // Texts and numbers: there is nothing in it that JSON has no words for.
        serde_json::to_vec(&document).ok()
    }

    /// This core, at the addresses of the configuration or those that are found.
    fn own(&self, listener: Option<SocketAddr>, number: &mut usize) -> CoreText<'_> {
        let mut core = self.own.text(number);
        if let (Some(listener), true) = (listener, core.connectivity.is_empty()) {
            let found = addresses::of_listener(listener.ip()).into_iter();
            let found = found.map(|address| Connectivity {
                id: next_id(&format!("AUTOIP_{address}"), number),
                host_address: address.to_string(),
                port_number: listener.port(),
                metadata: "",
            });
            core.connectivity = found.collect();
        }
        core
    }
}

impl Core {
    fn text(&self, number: &mut usize) -> CoreText<'_> {
        let addresses = self.addresses.iter();
        let connectivity = addresses.map(|(host, port)| Connectivity {
            id: next_id(host, number),
            host_address: host.clone(),
            port_number: *port,
            metadata: "",
        });
        CoreText {
            thing_arn: &self.arn,
            connectivity: connectivity.collect(),
        }
    }
}

/// An identifier of an entry that no other has.
fn next_id(what: &str, number: &mut usize) -> String {
    *number += 1;
    format!("{what}_{number}")
}

/// The ARN of a thing; where no region or account is known it has one that looks the part.
fn thing_arn(scope: &Scope, name: &str) -> String {
    let region = scope.region.as_deref().unwrap_or("us-east-1");
    let account = scope.account.as_deref().unwrap_or("000000000000");
    format!("arn:aws:iot:{region}:{account}:thing/{name}")
}

/// A host name as the name of a thing, which has no dots.
fn as_thing(host_name: &str) -> String {
    let fine = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | ':' | '_' | '-' => character,
        _ => '-',
    };
    host_name.chars().map(fine).take(128).collect()
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "GGGroups")]
    groups: [GroupText<'a>; 1],
}

#[derive(Serialize)]
struct GroupText<'a> {
    #[serde(rename = "GGGroupId")]
    id: String,
    #[serde(rename = "Cores")]
    cores: Vec<CoreText<'a>>,
    #[serde(rename = "CAs")]
    authorities: Vec<&'a str>,
}

#[derive(Serialize)]
struct CoreText<'a> {
    #[serde(rename = "thingArn")]
    thing_arn: &'a str,
    #[serde(rename = "Connectivity")]
    connectivity: Vec<Connectivity>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Connectivity {
    id: String,
    host_address: String,
    port_number: u16,
    metadata: &'static str,
}
