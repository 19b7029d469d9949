//! Where a reader of a translation stands: between two pieces of what the log's events came to.

use std::fmt;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use stepcast_core::id::{Cursor, IdError, Position};

use super::super::parameters;
use crate::error::Problem;

/// A cursor, and how many pieces of the event after it have been seen. Written `3.7`, or `3.7.2` in the middle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) cursor: Cursor,
    pub(crate) pieces: usize,
}

impl Place {
    /// The place behind the piece with this number, of so many that the event at `cursor` came to.
    pub(super) fn behind(cursor: Cursor, piece: usize, of: usize) -> Self {
        if piece + 1 >= of {
            return Self { cursor, pieces: 0 };
        }
        let seq = cursor.seq.saturating_sub(1);
        Self {
            cursor: Cursor { seq, ..cursor },
            pieces: piece + 1,
        }
    }

    /// Whether this place lies at `other` or before it, in one log.
    pub(super) fn is_within(self, other: Self) -> bool {
        (self.cursor.seq, self.pieces) <= (other.cursor.seq, other.pieces)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cursor.fmt(f)?;
        match self.pieces {
            0 => Ok(()),
            pieces => write!(f, ".{pieces}"),
        }
    }
}

impl FromStr for Place {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut dots = text.match_indices('.').map(|(at, _)| at);
        let Some(second) = dots.nth(1) else {
            let cursor = text.parse()?;
            return Ok(Self { cursor, pieces: 0 });
        };
        let (cursor, pieces) = text.split_at(second);
        let digits = pieces.get(1..).unwrap_or_default();
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let pieces = plain.then(|| digits.parse().ok()).flatten();
        Ok(Self {
            cursor: cursor.parse()?,
            pieces: pieces.ok_or(IdError::Cursor)?,
        })
    }
}

/// Where a reader wishes to begin.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Begin {
    /// With the first event that is still there.
    #[default]
    Earliest,
    /// With what comes next.
    Now,
    /// Behind what it has seen.
    After(Place),
    /// With the answer to one of these questions, or the end of the run where none comes before it.
    Answer(Vec<String>),
}

impl<S: Send + Sync> FromRequestParts<S> for Begin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Ok(place_asked_for(parts)?.parse()?)
    }
}

impl FromStr for Begin {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.parse() {
            Ok(Position::Earliest) => Ok(Self::Earliest),
            Ok(Position::Now) => Ok(Self::Now),
            Ok(Position::After(cursor)) => Ok(Self::After(Place { cursor, pieces: 0 })),
            Err(_) => Ok(Self::After(text.parse()?)),
        }
    }
}

/// Where a request says that it wishes to begin: the header `Last-Event-ID`, else `?last_event_id=`, else `?after=`.
///
/// # Errors
/// 400 where it asks for a pace or a filter.
pub(crate) fn place_asked_for(parts: &Parts) -> Result<String, Problem> {
    let query = parts.uri.query().unwrap_or_default();
    let mut names = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name);
    if names.any(|name| matches!(&*name, "pace" | "type" | "step")) {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "A translated stream has no pace and no filter: follow /stream/pipeline/{id} for those.",
        ));
    }
    Ok(parameters::cursor(parameters::last_event_id(parts), query))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_as_it_is_read() {
        for text in ["3.7", "3.7.2", "0.0", "1.0.1"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        for text in [
            "", "3", "3.", "3.7.", "3.7.x", "3.7.-1", "3.7.2.1", "3.7.+1", ".7.1",
        ] {
            text.parse::<Place>().unwrap_err();
        }
    }

    #[test]
    fn places_behind_the_pieces_of_an_event_follow_each_other() {
        let cursor = Cursor { epoch: 3, seq: 7 };
        let of: Vec<String> = (0..3)
            .map(|piece| Place::behind(cursor, piece, 3).to_string())
            .collect();
        assert_eq!(of, ["3.6.1", "3.6.2", "3.7"]);
        assert_eq!(Place::behind(cursor, 0, 1).to_string(), "3.7");
    }
}
