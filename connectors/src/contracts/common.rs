//! Ranges, defaults and small readers that the contracts share.

use std::{ops::RangeInclusive, time::Duration};

use crate::{Settings, WhenFull, excerpt::excerpt};

/// How long a record may wait for others: the V1 connectors' `PublishInterval`.
pub(crate) const LINGER: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(900);

/// How long a record waits for others where the configuration does not say.
pub(crate) const DEFAULT_LINGER: Duration = Duration::from_secs(1);

/// How many records may wait per destination.
pub(crate) const QUEUE_RECORDS: RangeInclusive<u64> = 1..=1_000_000_000;

/// How many records wait per destination where the configuration does not say.
///
/// V1 kept its queue in memory and was set to some thousands. Here it is on disk, so
/// the default holds a day of ten records a second through an outage.
pub(crate) const DEFAULT_QUEUE_RECORDS: u64 = 1_000_000;

/// How many records a batch may have; an upstream that takes fewer has the last word.
pub(crate) const BATCH_RECORDS: RangeInclusive<u64> = 1..=1_000_000;

/// Bytes of records that a connector may hold in memory.
pub(crate) const MEMORY_BYTES: RangeInclusive<u64> = 1 << 20..=1 << 40;

/// What `queue_drop_behavior` can be.
pub(crate) const DROP_BEHAVIORS: [(&str, WhenFull); 2] = [
    ("drop_newest", WhenFull::RejectNewest),
    ("drop_oldest", WhenFull::DropOldest),
];

/// One of two `choices`, by its name; `None` when there is none or an error was recorded.
pub(crate) fn choice<T: Copy>(
    settings: &mut dyn Settings,
    key: &str,
    choices: [(&str, T); 2],
) -> Option<T> {
    let name = settings.text(key)?;
    let chosen = choices.iter().find(|(choice, _)| *choice == name);
    if chosen.is_none() {
        let [(one, _), (other, _)] = choices;
        let found = excerpt(&name);
        settings.refuse(
            key,
            format!("found {found:?}; it is \"{one}\" or \"{other}\""),
        );
    }
    chosen.map(|(_, meaning)| *meaning)
}

/// A number of records in a batch.
pub(crate) fn batch_size(settings: &mut dyn Settings, key: &str) -> Option<usize> {
    let records = settings.integer(key, BATCH_RECORDS)?;
    usize::try_from(records).ok()
}
