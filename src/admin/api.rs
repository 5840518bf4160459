//! What is sent to the admin socket and what comes back, beside what an operator has.

use serde::{Deserialize, Serialize};

use crate::operator::{LetterId, Selection};

/// Bytes that a request may have after its headers.
pub(super) const MAX_REQUEST: usize = 1 << 20;

pub(super) const HEALTH: &str = "/health";
pub(super) const METRICS: &str = "/metrics";
pub(super) const QUEUES: &str = "/queues";
pub(super) const LIST: &str = "/dead-letters/list";
pub(super) const SHOW: &str = "/dead-letters/show";
pub(super) const REPLAY: &str = "/dead-letters/replay";
pub(super) const DROP: &str = "/dead-letters/drop";

/// Asks for one letter.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShowRequest {
    pub(super) id: LetterId,
}

/// Asks for records to be sent again.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ReplayRequest {
    pub(super) letters: Selection,
    pub(super) to: Option<String>,
}

/// Asks for letters to be dropped.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DropRequest {
    /// Which.
    pub letters: Selection,
    /// Has to be true where `letters` leaves none out.
    pub everything: bool,
}

/// Why a request was not done.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Failure {
    pub(super) error: String,
}
