//! The time in a signed request.

use std::str::FromStr;

use time::{Date, Month, Time};

/// Seconds since the Unix epoch, read from `20261121T110000Z`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stamp(pub(super) u64);

impl FromStr for Stamp {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Stamp, &'static str> {
        read(text)
            .map(Stamp)
            .ok_or("X-Amz-Date is not YYYYMMDDTHHMMSSZ")
    }
}

fn read(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if date.len() != 8 || time.len() != 6 || !is_digits(date) || !is_digits(time) {
        return None;
    }
    let two = |text: &str, at: usize| text[at..at + 2].parse::<u8>().ok();
    let month = Month::try_from(two(date, 4)?).ok()?;
    let date = Date::from_calendar_date(date[..4].parse().ok()?, month, two(date, 6)?).ok()?;
    let time = Time::from_hms(two(time, 0)?, two(time, 2)?, two(time, 4)?).ok()?;
    date.with_time(time)
        .assume_utc()
        .unix_timestamp()
        .try_into()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_to_the_second_or_not_at_all() {
        let read = |text: &str| text.parse::<Stamp>().ok();
        assert_eq!(read("19700101T000000Z"), Some(Stamp(0)));
        assert_eq!(read("20240229T235959Z"), Some(Stamp(1_709_251_199)));
        assert_eq!(read("20261121T110000Z"), Some(Stamp(1_795_258_800)));
        for wrong in [
            "",
            "20261121T110000",
            "2026-11-21T11:00:00Z",
            "20260229T000000Z",
            "20261301T000000Z",
            "20261121T240000Z",
            "20261121T1100+0Z",
            "19691231T235959Z",
            "2026112\u{e9}T11000Z",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
