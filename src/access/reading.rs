//! Reading the access directory and what listeners show.

use std::{fmt, path::PathBuf, sync::Arc};

use perennial_certs::{Directory, Problem, Registry, ServerCredentials, TlsError};
use tracing::{info, warn};

use super::{fingerprint::Fingerprint, server::Server};
use crate::{
    clock,
    config::{AccessConfig, ListenerSettings, Model},
};

/// How often everything is read again because it has changed meanwhile; the last time it is taken
/// as it is.
const MAX_READINGS: usize = 4;

/// Reads all that identities and policies come from; it takes time, so not in a task.
pub(super) struct Reader {
    directory: Directory,
    model: Model,
    /// Policies that listeners name.
    policies: Vec<String>,
    /// What TLS listeners show, if there are any.
    server: Option<Server>,
}

/// What was read: each of both is whole and right, or this is what is wrong with it.
pub(super) struct Read {
    pub(super) registry: Result<Arc<Registry>, Vec<Problem>>,
    /// What TLS listeners show, if there are any.
    pub(super) server: Result<Option<ServerCredentials>, Problem>,
}

impl Read {
    /// Both.
    ///
    /// # Errors
    /// Everything that is wrong with either.
    pub(super) fn whole(self) -> Result<(Arc<Registry>, Option<ServerCredentials>), AccessError> {
        match (self.registry, self.server) {
            (Ok(registry), Ok(server)) => Ok((registry, server)),
            (registry, server) => {
                let mut problems = registry.err().unwrap_or_default();
                problems.extend(server.err());
                Err(AccessError(problems))
            }
        }
    }
}

impl Reader {
    /// Reads what `config` says for these listeners.
    pub(super) fn new(config: &AccessConfig, listeners: &[ListenerSettings]) -> Reader {
        let server = match config.certificate.clone() {
            Some((certificate, key)) => Server::Foreign(certificate, key),
            None => Server::Own(config.names.clone()),
        };
        let has_tls = listeners.iter().any(|listener| listener.tls.is_some());
        let policies = listeners.iter();
        let policies = policies.filter_map(|listener| listener.policies.as_ref());
        Reader {
            directory: Directory::new(&config.directory),
            model: config.model,
            policies: policies.flatten().cloned().collect(),
            server: has_tls.then_some(server),
        }
    }

    /// What everything that is read looks like.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut paths = vec![self.directory.path().to_owned()];
        if let Some(server @ Server::Foreign(..)) = &self.server {
            let (certificate, key) = server.files(&self.directory);
            paths.extend([certificate, key]);
        }
        Fingerprint::of(&paths)
    }

    /// Whether another certificate was due for the listeners, and is there.
    pub(super) fn renew_certificate(&self) -> bool {
        let Some(server) = &self.server else {
            return false;
        };
        match server.renew(&self.directory, clock::unix_millis() / 1_000) {
            Ok(is_renewed) => {
                if is_renewed {
                    info!("the listeners get another certificate");
                }
                is_renewed
            }
            Err(problem) => {
                warn!(%problem, "another certificate cannot be issued for the listeners");
                false
            }
        }
    }

    /// Reads while nothing changes, so that whoever writes several files, or one in pieces, is not
    /// met halfway; and what the files look like that were read.
    pub(super) fn read_undisturbed(&self) -> (Fingerprint, Read) {
        undisturbed(|| self.fingerprint(), || self.read())
    }

    /// Reads what a gateway would read that starts: the listeners' certificate as it is, unless
    /// another one would take its place.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub(super) fn check(mut self) -> Result<(), AccessError> {
        let now = clock::unix_millis() / 1_000;
        let directory = &self.directory;
        let is_due = |server: &Server| matches!(server.due(directory, now), Ok(Some(_)));
        if self.server.as_ref().is_some_and(is_due) {
            self.server = None;
        }
        self.read().whole().map(drop)
    }

    /// Reads.
    pub(super) fn read(&self) -> Read {
        let registry = Registry::load(&self.directory).map_err(|error| error.0);
        let server = self.server.as_ref();
        let server = server.map(|server| server.load(&self.directory));
        Read {
            registry: registry.and_then(|registry| match self.missing(&registry) {
                missing if missing.is_empty() => Ok(Arc::new(registry)),
                missing => Err(missing),
            }),
            server: server.transpose(),
        }
    }

    /// What to say when something has ended the reading.
    pub(super) fn interrupted(directory: PathBuf) -> AccessError {
        AccessError(vec![Problem {
            path: directory,
            place: None,
            message: "reading it was interrupted".to_owned(),
        }])
    }

    /// What is wrong with the certificate that TLS does not take.
    pub(super) fn unusable(&self, error: &TlsError) -> AccessError {
        let server = self.server.as_ref();
        let files = server.map(|server| server.files(&self.directory));
        AccessError(vec![Problem {
            path: files
                .map(|(certificate, _)| certificate)
                .unwrap_or_default(),
            place: None,
            message: error.to_string(),
        }])
    }

    /// What the configuration speaks of and the directory does not have.
    fn missing(&self, registry: &Registry) -> Vec<Problem> {
        let mut problems = Vec::new();
        for name in &self.policies {
            if registry.policy(name).is_none() {
                problems.push(Problem {
                    path: self.directory.policies().join(format!("{name}.json")),
                    place: None,
                    message: "there is no such file, and a listener of the configuration names \
                              this policy"
                        .to_owned(),
                });
            }
        }
        if self.model == Model::Subscriptions && registry.subscriptions().is_none() {
            problems.push(Problem {
                path: self.directory.subscriptions(),
                place: None,
                message: "there is no such file, and the configuration says `model = \
                          \"subscriptions\"`: without entries nothing flows"
                    .to_owned(),
            });
        }
        problems
    }
}

/// What `read` gives while `look` sees no change; where changes do not end, what it gives at last.
fn undisturbed<F: PartialEq, T>(
    mut look: impl FnMut() -> F,
    mut read: impl FnMut() -> T,
) -> (F, T) {
    let mut before = look();
    for _ in 1..MAX_READINGS {
        let found = read();
        let after = look();
        if after == before {
            return (before, found);
        }
        before = after;
    }
    (before, read())
}

/// What is wrong with the access directory, or with what listeners show.
#[derive(Debug, thiserror::Error)]
pub struct AccessError(pub Vec<Problem>);

impl fmt::Display for AccessError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What is read of files that change during the first `changes` readings, and how often.
    fn read(changes: usize) -> (usize, usize, usize) {
        let (files, readings) = (Cell::new(0), Cell::new(0));
        let read = || {
            readings.set(readings.get() + 1);
            let seen = files.get();
            files.set(seen + usize::from(readings.get() <= changes));
            seen
        };
        let (looked, read) = undisturbed(|| files.get(), read);
        (looked, read, readings.get())
    }

    #[test]
    fn what_has_changed_while_it_was_read_is_read_again() {
        assert_eq!(read(0), (0, 0, 1));
        assert_eq!(read(1), (1, 1, 2));
        assert_eq!(read(3), (3, 3, 4));
    }

    #[test]
    fn what_changes_without_an_end_is_taken_and_the_next_look_sees_another_change() {
        assert_eq!(read(100), (3, 3, 4));
    }
}
