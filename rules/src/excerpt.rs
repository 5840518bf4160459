//! The part of a text that an error message shows.

/// How much of a text an error repeats, in characters.
const SHOWN: usize = 120;

/// The beginning of `text`: what a client sends may be 64 KiB long, a log line not.
pub(crate) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_shown_whole_and_a_long_one_is_cut_between_characters() {
        assert_eq!(excerpt("värde/+"), "värde/+");
        assert_eq!(excerpt(&"ä".repeat(SHOWN)), "ä".repeat(SHOWN));
        assert_eq!(
            excerpt(&"ä".repeat(SHOWN + 1)),
            format!("{}…", "ä".repeat(SHOWN))
        );
    }
}
