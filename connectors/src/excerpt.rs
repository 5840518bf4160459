//! What an error repeats of a text that somebody else wrote.

/// How much of it, in characters.
const LENGTH: usize = 96;

/// The beginning of `text`: what a device or a file says is not repeated at full length.
pub(crate) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
