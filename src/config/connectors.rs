//! Connectors: a contract and an upstream from the tables, and how they are joined.

use std::{path::PathBuf, time::Duration};

use perennial_connectors::{CONTRACTS, Contract, Settings, UPSTREAMS, Upstream};

use crate::delivery::{ConnectorSettings, MaxRate, Retry};

use super::{
    ConnectorConfig,
    problems::quoted,
    section::{Section, excerpt},
};

const MAX_NAME: usize = 64;

/// The connectors of a file, right or wrong.
#[derive(Default)]
pub(super) struct Connectors(Vec<Written>);

/// A `[[connector]]`. A wrong one keeps its name, so that a rule for it is not called wrong too.
pub(super) struct Written {
    /// The byte that it begins at.
    pub(super) at: usize,
    pub(super) name: Option<String>,
    /// `None` when a problem was found in it.
    pub(super) config: Option<ConnectorConfig>,
}

impl Connectors {
    /// Reads every `[[connector]]`.
    pub(super) fn read(root: &mut Section<'_>) -> Self {
        let mut connectors = Self::default();
        for mut section in root.tables("connector") {
            let written = connectors.connector(&mut section);
            connectors.0.push(written);
            section.finish();
        }
        connectors
    }

    /// The connectors in the order of the file.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Written> {
        self.0.iter()
    }

    /// The connectors that nothing is wrong with.
    pub(super) fn into_configs(self) -> Vec<ConnectorConfig> {
        let configs = self.0.into_iter().map(|written| written.config);
        configs.flatten().collect()
    }

    fn connector(&self, section: &mut Section<'_>) -> Written {
        let name = self.name(section);
        let contract = contract(section);
        let region = contract
            .as_ref()
            .and_then(|contract| contract.built.publish_region());
        let upstream = self.upstream(section, region);
        let delivery = delivery(section);
        if let (Some(contract), Some(upstream)) = (&contract, &upstream)
            && let Some(destination) = contract.built.default_destination()
            && let Err(problem) = upstream.built.check(destination)
        {
            let problem = format!("it cannot send where the contract does: {problem}");
            section.refuse("upstream", problem);
        }
        Written {
            at: section.place(),
            name: name.clone(),
            config: config(name, contract, upstream, delivery),
        }
    }

    /// The name, where there is one that a rule can mean.
    fn name(&self, section: &mut Section<'_>) -> Option<String> {
        let name = section.text("name");
        section.missing("name", "name = \"firehose\"");
        let name = name?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if !(1..=MAX_NAME).contains(&name.len()) || !name.bytes().all(allowed) {
            let found = excerpt(&name);
            let problem =
                format!("a name has 1 to 64 letters, digits, '-' and '_', found {found:?}");
            section.refuse("name", problem);
            return None;
        }
        if self
            .iter()
            .any(|other| other.name.as_deref() == Some(&name))
        {
            let problem = format!("a connector above is called \"{name}\"; each has its own name");
            section.refuse("name", problem);
            return None;
        }
        Some(name)
    }

    /// The upstream, in the `region` that the contract's parameters name.
    fn upstream(
        &self,
        section: &mut Section<'_>,
        region: Option<&str>,
    ) -> Option<Built<Box<dyn Upstream>>> {
        let mut parameters = section.table("upstream_parameters");
        if let Some(region) = region {
            parameters.supply("region", region);
        }
        let kinds = UPSTREAMS.iter().map(|kind| (kind.name, kind));
        let kind = kind(section, "upstream", "upstream = \"file\"", kinds)?;
        let built = kind.build(&mut parameters);

        if let (Some(region), Some(written)) = (region, parameters.text_of("region"))
            && written != region
        {
            let problem = format!(
                "it is {written:?}, and the region among the contract's parameters is {region:?}; one is enough"
            );
            parameters.refuse("region", problem);
        }

        // Two that write to one place would undo each other's lines.
        let path = parameters.path_of("path");
        let same = |other: &&Written| {
            let other = other.config.as_ref();
            path.is_some() && other.is_some_and(|other| other.upstream_path == path)
        };
        if let Some(other) = self.iter().find(same) {
            let name = other.name.as_deref().unwrap_or_default();
            let problem = format!("connector \"{name}\" writes there; each needs its own path");
            parameters.refuse("path", problem);
        }
        parameters.finish();
        Some(Built {
            kind: kind.name,
            built: built?,
            path,
        })
    }
}

/// What a kind made of its parameters.
struct Built<T> {
    kind: &'static str,
    built: T,
    path: Option<PathBuf>,
}

fn contract(section: &mut Section<'_>) -> Option<Built<Box<dyn Contract>>> {
    let mut parameters = section.table("parameters");
    let kinds = CONTRACTS.iter().map(|kind| (kind.name, kind));
    let kind = kind(section, "contract", "contract = \"firehose\"", kinds)?;
    let built = (kind.build)(&mut parameters);
    parameters.finish();
    Some(Built {
        kind: kind.name,
        built: built?,
        path: None,
    })
}

/// The kind that the text under `key` names.
fn kind<'a, T>(
    section: &mut Section<'_>,
    key: &str,
    example: &str,
    kinds: impl Iterator<Item = (&'a str, T)> + Clone,
) -> Option<T> {
    let name = section.text(key);
    section.missing(key, example);
    let name = name?;
    let found = kinds.clone().find(|(kind, _)| *kind == name);
    if found.is_none() {
        let found = excerpt(&name);
        let known = quoted(kinds.map(|(kind, _)| kind));
        section.problem(key, format!("unknown {key} {found:?}; there are: {known}"));
    }
    found.map(|(_, kind)| kind)
}

fn delivery(section: &mut Section<'_>) -> ConnectorSettings {
    let default = ConnectorSettings::default();
    ConnectorSettings {
        in_flight: section.count("in_flight", 1..=64),
        fresh_share: section.fraction("fresh_share"),
        max_rate: MaxRate {
            records: section.integer("max_records_per_second", 1..=1_000_000_000),
            bytes: section.size("max_bytes_per_second", 1..=1 << 40),
        },
        max_age: section.duration(
            "max_age",
            Duration::from_secs(1)..=Duration::from_secs(10 * 365 * 86_400),
        ),
        max_destinations: section
            .count("max_destinations", 1..=10_000)
            .unwrap_or(default.max_destinations),
        dead_letter_records: section
            .integer("dead_letter_records", 0..=1_000_000_000)
            .unwrap_or(default.dead_letter_records),
        dead_letter_bytes: section
            .size("dead_letter_bytes", 0..=1 << 50)
            .unwrap_or(default.dead_letter_bytes),
        queue_bytes: section
            .size("queue_bytes", 1 << 20..=1 << 50)
            .unwrap_or(default.queue_bytes),
        retry: retry(section.table("retry")),
    }
}

fn retry(mut section: Section<'_>) -> Retry {
    let default = Retry::default();
    let range = Duration::from_millis(1)..=Duration::from_secs(3_600);
    let initial = section.duration("initial", range.clone());
    let max = section.duration("max", range);
    let retry = Retry {
        initial: initial.unwrap_or(default.initial),
        max: max.unwrap_or(default.max.max(initial.unwrap_or_default())),
    };
    if retry.initial > retry.max {
        let problem = "it is less than `initial`; waiting grows from `initial` to `max`";
        section.refuse("max", problem.to_owned());
    }
    section.finish();
    retry
}

fn config(
    name: Option<String>,
    contract: Option<Built<Box<dyn Contract>>>,
    upstream: Option<Built<Box<dyn Upstream>>>,
    delivery: ConnectorSettings,
) -> Option<ConnectorConfig> {
    let (name, contract, upstream) = (name?, contract?, upstream?);
    Some(ConnectorConfig {
        name,
        contract_kind: contract.kind,
        contract: contract.built,
        upstream_kind: upstream.kind,
        upstream: upstream.built,
        upstream_path: upstream.path,
        delivery,
    })
}
