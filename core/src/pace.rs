//! How fast a stored run is streamed again: the one range and the one spelling of `?pace=`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

/// How many times as fast as it was recorded: from 0.5 to 100, in thousandths.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Pace(u32);

/// The text is no pace.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error(
    "a pace is a number from 0.5 to 100: 1 is the speed at which the run was recorded, and without one it comes at full speed"
)]
pub struct PaceError;

impl Pace {
    /// How long `span` of the recording takes.
    pub fn shorten(self, span: Duration) -> Duration {
        span.saturating_mul(WHOLE) / self.0
    }
}

impl FromStr for Pace {
    type Err = PaceError;

    fn from_str(text: &str) -> Result<Self, PaceError> {
        let times: f64 = text.parse().map_err(|_not_a_number| PaceError)?;
        if !(SLOWEST..=FASTEST).contains(&times) {
            return Err(PaceError);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 500 to 100000"
        )]
        let thousandths = (times * f64::from(WHOLE)).round() as u32;
        Ok(Self(thousandths))
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // whole numbers only: what writes a fraction is two per cent of the headless client
        let (times, thousandths) = (self.0 / WHOLE, self.0 % WHOLE);
        let (mut digits, mut places) = (thousandths, 3);
        while digits > 0 && digits % 10 == 0 {
            digits /= 10;
            places -= 1;
        }
        match digits {
            0 => write!(f, "{times}"),
            digits => write!(f, "{times}.{digits:0places$}"),
        }
    }
}

const SLOWEST: f64 = 0.5;
const FASTEST: f64 = 100.0;
/// The pace of the recording itself.
const WHOLE: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_read_as_it_is_written() {
        for text in ["0.5", "1", "2.25", "33.333", "100"] {
            assert_eq!(text.parse::<Pace>().unwrap().to_string(), text);
        }
        assert_eq!("1e1".parse::<Pace>().unwrap().to_string(), "10");
        for text in [
            "", "0", "-1", "0.49", "0.4999", "100.1", "1e3", "NaN", "inf", "1,5", " 1", "fast",
        ] {
            assert_eq!(text.parse::<Pace>(), Err(PaceError), "{text}");
        }
    }

    #[test]
    fn a_span_becomes_shorter_by_as_much() {
        let minute = Duration::from_secs(60);
        for (pace, seconds) in [("0.5", 120.0), ("1", 60.0), ("2.5", 24.0), ("100", 0.6)] {
            let took = pace.parse::<Pace>().unwrap().shorten(minute);
            assert_eq!(took.as_secs_f64(), seconds, "{pace}");
        }
        let longest = "0.5".parse::<Pace>().unwrap().shorten(Duration::MAX);
        assert!(longest > minute);
    }
}
