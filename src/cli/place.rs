//! Which gateway a command is about.

use std::{io, path::PathBuf};

use clap::Args;
use perennial::{
    admin::Access,
    config::{ConfigErrors, Source},
};
use tokio::runtime::{self, Runtime};

use super::Failure;

/// A gateway, by its configuration or its data directory.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// The gateway's configuration; without it the one that `perennial config` prints
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the gateway writes, whatever `data_dir` the configuration has
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Place {
    /// The configuration that `run` would read with the same arguments.
    pub(super) fn source(
        config: Option<&PathBuf>,
        data_dir: Option<&PathBuf>,
    ) -> Result<Source, ConfigErrors> {
        let source = match config {
            Some(path) => Source::file(path)?,
            None => Source::embedded(),
        };
        Ok(match data_dir {
            Some(data_dir) => source.with_data_dir(data_dir.clone()),
            None => source,
        })
    }

    /// Does `work` with the gateway, or with the store that it has left.
    pub(super) fn with<T>(
        &self,
        work: impl AsyncFnOnce(&Access) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let config = Self::source(self.config.as_ref(), self.data_dir.as_ref())?.read()?;
        // A data directory alone says nothing about the connectors that write to it.
        let has_connectors = self.config.is_some() || self.data_dir.is_none();
        runtime().map_err(Failure::Process)?.block_on(async {
            let access = Access::find(config, has_connectors).await?;
            work(&access).await
        })
    }
}

fn runtime() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}
