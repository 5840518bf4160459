//! A set of subjects: whether one of them matches a topic, as topic filters do (MQTT 4.7).

use std::collections::HashSet;

/// The longest topic filter of AWS IoT, in bytes.
const MAX_BYTES: usize = 256;

/// A set of subjects.
#[derive(Clone, Debug, Default)]
pub(super) struct Subjects {
    /// Those without wildcards.
    exact: HashSet<Box<str>>,
    filters: HashSet<Box<str>>,
}

/// Whether `subject` is a topic filter.
pub(super) fn check(subject: &str) -> Result<(), String> {
    if !(1..=MAX_BYTES).contains(&subject.len()) || subject.contains('\0') {
        return Err(format!(
            "`{subject}` is no topic filter: it has from 1 to {MAX_BYTES} bytes, and none is zero"
        ));
    }
    let mut levels = subject.split('/').peekable();
    while let Some(level) = levels.next() {
        if level == "#" && levels.peek().is_some() {
            return Err(format!("`#` is not the last level of `{subject}`"));
        }
        if level.len() > 1 && level.contains(['+', '#']) {
            return Err(format!(
                "`{level}` in `{subject}` is not whole: `+` and `#` fill a level"
            ));
        }
    }
    Ok(())
}

impl Subjects {
    /// Adds a subject.
    pub(super) fn insert(&mut self, subject: &str) {
        let subjects = match subject.contains(['+', '#']) {
            true => &mut self.filters,
            false => &mut self.exact,
        };
        subjects.insert(subject.into());
    }

    /// Whether one of them matches `topic`.
    pub(super) fn hold(&self, topic: &str) -> bool {
        let mut filters = self.filters.iter();
        self.exact.contains(topic) || filters.any(|filter| matches(filter, topic))
    }
}

fn matches(filter: &str, topic: &str) -> bool {
    // A wildcard does not stand for a first level that begins with `$` (MQTT 4.7.2).
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut topic = topic.split('/');
    for level in filter.split('/') {
        if level == "#" {
            return true;
        }
        if topic
            .next()
            .is_none_or(|found| level != "+" && level != found)
        {
            return false;
        }
    }
    topic.next().is_none()
}
