//! What a kind reads its configuration from.

use std::{path::PathBuf, time::Duration};

/// One section of the configuration.
///
/// Reading a key takes it; what nobody took is reported as unknown. An error is
/// remembered with its place in the file, so that one run reports them all. A
/// reader that gets `None` for a key that was there goes on: the error is recorded.
pub trait Settings {
    /// A string.
    fn text(&mut self, key: &str) -> Option<String>;
    /// A whole number within `range`.
    fn integer(&mut self, key: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64>;
    /// `true` or `false`.
    fn boolean(&mut self, key: &str) -> Option<bool>;
    /// A time: seconds as a number, or a text such as `"250ms"` or `"2m"`.
    fn duration(
        &mut self,
        key: &str,
        range: std::ops::RangeInclusive<Duration>,
    ) -> Option<Duration>;
    /// A size in bytes: a number, or a text such as `"64MiB"`.
    fn size(&mut self, key: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64>;
    /// A list of texts.
    fn texts(&mut self, key: &str) -> Option<Vec<String>>;
    /// A table of texts, in the order of the file.
    fn pairs(&mut self, key: &str) -> Option<Vec<(String, String)>>;
    /// Whether something is written under `key`; this does not take it.
    fn has(&self, key: &str) -> bool;
    /// A path; a relative one is taken from the data directory.
    fn path(&mut self, key: &str) -> Option<PathBuf>;
    /// Records that the value of `key` is wrong; `problem` says what was found and what would be right.
    fn refuse(&mut self, key: &str, problem: String);
    /// Records that `key` is needed; `example` is a line that would be right. Does
    /// nothing when the key was there, since its error is recorded then.
    fn missing(&mut self, key: &str, example: &str);
}
