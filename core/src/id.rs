//! Ids, parsed once at the edge: past it every id is valid.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is not an id.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum IdError {
    /// The text is empty.
    #[error("an id may not be empty")]
    Empty,
    /// The text is longer than [`MAX_ID_BYTES`].
    #[error("an id has at most {MAX_ID_BYTES} bytes")]
    TooLong,
    /// A character outside `A-Z a-z 0-9 . _ : -`.
    #[error("an id holds letters, digits and . _ : - only")]
    Character,
    /// A cursor that is not `<epoch>.<seq>`, `earliest` or `now`.
    #[error("a cursor is <epoch>.<seq>, two whole numbers, or `earliest` or `now`")]
    Cursor,
    /// A place in the order of runs that is not `m<epoch>.<number>`, `now` or `under_way`.
    #[error("a watch begins `now`, `under_way`, or after a mark, m<epoch>.<number>")]
    Mark,
}

/// The longest execution id, in bytes.
pub const MAX_ID_BYTES: usize = 128;

/// One run of one pipeline: 1 to 128 bytes of `A-Z a-z 0-9 . _ : -`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(type = "string"))]
#[serde(transparent)]
pub struct ExecutionId(String);

impl ExecutionId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExecutionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.is_empty() {
            return Err(IdError::Empty);
        }
        if text.len() > MAX_ID_BYTES {
            return Err(IdError::TooLong);
        }
        if !text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'))
        {
            return Err(IdError::Character);
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for ExecutionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A step of a pipeline, by the name that the pipeline's author gave it: any text.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(type = "string"))]
#[serde(transparent)]
pub struct StepId(String);

impl StepId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for StepId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for StepId {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The place of an event in its execution: 1, 2, 3 … without a hole. 0 is the place before the first.
pub type Seq = u64;

/// Which incarnation of an execution's log an event belongs to: a log that had to be recreated
/// carries another.
pub type Epoch = u64;

/// A position in one execution's log, `<epoch>.<seq>`: the event at `seq` has been seen.
///
/// Opaque outside this crate; it is SSE's `id:`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Cursor {
    /// The log's incarnation.
    pub epoch: Epoch,
    /// The last event seen; 0 for none.
    pub seq: Seq,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let number = |text: &str| -> Option<u64> {
            let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| text.parse().ok()).flatten()
        };
        let (epoch, seq) = text.split_once('.').ok_or(IdError::Cursor)?;
        Ok(Self {
            epoch: number(epoch).ok_or(IdError::Cursor)?,
            seq: number(seq).ok_or(IdError::Cursor)?,
        })
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Position {
    /// With the first event that is still there. Written `earliest`, or nothing.
    #[default]
    Earliest,
    /// With the next event to come. Written `now`.
    Now,
    /// With the event after this cursor.
    After(Cursor),
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earliest => f.write_str("earliest"),
            Self::Now => f.write_str("now"),
            Self::After(cursor) => cursor.fmt(f),
        }
    }
}

impl FromStr for Position {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text {
            "" | "earliest" => Ok(Self::Earliest),
            "now" => Ok(Self::Now),
            cursor => cursor.parse().map(Self::After),
        }
    }
}

impl Serialize for Position {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn execution_ids_are_parsed_once() {
        assert!("exec_123:a.b-C".parse::<ExecutionId>().is_ok());
        assert_eq!("".parse::<ExecutionId>(), Err(IdError::Empty));
        assert_eq!("a/b".parse::<ExecutionId>(), Err(IdError::Character));
        assert_eq!(
            "a".repeat(129).parse::<ExecutionId>(),
            Err(IdError::TooLong)
        );
    }

    #[test]
    fn cursors_are_strict() {
        assert_eq!("3.17".parse(), Ok(Cursor { epoch: 3, seq: 17 }));
        for text in [
            "",
            "3",
            "3.",
            ".3",
            "+3.1",
            "3.-1",
            "3.1.2",
            "a.b",
            "99999999999999999999.1",
            " 3.1",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(IdError::Cursor), "{text}");
        }
        assert_eq!("now".parse(), Ok(Position::Now));
        assert_eq!("".parse(), Ok(Position::Earliest));
    }
}
