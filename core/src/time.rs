//! Two kinds of time, both given by the caller: core reads no clock.

use std::fmt;
use std::ops::{Add, Range};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point on a monotonic clock of the shell's choosing, as the time since that clock's start.
///
/// Only differences mean anything. A shell passes `performance.now()`, a runtime's instant, or
/// the virtual time of a test.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Time(Duration);

impl Time {
    /// The start of the clock.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The point `since_start` after the clock's start.
    pub const fn new(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// The point `ms` milliseconds after the clock's start.
    pub const fn from_millis(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }

    /// The time since the clock's start.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// How long ago `earlier` was; zero where it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(rhs))
    }
}

/// A wall-clock time as RFC 3339 in UTC with milliseconds, for example `2025-10-22T10:30:00.123Z`.
///
/// Kept as the text that travelled: an event's bytes are the same everywhere.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(type = "string"))]
#[serde(transparent)]
pub struct Timestamp(String);

impl Timestamp {
    /// The timestamp of `ms` milliseconds after 1970-01-01T00:00:00Z.
    ///
    /// The civil-from-days algorithm is Howard Hinnant's (<https://howardhinnant.github.io/date_algorithms.html>).
    pub fn from_unix_millis(ms: u64) -> Self {
        let mut text = String::with_capacity(24);
        write_unix_millis(&mut text, ms);
        Self(text)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z; `None` where the text is not of the form
    /// `YYYY-MM-DDThh:mm:ss[.fraction]Z`.
    pub fn unix_millis(&self) -> Option<u64> {
        parse_unix_millis(&self.0)
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Timestamp {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// [`Timestamp::unix_millis`] of a text that stands elsewhere.
pub fn parse_unix_millis(text: &str) -> Option<u64> {
    let text = text.as_bytes();
    let digits = |from: usize, to: usize| -> Option<u64> {
        let slice = text.get(from..to)?;
        slice.iter().try_fold(0_u64, |n, b| {
            b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0'))
        })
    };
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, b)| text.get(at) != Some(&b)) || *text.last()? != b'Z' {
        return None;
    }
    if year < 1970
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let fraction = match text.get(19..text.len() - 1)? {
        [] => 0,
        [b'.', rest @ ..] if !rest.is_empty() && rest.iter().all(u8::is_ascii_digit) => (0..3)
            .fold(0, |n, i| {
                n * 10 + rest.get(i).map_or(0, |b| u64::from(b - b'0'))
            }),
        _ => return None,
    };
    let days = days_from_civil(year, month, day)?;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + fraction)
}

/// Appends the RFC 3339 text of `ms` milliseconds after 1970-01-01T00:00:00Z: 24 bytes, no allocation
/// beyond the growth of `out`.
pub fn write_unix_millis(out: &mut String, ms: u64) {
    let (days, in_day) = (ms / 86_400_000, ms % 86_400_000);
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    put_digits(&mut text, 0..4, year);
    put_digits(&mut text, 5..7, month);
    put_digits(&mut text, 8..10, day);
    put_digits(&mut text, 11..13, in_day / 3_600_000);
    put_digits(&mut text, 14..16, in_day / 60_000 % 60);
    put_digits(&mut text, 17..19, in_day / 1000 % 60);
    put_digits(&mut text, 20..23, in_day % 1000);
    out.push_str(std::str::from_utf8(&text).unwrap_or_default());
}

/// Writes the last digits of `value` right-aligned into `places`.
fn put_digits(text: &mut [u8], places: Range<usize>, mut value: u64) {
    for byte in text.get_mut(places).unwrap_or_default().iter_mut().rev() {
        *byte = b'0' + u8::try_from(value % 10).unwrap_or_default();
        value /= 10;
    }
}

fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y / 400;
    let yoe = y % 400;
    let mp = if month > 2 { month - 3 } else { month + 9 };
    let doy = (153 * mp + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    (era * 146_097 + doe).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_survives_the_way_to_text_and_back() {
        for ms in [
            0,
            1,
            951_782_400_000,
            1_709_164_800_123,
            1_761_129_000_123,
            4_102_444_799_999,
        ] {
            assert_eq!(Timestamp::from_unix_millis(ms).unix_millis(), Some(ms));
        }
        assert_eq!(
            Timestamp::from_unix_millis(1_761_129_000_123).as_str(),
            "2025-10-22T10:30:00.123Z"
        );
        assert_eq!(
            Timestamp::from("2025-10-22T10:30:00Z".to_owned()).unix_millis(),
            Some(1_761_129_000_000)
        );
        assert_eq!(
            Timestamp::from("2025-10-22T10:30:00.1239Z".to_owned()).unix_millis(),
            Some(1_761_129_000_123)
        );
    }

    #[test]
    fn what_is_no_timestamp_has_no_time() {
        for text in [
            "",
            "2025-10-22",
            "2025-13-22T10:30:00Z",
            "2025-10-22T10:30:00",
            "2025-10-22T10:30:00.Z",
            "x025-10-22T10:30:00Z",
        ] {
            assert_eq!(
                Timestamp::from(text.to_owned()).unix_millis(),
                None,
                "{text}"
            );
        }
    }
}
