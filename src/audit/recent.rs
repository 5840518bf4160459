//! Who was written about lately: memory of a bounded number of clients.

use std::collections::HashMap;

use perennial_certs::Action;
use tokio::time::Instant;

use super::{Refused, Why, line::Line};
use crate::reminder::INTERVAL;

/// Clients that are told apart, each once for every action and reason.
const CLIENTS: usize = 4096;

/// What was written about lately.
#[derive(Default)]
pub(super) struct Recent {
    known: HashMap<(Action, Why), HashMap<Box<str>, Known>>,
    count: usize,
    /// Refusals of clients for whom there was no room.
    others: u64,
}

struct Known {
    written: Instant,
    /// What has happened since.
    since: Option<Line>,
}

impl Recent {
    /// Counts a refusal; what is to be written at once.
    pub(super) fn count(&mut self, refused: &Refused<'_>, time: u64, now: Instant) -> Option<Line> {
        let clients = self
            .known
            .entry((refused.action, refused.reason))
            .or_default();
        if let Some(known) = clients.get_mut(refused.client) {
            match &mut known.since {
                Some(line) => line.again(time),
                none => *none = Some(Line::refused(refused, time)),
            }
            return None;
        }
        if self.count == CLIENTS {
            self.others += 1;
            return None;
        }
        self.count += 1;
        let known = Known {
            written: now,
            since: None,
        };
        clients.insert(refused.client.into(), known);
        Some(Line::refused(refused, time))
    }

    /// What is to be written because its interval is over, or because everything is.
    pub(super) fn due(&mut self, is_over: bool, time: u64, now: Instant) -> Vec<Line> {
        let mut lines = Vec::new();
        for clients in self.known.values_mut() {
            let before = clients.len();
            clients.retain(|_, known| {
                if !is_over && now - known.written < INTERVAL {
                    return true;
                }
                known.written = now;
                let line = known.since.take();
                let is_known = line.is_some();
                lines.extend(line);
                is_known
            });
            self.count -= before - clients.len();
        }
        if self.others > 0 {
            lines.push(Line::others(std::mem::take(&mut self.others), time));
        }
        lines
    }
}
