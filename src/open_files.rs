//! How many files the process may have open, of which each connection is one.
//!
//! - What the system allows is made use of as far as the configuration needs it.
//! - Connections get what the store, the upstreams and the logs leave: a store that cannot open a
//!   file takes nothing more, and anybody can open a connection.

use perennial_broker::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Files that connections do not get: the store has some 150 open, and each request to an
/// upstream is one.
const KEPT_BACK: u64 = 1_024;

/// `limits` with no more connections than files can be open for.
pub(crate) fn bound(limits: Limits) -> Limits {
    let open_files = allowed(limits.max_connections as u64 + KEPT_BACK);
    let connections = usize::try_from(connections(open_files)).unwrap_or(usize::MAX);
    if connections >= limits.max_connections {
        return limits;
    }
    warn!(
        open_files,
        connections,
        max_connections = limits.max_connections,
        "the system allows too few open files for so many connections; fewer are taken until it \
         allows more, by `ulimit -n` or systemd's `LimitNOFILE`"
    );
    Limits {
        max_connections: connections,
        max_connections_per_address: limits.max_connections_per_address.min(connections),
        max_handshakes: limits.max_handshakes.min(connections),
        ..limits
    }
}

/// How many files may be open, of the `wanted` ones.
fn allowed(wanted: u64) -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let current = current.unwrap_or(u64::MAX);
    if current >= wanted {
        return current;
    }
    let more = wanted.min(maximum.unwrap_or(u64::MAX));
    let raised = Rlimit {
        current: Some(more),
        maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => more,
        Err(_) => current,
    }
}

/// How many connections there can be; where few files are allowed, the rest gets half of them.
fn connections(open_files: u64) -> u64 {
    open_files - KEPT_BACK.min(open_files / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_get_what_the_rest_does_not_need() {
        for (open_files, expected) in [(256, 128), (1_024, 512), (4_096, 3_072), (20_000, 18_976)] {
            assert_eq!(connections(open_files), expected);
        }
    }

    #[test]
    fn limits_that_fit_stay_as_they_are() {
        let limits = Limits {
            max_connections: 10,
            ..Limits::default()
        };
        assert_eq!(bound(limits.clone()).max_connections, 10);
    }

    #[test]
    fn no_bound_is_above_that_of_all_connections() {
        let limits = Limits {
            max_connections: usize::MAX / 2,
            max_handshakes: 7,
            max_connections_per_address: usize::MAX / 2,
            ..Limits::default()
        };
        let bound = bound(limits);
        assert!(bound.max_connections < usize::MAX / 2);
        assert_eq!(bound.max_connections_per_address, bound.max_connections);
        assert_eq!(bound.max_handshakes, 7);
    }
}
