//! Times as RFC 3339 has them.

const MILLIS_PER_SECOND: u64 = 1_000;
const MILLIS_PER_DAY: u64 = 86_400 * MILLIS_PER_SECOND;

/// The last millisecond of the year 9999.
const LAST_OF_9999: u64 = 253_402_300_799_999;

/// Writes times, quickly when they are of the same day.
#[derive(Debug)]
pub(crate) struct TimeWriter {
    date: Date,
}

impl Default for TimeWriter {
    fn default() -> Self {
        Self {
            date: Date::of_day(0),
        }
    }
}

impl TimeWriter {
    /// The length of what is written for `millis`.
    pub(crate) fn length(millis: u64) -> usize {
        // Years of more than four digits are the only texts that are longer.
        match millis {
            0..=LAST_OF_9999 => "2026-11-20T10:15:30.123Z".len(),
            _ => {
                let mut text = Vec::new();
                Self::default().write(millis, &mut text);
                text.len()
            }
        }
    }

    /// Appends milliseconds since the Unix epoch as `2026-11-20T10:15:30.123Z`.
    pub(crate) fn write(&mut self, millis: u64, out: &mut Vec<u8>) {
        let day = millis / MILLIS_PER_DAY;
        if self.date.day != day {
            self.date = Date::of_day(day);
        }
        let of_day = millis % MILLIS_PER_DAY;
        let (seconds, millis) = (of_day / MILLIS_PER_SECOND, of_day % MILLIS_PER_SECOND);
        out.extend_from_slice(self.date.text.as_bytes());
        out.push(b'T');
        write_digits::<2>(seconds / 3_600, out);
        out.push(b':');
        write_digits::<2>(seconds / 60 % 60, out);
        out.push(b':');
        write_digits::<2>(seconds % 60, out);
        out.push(b'.');
        write_digits::<3>(millis, out);
        out.push(b'Z');
    }
}

/// The parts of a time as RFC 3339 has them: `2026`, `11`, `20`, `10`, `15`, `30`.
pub(crate) fn time_parts(millis: u64) -> [String; 6] {
    let mut text = Vec::new();
    TimeWriter::default().write(millis, &mut text);
    let text = String::from_utf8_lossy(&text);
    let mut parts = text.split(['-', 'T', ':', '.']);
    std::array::from_fn(|_| parts.next().unwrap_or_default().to_owned())
}

/// A day since the Unix epoch, and how it is written.
#[derive(Debug)]
struct Date {
    day: u64,
    text: String,
}

impl Date {
    /// The civil date of a day: the Gregorian calendar repeats every 400 years, and a
    /// year that begins in March has its leap day at the end.
    fn of_day(day: u64) -> Self {
        let from_era = day + 719_468;
        let (era, day_of_era) = (from_era / 146_097, from_era % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let (month, next_year) = if month_from_march < 10 {
            (month_from_march + 3, 0)
        } else {
            (month_from_march - 9, 1)
        };
        let year = era * 400 + year_of_era + next_year;
        Self {
            day,
            text: format!("{year:04}-{month:02}-{day_of_month:02}"),
        }
    }
}

fn write_digits<const N: usize>(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(millis: u64) -> String {
        let mut out = Vec::new();
        TimeWriter::default().write(millis, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_rfc_3339_with_milliseconds() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800_001, "2024-02-29T00:00:00.001Z"),
            (1_735_689_599_999, "2024-12-31T23:59:59.999Z"),
            (1_795_169_730_123, "2026-11-20T10:15:30.123Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(time(millis), text);
        }
    }

    #[test]
    fn a_time_is_taken_apart() {
        let parts = time_parts(1_795_169_730_123);
        assert_eq!(parts, ["2026", "11", "20", "10", "15", "30"]);
    }

    #[test]
    fn every_day_follows_the_one_before_it() {
        let divides = |number: u64, year: u64| year.is_multiple_of(number);
        let leap = |year| divides(4, year) && (!divides(100, year) || divides(400, year));
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for number in 0..200_000 {
            assert_eq!(
                Date::of_day(number).text,
                format!("{year:04}-{month:02}-{day:02}")
            );
            let days = match month {
                2 if leap(year) => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > days {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }
}
