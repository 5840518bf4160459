//! Patterns of AWS policies: `*` is any run of characters, `/` included, and `?` any one.
//!
//! A match looks for each run of fixed text once, from left to right, and never goes back
//! before one that it has found.

use std::mem::take;

/// A pattern.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Pattern {
    /// What stands before the first `*`.
    first: Run,
    /// What stands behind it, if there is one.
    rest: Option<Rest>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Rest {
    /// What stands between two `*`.
    middle: Box<[Run]>,
    /// What stands behind the last `*`.
    last: Run,
}

/// Fixed texts, with one character of any kind between each two of them.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Run(Box<[Box<str>]>);

/// A part of a pattern.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part<'a> {
    /// This text.
    Text(&'a str),
    /// Any run of characters.
    AnyRun,
    /// Any one character.
    AnyOne,
}

impl Pattern {
    /// The pattern of these parts, one after the other.
    pub(super) fn new<'a>(parts: impl IntoIterator<Item = Part<'a>>) -> Pattern {
        let mut runs = Vec::new();
        let mut run = Vec::new();
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::AnyOne => run.push(take(&mut text).into()),
                Part::AnyRun => {
                    run.push(take(&mut text).into());
                    runs.push(Run(take(&mut run).into()));
                }
            }
        }
        run.push(text.into());
        let last = Run(run.into());
        let mut runs = runs.into_iter();
        match runs.next() {
            None => Pattern {
                first: last,
                rest: None,
            },
            Some(first) => {
                let middle = runs.filter(|run| !run.is_empty()).collect();
                Pattern {
                    first,
                    rest: Some(Rest { middle, last }),
                }
            }
        }
    }

    /// The pattern that `text` is, in which nothing but `*` and `?` is special.
    pub(super) fn with_wildcards(text: &str) -> Pattern {
        let pieces = text.split_inclusive(['*', '?']).flat_map(|piece| {
            let fixed = piece.trim_end_matches(['*', '?']);
            [fixed, &piece[fixed.len()..]]
        });
        Pattern::new(pieces.map(|piece| match piece {
            "*" => Part::AnyRun,
            "?" => Part::AnyOne,
            text => Part::Text(text),
        }))
    }

    /// Whether all of `text` is as the pattern says.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some(mut text) = self.first.strip_from(text) else {
            return false;
        };
        let Some(rest) = &self.rest else {
            return text.is_empty();
        };
        for run in &rest.middle {
            let Some(behind) = run.behind_first_in(text) else {
                return false;
            };
            text = behind;
        }
        rest.last.ends(text)
    }
}

impl Run {
    fn is_empty(&self) -> bool {
        matches!(&*self.0, [only] if only.is_empty())
    }

    /// What is left of `text` without the run that it begins with.
    fn strip_from<'t>(&self, text: &'t str) -> Option<&'t str> {
        let (first, others) = self.0.split_first()?;
        let mut text = without_prefix(text, first)?;
        for other in others {
            text = without_prefix(without_first(text)?, other)?;
        }
        Some(text)
    }

    /// What stands in `text` behind the first place that is as the run says.
    fn behind_first_in<'t>(&self, text: &'t str) -> Option<&'t str> {
        if let [only] = &*self.0 {
            return text.find(&**only).map(|at| &text[at + only.len()..]);
        }
        let mut text = text;
        loop {
            if let Some(behind) = self.strip_from(text) {
                return Some(behind);
            }
            text = without_first(text)?;
        }
    }

    /// Whether `text` ends with the run.
    fn ends(&self, text: &str) -> bool {
        let without_run = || {
            let (last, others) = self.0.split_last()?;
            let mut text = without_suffix(text, last)?;
            for other in others.iter().rev() {
                text = without_suffix(without_last(text)?, other)?;
            }
            Some(text)
        };
        without_run().is_some()
    }
}

// The comparison of glibc takes some 200 ns with an empty text, whose pointer leads nowhere.

fn without_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    match prefix.is_empty() {
        true => Some(text),
        false => text.strip_prefix(prefix),
    }
}

fn without_suffix<'t>(text: &'t str, suffix: &str) -> Option<&'t str> {
    match suffix.is_empty() {
        true => Some(text),
        false => text.strip_suffix(suffix),
    }
}

fn without_first(text: &str) -> Option<&str> {
    let mut characters = text.chars();
    characters.next().map(|_| characters.as_str())
}

fn without_last(text: &str) -> Option<&str> {
    let mut characters = text.chars();
    characters.next_back().map(|_| characters.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::with_wildcards(text)
    }

    #[test]
    fn a_star_is_any_run_across_levels_and_may_be_empty() {
        assert!(pattern("a/*").matches("a/"));
        assert!(pattern("a/*").matches("a/b/c"));
        assert!(!pattern("a/*").matches("a"));
        assert!(pattern("*").matches(""));
        assert!(pattern("a*b*c").matches("a-b-b-c"));
        assert!(!pattern("a*b*c").matches("a-c-b"));
    }

    #[test]
    fn what_stands_before_and_behind_a_star_does_not_overlap() {
        assert!(!pattern("aba*aba").matches("aba"));
        assert!(!pattern("a*aa*a").matches("aaa"));
        assert!(pattern("a*aa*a").matches("aaaa"));
    }

    #[test]
    fn a_question_mark_is_one_character_not_one_byte() {
        assert!(pattern("a?c").matches("aßc"));
        assert!(!pattern("a??c").matches("aßc"));
        assert!(!pattern("a?").matches("a"));
        assert!(pattern("*?").matches("ß"));
        assert!(!pattern("*?*").matches(""));
    }

    #[test]
    fn plus_and_hash_stand_for_themselves() {
        assert!(pattern("a/+/#").matches("a/+/#"));
        assert!(!pattern("a/+/#").matches("a/b/c"));
    }

    #[test]
    fn a_pattern_full_of_stars_does_not_take_long() {
        let stars = "*a".repeat(1000);
        let text = "a".repeat(65_535);
        assert!(pattern(&stars).matches(&text));
        assert!(!pattern(&format!("{stars}*b")).matches(&text));
    }

    /// Tries everything, one character at a time.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some('*'), _) => {
                naive(&pattern[1..], text) || (!text.is_empty() && naive(pattern, &text[1..]))
            }
            (Some('?'), Some(_)) => naive(&pattern[1..], &text[1..]),
            (Some(wanted), Some(found)) => wanted == found && naive(&pattern[1..], &text[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_the_naive_matcher_matches(
            stars in "[abß?*]{0,8}",
            text in "[abß]{0,10}",
        ) {
            let (left, right): (Vec<_>, Vec<_>) = (stars.chars().collect(), text.chars().collect());
            prop_assert_eq!(pattern(&stars).matches(&text), naive(&left, &right));
        }
    }
}
