//! What a request says in its query and headers.

use stepcast_core::id::Position;

use super::Offset;

/// How a reader wishes to be told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Live {
    /// What there is.
    No,
    /// What there is, or else what comes next.
    LongPoll,
    /// What there is, and what comes.
    Sse,
}

/// What a read asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Asked {
    pub(crate) after: Position,
    pub(crate) live: Live,
    /// The cursor that a reader was given last, by which caches tell requests apart.
    pub(crate) cursor: Option<u64>,
}

impl Asked {
    /// What a query asks for; what it says beside that is nobody's business.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(query: &str) -> Result<Self, &'static str> {
        let (mut after, mut live, mut cursor) = (None, Live::No, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "offset" => {
                    let position = Offset::position(&value);
                    let position = position
                        .map_err(|_none| "`offset` is -1, now, or what Stream-Next-Offset said.")?;
                    if after.replace(position).is_some() {
                        return Err("`offset` stands there twice.");
                    }
                }
                "live" => {
                    live = match &*value {
                        "long-poll" => Live::LongPoll,
                        "sse" => Live::Sse,
                        _ => return Err("`live` is long-poll or sse."),
                    }
                }
                // one that is none of ours is as good as none
                "cursor" => cursor = value.parse().ok(),
                _ => {}
            }
        }
        if after.is_none() && live != Live::No {
            return Err("A live read says from where: `offset` is missing.");
        }
        Ok(Self {
            after: after.unwrap_or_default(),
            live,
            cursor,
        })
    }
}

/// Whether `Stream-Closed` says so; every other value is as good as none.
pub(crate) fn is_closing(value: Option<&[u8]>) -> bool {
    value.is_some_and(|value| value.eq_ignore_ascii_case(b"true"))
}

/// The cursor to go on with: the number of the interval that `unix_millis` lies in, or one that is past what the reader
/// had by up to an hour, so that no cache answers it with what it was answered with before.
pub(crate) fn cursor(unix_millis: u64, had: Option<u64>, chance: impl FnOnce(u64) -> u64) -> u64 {
    let now = unix_millis.saturating_sub(EPOCH_MILLIS) / INTERVAL_MILLIS;
    match had {
        Some(had) if had >= now => {
            had.saturating_add(1 + chance(JITTER_SECONDS * 1000 / INTERVAL_MILLIS))
        }
        Some(_) | None => now,
    }
}

/// 9 October 2024, from which the protocol counts.
const EPOCH_MILLIS: u64 = 1_728_432_000_000;

/// How long a cache may take two readers for one.
const INTERVAL_MILLIS: u64 = 20_000;

/// How far ahead a cursor may be put.
const JITTER_SECONDS: u64 = 3_600;
