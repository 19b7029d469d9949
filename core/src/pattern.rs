//! Patterns: runs that a subscriber wants before they are there.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{Cursor, Epoch, IdError};

/// Which runs a watch picks up: those where each rule that is given holds, out of those that the subscriber may see.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Pattern {
    /// Of one of these pipelines; of any where empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pipelines: Vec<String>,
    /// The subscriber's own only, where it may see those of others.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mine: bool,
}

/// A place in the order in which runs were made, `m<epoch>.<number>`: all up to it have been looked at. The default lies
/// before all of them.
///
/// Opaque outside this crate and the server.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(type = "string"))]
pub struct Mark {
    /// The log's incarnation when the run was made.
    pub epoch: Epoch,
    /// The store's number of the run.
    pub number: u64,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m{}.{}", self.epoch, self.number)
    }
}

impl FromStr for Mark {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let place = text.strip_prefix('m').map(str::parse);
        let Some(Ok(Cursor { epoch, seq: number })) = place else {
            return Err(IdError::Mark);
        };
        Ok(Self { epoch, number })
    }
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Since {
    /// With the next run that is made. Written `now`, or nothing.
    #[default]
    Now,
    /// With the runs that have not ended. Written `under_way`.
    UnderWay,
    /// With the run after this mark, ended or not: a watch that was cut off misses none.
    After(Mark),
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => f.write_str("now"),
            Self::UnderWay => f.write_str("under_way"),
            Self::After(mark) => mark.fmt(f),
        }
    }
}

impl FromStr for Since {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text {
            "" | "now" => Ok(Self::Now),
            "under_way" => Ok(Self::UnderWay),
            mark => mark.parse().map(Self::After),
        }
    }
}

/// Written and read as their text.
macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    )*};
}
as_text!(Mark, Since);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_as_they_are_read() {
        for text in ["now", "under_way", "m0.0", "m7.18446744073709551615"] {
            assert_eq!(text.parse::<Since>().unwrap().to_string(), text);
        }
        for text in [
            "m",
            "m1",
            "m1.-1",
            "m1.+1",
            "1.2",
            "later",
            "m1.18446744073709551616",
        ] {
            assert!(text.parse::<Since>().is_err(), "{text}");
        }
        assert_eq!("".parse::<Since>().unwrap(), Since::Now);
    }
}
