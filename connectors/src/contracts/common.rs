//! Ranges and defaults that the contracts share.

use std::{ops::RangeInclusive, time::Duration};

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
