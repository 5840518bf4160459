//! A line of the audit log.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use super::{Refused, name};

/// Bytes of a text that a client has chosen; what is longer is cut.
const TEXT: usize = 256;

/// What a line is about that says how many were not written.
const LOST: &str = "lost";

/// A line.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    /// Milliseconds since the Unix epoch.
    #[serde(serialize_with = "rfc3339")]
    time: u64,
    event: &'static str,
    #[serde(flatten)]
    about: Option<About>,
    pub(super) count: u64,
}

#[derive(Clone, Debug, Serialize)]
struct About {
    action: &'static str,
    resource: String,
    client: String,
    principal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    thing: Option<String>,
    peer: String,
    reason: &'static str,
}

impl Line {
    /// Something was refused.
    pub(super) fn refused(refused: &Refused<'_>, time: u64) -> Line {
        Line {
            time,
            event: "refused",
            about: Some(About {
                action: name(refused.action),
                resource: cut(refused.resource),
                client: cut(refused.client),
                principal: cut(&refused.principal.to_string()),
                thing: refused.thing.map(cut),
                peer: refused.peer.to_string(),
                reason: refused.reason.label(),
            }),
            count: 1,
        }
    }

    /// Something was refused to clients beyond those that are told apart.
    pub(super) fn others(count: u64, time: u64) -> Line {
        Line::plain("refused_others", count, time)
    }

    /// Lines were not written.
    pub(super) fn lost(count: u64, time: u64) -> Line {
        Line::plain(LOST, count, time)
    }

    /// How many lines were not written, if it is about that.
    pub(super) fn lost_before(&self) -> Option<u64> {
        (self.event == LOST).then_some(self.count)
    }

    fn plain(event: &'static str, count: u64, time: u64) -> Line {
        Line {
            time,
            event,
            about: None,
            count,
        }
    }

    /// It happened again.
    pub(super) fn again(&mut self, time: u64) {
        self.time = time;
        self.count += 1;
    }
}

fn cut(text: &str) -> String {
    match text.len() <= TEXT {
        true => text.to_owned(),
        false => format!("{}...", &text[..text.floor_char_boundary(TEXT)]),
    }
}

fn rfc3339<S: Serializer>(millis: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    let time = UNIX_EPOCH + Duration::from_millis(*millis);
    serializer.collect_str(&humantime::format_rfc3339_millis(time))
}
