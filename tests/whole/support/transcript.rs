//! What a process writes, line by line, while it runs.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ExitStatus},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use crate::support::wait::wait_for_some;

/// The lines that a process has written so far.
#[derive(Clone, Default)]
pub(crate) struct Transcript(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

impl Transcript {
    /// Keeps what is read from `pipe`; what is not UTF-8 is replaced.
    pub(crate) fn of(pipe: impl Read + Send + 'static) -> Self {
        let transcript = Self::default();
        let writer = transcript.clone();
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while matches!(pipe.read_until(b'\n', &mut line), Ok(1..)) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                writer.lock().lines.push(text);
                line.clear();
            }
            writer.lock().ended = true;
        });
        transcript
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lock().lines.clone()
    }

    /// All lines so far as one text.
    pub(crate) fn text(&self) -> String {
        self.lock().lines.join("\n")
    }

    /// What `pick` finds in the lines so far, each looked at in turn.
    pub(crate) fn find<T>(&self, pick: impl FnMut(&String) -> Option<T>) -> Option<T> {
        self.lock().lines.iter().find_map(pick)
    }

    /// Whether the process has closed its end.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until `child` has ended by itself.
///
/// # Panics
/// It runs when `limit` is over.
#[track_caller]
pub(crate) fn wait_for_exit(child: &mut Child, limit: Duration, what: &str) -> ExitStatus {
    wait_for_some(limit, &format!("{what} ends"), || {
        child.try_wait().expect("a child can be waited for")
    })
}
