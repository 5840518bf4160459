//! Whose identities a command is about, and how a change of them is told.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use perennial::config::{AccessConfig, Config};
use perennial_certs::{Directory, Registry, Thing, ThingName};

use super::Failure;

/// What is said after a change, since nobody has to do anything about it.
pub(super) const PICKED_UP: &str = "A gateway that runs picks this up within seconds.\n";

#[derive(Args, Debug)]
pub(crate) struct SiteArgs {
    /// The gateway's configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// What a list of them is asked for with.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(super) site: SiteArgs,
    /// Print JSON, a line for each
    #[arg(long)]
    pub(super) json: bool,
}

/// A gateway with identities.
pub(super) struct Site {
    pub(super) config: Config,
    pub(super) access: AccessConfig,
    pub(super) directory: Directory,
}

impl SiteArgs {
    /// Reads the configuration, which has to have identities.
    pub(super) fn open(&self) -> Result<Site, Failure> {
        Site::open(&self.config)
    }
}

impl Site {
    /// The gateway of a configuration, which has to have identities.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let config = Config::load(path)?;
        let Some(access) = config.access.clone() else {
            return Err(Failure::NoAccess(path.to_owned()));
        };
        let directory = Directory::new(&access.directory);
        if !directory.path().is_dir() {
            return Err(Failure::NoDirectory(access.directory));
        }
        Ok(Self {
            config,
            access,
            directory,
        })
    }

    /// Everything in the access directory, which has to be right.
    pub(super) fn registry(&self) -> Result<Registry, Failure> {
        Ok(Registry::load(&self.directory)?)
    }
}

/// Sees to it that something refers to nothing that is not there.
pub(super) fn check_references(
    registry: &Registry,
    policies: &[String],
    thing: Option<&ThingName>,
) -> Result<(), Failure> {
    for policy in policies {
        if registry.policy(policy).is_none() {
            let there: Vec<_> = registry.policies().map(|policy| policy.name()).collect();
            return Err(Failure::Asked(format!(
                "there is no policy {policy:?}; {}",
                there_are(&there)
            )));
        }
    }
    match thing {
        Some(name) => the_thing(registry, name).map(drop),
        None => Ok(()),
    }
}

/// The thing that was asked for.
pub(super) fn the_thing<'a>(
    registry: &'a Registry,
    name: &ThingName,
) -> Result<&'a Arc<Thing>, Failure> {
    registry.thing(name.as_str()).ok_or_else(|| {
        Failure::Asked(format!(
            "there is no thing {name}; `perennial things list` shows those that are"
        ))
    })
}

fn there_are(names: &[&str]) -> String {
    match names {
        [] => "there are none".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    }
}
