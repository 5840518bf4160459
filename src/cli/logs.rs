//! Logs on stderr: for people, or as lines of JSON.

use std::{
    env,
    io::{self, IsTerminal},
};

use tracing::{Level, Metadata};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets, filter_fn},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// What is logged when nobody says: what the gateway does, and what its libraries warn of.
pub(super) const DEFAULT: &str = "warn,perennial=info";

/// Libraries that log payloads at trace level, which nobody may see.
const INDISCREET: [&str; 2] = ["tungstenite", "tokio_tungstenite"];

/// Sends what `filter` lets through to stderr, from here to the end of the process.
pub(super) fn start(json: bool, filter: Targets) {
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = if json {
        lines.json().flatten_event(true).boxed()
    } else {
        let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        lines
            .with_ansi(io::stderr().is_terminal() && !no_color)
            .boxed()
    };
    tracing_subscriber::registry()
        .with(
            lines
                .with_filter(filter)
                .with_filter(filter_fn(is_discreet)),
        )
        .init();
}

/// Whether what is logged there has no payload in it.
fn is_discreet(metadata: &Metadata<'_>) -> bool {
    let library = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() != Level::TRACE || !INDISCREET.contains(&library)
}

/// Reads `info`, or `info,perennial_broker=debug`; nothing, as an empty variable has it, is
/// the default.
///
/// # Errors
/// The part that is neither a level nor a module with its level.
pub(super) fn parse_filter(text: &str) -> Result<Targets, String> {
    let text = match text.trim() {
        "" => DEFAULT,
        text => text,
    };
    let mut filter = Targets::new();
    for part in text.split(',') {
        let (target, level) = match part.trim().split_once('=') {
            Some((target, level)) => (Some(target.trim()), level.trim()),
            None => (None, part.trim()),
        };
        // `LevelFilter` takes numbers too, which would hide a slip.
        let known = ["error", "warn", "info", "debug", "trace", "off"];
        let level = known
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(level))
            .and_then(|level| level.parse::<LevelFilter>().ok())
            .ok_or_else(|| format!("{level:?} is no level; levels are {}", known.join(", ")))?;
        filter = match target {
            Some("") => return Err(format!("{part:?} names no module")),
            Some(target) => filter.with_target(target, level),
            None => filter.with_default(level),
        };
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_for_everything_and_a_module_can_have_its_own() {
        let filter = parse_filter("warn, perennial_broker=Debug").unwrap();
        assert!(filter.would_enable("perennial", &Level::WARN));
        assert!(!filter.would_enable("perennial", &Level::INFO));
        assert!(filter.would_enable("perennial_broker::store", &Level::DEBUG));
        let filter = parse_filter("").unwrap();
        assert!(filter.would_enable("perennial_broker::store", &Level::INFO));
        assert!(filter.would_enable("fjall", &Level::WARN));
        assert!(!filter.would_enable("fjall", &Level::INFO));
        let filter = parse_filter("off").unwrap();
        assert!(!filter.would_enable("perennial", &Level::ERROR));
    }

    #[test]
    fn a_slip_is_an_error_and_not_a_module_of_that_name() {
        for (text, problem) in [
            (
                "inof",
                "\"inof\" is no level; levels are error, warn, info, debug, trace, off",
            ),
            (
                "info,",
                "\"\" is no level; levels are error, warn, info, debug, trace, off",
            ),
            (
                "info,fjall=3",
                "\"3\" is no level; levels are error, warn, info, debug, trace, off",
            ),
            ("=info", "\"=info\" names no module"),
        ] {
            assert_eq!(parse_filter(text).unwrap_err(), problem);
        }
    }
}
