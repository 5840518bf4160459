//! Times and sizes as a configuration writes them.

use std::{fmt, time::Duration};

/// What a size can be written in, from the smallest.
const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

/// A number of bytes, read from and written as `64MiB`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Size(pub(super) u64);

impl Size {
    /// Reads `512`, `64MiB` or `1 GB`; `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit());
        let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
        let number: u64 = number.parse().ok()?;
        let unit = match unit.trim_start() {
            "" => "B",
            unit => unit,
        };
        let (_, bytes) = UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
        number.checked_mul(*bytes).map(Self)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |bytes: u64| self.0 >= bytes && self.0.is_multiple_of(bytes);
        let unit = UNITS.iter().rev().find(|(_, bytes)| fits(*bytes));
        let (name, bytes) = unit.unwrap_or(&UNITS[0]);
        write!(f, "{}{name}", self.0 / bytes)
    }
}

/// A time, read from and written as `250ms` or `1h 30m`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Span(pub(super) Duration);

impl Span {
    /// Reads a number with its unit; `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        humantime::parse_duration(text).ok().map(Self)
    }

    /// Reads a number of seconds such as `0.25`; `None` for anything else.
    pub(super) fn of_seconds(number: &str) -> Option<Self> {
        let seconds = number.parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok().map(Self)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_exactly_and_written_in_their_largest_unit() {
        for (text, bytes, written) in [
            ("0", 0, "0B"),
            ("512", 512, "512B"),
            ("1MiB", 1_048_576, "1MiB"),
            ("1024 kib", 1_048_576, "1MiB"),
            ("64MB", 64_000_000, "64MB"),
            ("1024000", 1_024_000, "1000KiB"),
            ("16777215TiB", 16_777_215 << 40, "16777215TiB"),
        ] {
            let size = Size::parse(text).unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, written));
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "MiB", "-1", "1.5GiB", "1Mi", "1 MiB x", "16777216TiB"] {
            assert_eq!(Size::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn times_are_read_with_a_unit_or_as_seconds() {
        let quarter = Some(Span(Duration::from_millis(250)));
        assert_eq!(Span::parse("250ms"), quarter);
        assert_eq!(Span::of_seconds("0.25"), quarter);
        assert_eq!(Span::parse("1h 30m"), Span::of_seconds("5400"));
        assert_eq!(Span(Duration::from_secs(5_400)).to_string(), "1h 30m");
        for text in ["", "5", "-1s", "soon"] {
            assert_eq!(Span::parse(text), None, "{text:?}");
        }
        for number in ["-1", "nan", "inf", "1e300"] {
            assert_eq!(Span::of_seconds(number), None, "{number:?}");
        }
    }
}
