//! Fidelity: how much of a stream its subscriber wants to be told.
//!
//! Whatever it is, a cursor means the same place in the log: who comes back from it with another fidelity goes on exactly
//! there. What is left out is no gap.

mod lens;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

pub(crate) use self::lens::FROM;

/// How much a subscriber wants to be told. Written as [`fmt::Display`] does.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Fidelity {
    /// Every event, as it stands in the log. Written `full`, or nothing.
    #[default]
    Full,
    /// Tokens of one channel that follow one another within this time are one event. Written `coalesced`, or
    /// `coalesced:MS`.
    Coalesced(Interval),
    /// That the run and each of its steps begin and end, and no more. Written `steps`.
    Steps,
    /// What the events so far come to, then every event. Written `snapshot`.
    Snapshot,
}

/// The text is no fidelity.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error(
    "a fidelity is `full`, `coalesced`, `coalesced:MS` with 100 to 60000 milliseconds, `steps` or `snapshot`"
)]
pub struct FidelityError;

/// How long tokens gather: 100 to 60,000 milliseconds.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Interval(u16);

impl Interval {
    /// Where none is given.
    pub const DEFAULT: Self = Self(1000);

    /// How long that is.
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0.into())
    }
}

impl FromStr for Interval {
    type Err = FidelityError;

    fn from_str(text: &str) -> Result<Self, FidelityError> {
        let ms: u16 = text.parse().map_err(|_not_a_number| FidelityError)?;
        let fits = (LEAST..=MOST).contains(&ms) && !text.starts_with('+');
        fits.then_some(Self(ms)).ok_or(FidelityError)
    }
}

const LEAST: u16 = 100;
const MOST: u16 = 60_000;

impl Fidelity {
    /// Whether it leaves events out: then a hole in the numbers is no loss.
    pub fn leaves_out(self) -> bool {
        self == Self::Steps
    }

    /// How long tokens gather; none where they do not.
    pub fn interval(self) -> Option<Duration> {
        match self {
            Self::Coalesced(interval) => Some(interval.duration()),
            Self::Full | Self::Steps | Self::Snapshot => None,
        }
    }

    /// What remains of it once its subscriber has seen all there is.
    #[must_use]
    pub fn at_the_tail(self) -> Self {
        match self {
            Self::Snapshot => Self::Full,
            Self::Full | Self::Coalesced(_) | Self::Steps => self,
        }
    }
}

impl fmt::Display for Fidelity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("full"),
            Self::Coalesced(Interval::DEFAULT) => f.write_str("coalesced"),
            Self::Coalesced(Interval(ms)) => write!(f, "coalesced:{ms}"),
            Self::Steps => f.write_str("steps"),
            Self::Snapshot => f.write_str("snapshot"),
        }
    }
}

impl FromStr for Fidelity {
    type Err = FidelityError;

    fn from_str(text: &str) -> Result<Self, FidelityError> {
        match text {
            "" | "full" => Ok(Self::Full),
            "coalesced" => Ok(Self::Coalesced(Interval::DEFAULT)),
            "steps" => Ok(Self::Steps),
            "snapshot" => Ok(Self::Snapshot),
            other => match other.strip_prefix("coalesced:") {
                Some(ms) => ms.parse().map(Self::Coalesced),
                None => Err(FidelityError),
            },
        }
    }
}

impl Serialize for Fidelity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fidelity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What becomes of a subscriber that is slower than the run.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WhenSlow {
    /// It gets everything, later.
    #[default]
    Lag,
    /// It gets [`Fidelity::Steps`] until it has caught up, and is told so.
    Degrade,
}

/// The text says neither.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("`when_slow` is `lag` or `degrade`")]
pub struct WhenSlowError;

impl FromStr for WhenSlow {
    type Err = WhenSlowError;

    fn from_str(text: &str) -> Result<Self, WhenSlowError> {
        match text {
            "lag" => Ok(Self::Lag),
            "degrade" => Ok(Self::Degrade),
            _ => Err(WhenSlowError),
        }
    }
}

/// How a subscriber wants to be told.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Manner {
    /// How much.
    pub fidelity: Fidelity,
    /// What where that is too much.
    pub when_slow: WhenSlow,
}

impl Manner {
    /// What remains of it once its subscriber has seen all there is.
    #[must_use]
    pub fn at_the_tail(self) -> Self {
        Self {
            fidelity: self.fidelity.at_the_tail(),
            ..self
        }
    }

    /// Whether it gets every event, as it stands in the log and one by one, from its cursor on.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fidelity_is_read_as_it_is_written() {
        for text in [
            "full",
            "coalesced",
            "coalesced:100",
            "coalesced:60000",
            "steps",
            "snapshot",
        ] {
            assert_eq!(text.parse::<Fidelity>().unwrap().to_string(), text);
        }
        assert_eq!("".parse(), Ok(Fidelity::Full));
        assert_eq!("coalesced:1000".parse(), "coalesced".parse::<Fidelity>());
        for text in [
            "less",
            "coalesced:",
            "coalesced:99",
            "coalesced:60001",
            "coalesced:+200",
            "coalesced:1e3",
            "steps:100",
        ] {
            assert_eq!(text.parse::<Fidelity>(), Err(FidelityError), "{text}");
        }
    }
}
