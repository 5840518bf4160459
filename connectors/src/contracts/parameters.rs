//! Parameters under either of their names: the one here, and the one that V1 knew.
//!
//! In V1 every parameter was a text with a pattern to validate it by. A group's parameters are
//! taken as they stand there; a text that V1 would have refused is refused here.

use crate::{
    Settings,
    contracts::common::{LINGER, MEMORY_BYTES},
    excerpt::excerpt,
};

/// A parameter as V1 knew it.
pub(crate) struct V1<T> {
    /// Its name.
    pub(crate) name: &'static str,
    /// The pattern of V1's documents, with its backslashes single and its ends where it means them.
    pub(crate) pattern: &'static str,
    /// What a text of the pattern says, for a message.
    pub(crate) meaning: &'static str,
    /// Whether the pattern has an empty text, which says what no text says.
    pub(crate) may_be_empty: bool,
    /// Reads a text of the pattern.
    pub(crate) read: fn(&str) -> Option<T>,
}

impl<T> V1<T> {
    /// Reads the parameter under its name in V1; `None` when there is none, it leaves the
    /// default, or an error was recorded.
    pub(crate) fn take(&self, settings: &mut dyn Settings) -> Option<T> {
        let text = settings.text(self.name)?;
        if self.may_be_empty && text.is_empty() {
            return None;
        }
        let value = (self.read)(&text);
        if value.is_none() {
            let found = excerpt(&text);
            let Self {
                pattern, meaning, ..
            } = self;
            let problem =
                format!("found {found:?}; it is {meaning}, in a text of V1's pattern {pattern}");
            settings.refuse(self.name, problem);
        }
        value
    }

    /// Reads the parameter under `key` with `read`, or under its name in V1.
    pub(crate) fn take_either(
        &self,
        settings: &mut dyn Settings,
        key: &str,
        read: impl FnOnce(&mut dyn Settings, &str) -> Option<T>,
    ) -> Option<T> {
        let value = read(settings, key);
        let of_v1 = self.take(settings);
        if settings.has(key) && settings.has(self.name) {
            let problem = format!("`{key}` is there too, which means the same; one of them goes");
            settings.refuse(self.name, problem);
        }
        value.or(of_v1)
    }
}

/// The number of a text that has nothing but digits.
pub(crate) fn digits(text: &str) -> Option<u64> {
    let all = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| all)
}

/// The number of a text of digits that does not begin with zero.
pub(crate) fn positive(text: &str) -> Option<u64> {
    digits(text).filter(|_| !text.starts_with('0'))
}

/// Seconds that are a publish interval.
pub(crate) fn interval(seconds: u64) -> Option<std::time::Duration> {
    let interval = std::time::Duration::from_secs(seconds);
    LINGER.contains(&interval).then_some(interval)
}

/// Whether `text` is a region as V1's patterns have it: `[a-z]{2}-[a-z]+-\d{1}`.
pub(crate) fn is_v1_region(text: &str) -> bool {
    let letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase());
    let mut parts = text.split('-');
    let mut next = || parts.next().unwrap_or_default();
    let (area, place, number) = (next(), next(), next());
    area.len() == 2
        && letters(area)
        && !place.is_empty()
        && letters(place)
        && number.len() == 1
        && digits(number).is_some()
        && parts.next().is_none()
}

/// Bytes of records in memory: `memory_size`, or kilobytes under V1's name. A connector of V1
/// could be given less than one here works with, which is then what it gets.
pub(crate) fn memory_size(settings: &mut dyn Settings) -> Option<u64> {
    const V1_MEMORY_SIZE: V1<u64> = V1 {
        name: "MemorySize",
        pattern: "^[0-9]+$",
        meaning: "a number of kilobytes up to 1073741824",
        may_be_empty: false,
        read: |text| {
            let bytes = digits(text)?.checked_mul(1_024)?;
            let bytes = bytes.max(*MEMORY_BYTES.start());
            MEMORY_BYTES.contains(&bytes).then_some(bytes)
        },
    };
    V1_MEMORY_SIZE.take_either(settings, "memory_size", |settings, key| {
        settings.size(key, MEMORY_BYTES)
    })
}

/// Checks V1's `IsolationMode`. It has no effect: there is no container to be in.
pub(crate) fn isolation_mode(settings: &mut dyn Settings) {
    const V1_ISOLATION_MODE: V1<()> = V1 {
        name: "IsolationMode",
        pattern: "^NoContainer$|^GreengrassContainer$",
        meaning: "\"NoContainer\" or \"GreengrassContainer\"",
        may_be_empty: false,
        read: |text| matches!(text, "NoContainer" | "GreengrassContainer").then_some(()),
    };
    V1_ISOLATION_MODE.take(settings);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_digits_and_nothing_else() {
        for (text, number, natural) in [
            ("0", Some(0), None),
            ("007", Some(7), None),
            ("7", Some(7), Some(7)),
            ("18446744073709551615", Some(u64::MAX), Some(u64::MAX)),
            ("18446744073709551616", None, None),
            ("", None, None),
            ("+7", None, None),
            ("-7", None, None),
            ("7 ", None, None),
            ("٧", None, None),
        ] {
            assert_eq!((digits(text), positive(text)), (number, natural), "{text}");
        }
    }

    #[test]
    fn regions_of_v1_have_two_letters_a_word_and_a_digit() {
        for region in ["us-east-1", "ap-northeast-2", "xx-y-0"] {
            assert!(is_v1_region(region), "{region}");
        }
        for other in [
            "",
            "us",
            "us-east",
            "us-east-",
            "us-east-10",
            "us--1",
            "us-gov-west-1",
            "usa-east-1",
            "US-east-1",
            "us-east-a",
            "us-east-1-",
            " us-east-1",
        ] {
            assert!(!is_v1_region(other), "{other}");
        }
    }
}
