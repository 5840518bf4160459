//! Times as signatures have them.

use std::fmt;

use time::{Date, Duration, Month, OffsetDateTime, Time};

/// A time in whole seconds, written as `20261120T101530Z`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Timestamp(OffsetDateTime);

impl Timestamp {
    pub(super) fn new(time: OffsetDateTime) -> Self {
        Self(time.replace_nanosecond(0).unwrap_or(time))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if date.len() != 8 || time.len() != 6 || !digits(date) || !digits(time) {
            return None;
        }
        let two = |text: &str, at: usize| text[at..at + 2].parse::<u8>().ok();
        let month = Month::try_from(two(date, 4)?).ok()?;
        let date = Date::from_calendar_date(date[..4].parse().ok()?, month, two(date, 6)?).ok()?;
        let time = Time::from_hms(two(time, 0)?, two(time, 2)?, two(time, 4)?).ok()?;
        Some(Self(date.with_time(time).assume_utc()))
    }

    /// Year, month and day.
    pub(super) fn date(self) -> String {
        let date = self.0.date();
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        format!("{year:04}{month:02}{day:02}")
    }

    pub(super) fn plus(self, time: Duration) -> Self {
        Self(self.0 + time)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = self.0.to_hms();
        write!(f, "{}T{hour:02}{minute:02}{second:02}Z", self.date())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_it_was_read() {
        for text in ["20150830T123600Z", "20240229T235959Z", "20261120T000000Z"] {
            let time = Timestamp::parse(text).unwrap();
            assert_eq!(time.to_string(), text);
            assert_eq!(time.date(), text[..8]);
        }
    }

    #[test]
    fn what_is_no_time_is_not_read() {
        for text in [
            "",
            "20150830",
            "20150830T123600",
            "20150230T123600Z",
            "20151330T123600Z",
            "20150830T246000Z",
            "2015-8-3T123600Z",
            "Sun, 30 Aug 2015 12:36:00 GMT",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
