//! What every transport takes from a request: the cursor, the filter, the pace and the fidelity.

use std::fmt;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use stepcast_core::event::EventType;
use stepcast_core::fidelity::{Fidelity, Manner};
use stepcast_core::filter::Filter;
use stepcast_core::id::{Epoch, Position, Seq, StepId};
use stepcast_core::pace::Pace;

use crate::error::Problem;

/// From where, what, how fast, and how much of it.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// From where: the header `Last-Event-ID`, else `?last_event_id=`, else `?after=`.
    pub after: Position,
    /// What: `?type=` and `?step=`, each as often as wanted, `?level=` and `?where=`.
    pub filter: Filter,
    /// How fast: `?pace=`; at full speed where it is not given.
    pub pace: Option<Pace>,
    /// How much: `?fidelity=`, and `?when_slow=`.
    pub manner: Manner,
}

impl Selection {
    /// What a request asks for by its header `Last-Event-ID` and its query.
    ///
    /// # Errors
    /// 400 for a cursor, a pace, a fidelity, a level or a condition that is none, and for a pace with a fidelity that has
    /// a time of its own.
    pub fn parse(last_event_id: Option<&str>, query: &str) -> Result<Self, Problem> {
        let pace = last(query, "pace");
        let pace = pace.map(|text| text.parse().map_err(bad)).transpose()?;
        let manner = manner(query)?;
        let timed = manner.fidelity.interval().is_some() || manner.fidelity == Fidelity::Snapshot;
        if pace.is_some() && timed {
            return Err(bad("a pace goes with the fidelities `full` and `steps`"));
        }
        Ok(Self {
            after: cursor(last_event_id, query).parse().map_err(bad)?,
            filter: filter(query)?,
            pace,
            manner,
        })
    }

    /// Without a pace, and of full fidelity.
    ///
    /// # Errors
    /// 400 where it is not.
    pub(crate) fn of_a_page(self) -> Result<Self, Problem> {
        let name = match (self.pace, self.manner.is_plain()) {
            (None, true) => return Ok(self),
            (Some(_), _) => "pace",
            (None, false) => "fidelity",
        };
        let detail = format!(
            "A page has no {name}: leave it out, or follow /stream/pipeline/{{id}} or /ws/pipeline/{{id}}."
        );
        Err(Problem::new(StatusCode::BAD_REQUEST, detail))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Selection {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::parse(last_event_id(parts), parts.uri.query().unwrap_or_default())
    }
}

/// The header in which a reader says where it stands.
pub(super) fn last_event_id(parts: &Parts) -> Option<&str> {
    let header = parts.headers.get("last-event-id");
    // what is no text is no cursor either
    header.map(|value| value.to_str().unwrap_or("?"))
}

/// Where a reader says that it stands, by that header or else in the query; nothing where it does not.
pub(super) fn cursor(last_event_id: Option<&str>, query: &str) -> String {
    let header = last_event_id.filter(|text| !text.is_empty());
    header
        .map(str::to_owned)
        .or_else(|| last(query, "last_event_id"))
        .or_else(|| last(query, "after"))
        .unwrap_or_default()
}

/// What a query says last under this name.
fn last(query: &str, name: &str) -> Option<String> {
    let named = form_urlencoded::parse(query.as_bytes()).filter(|(it, _)| it == name);
    named.last().map(|(_, value)| value.into_owned())
}

/// Which events a reader wants.
///
/// # Errors
/// 400 for a level or a condition that is none.
pub(super) fn filter(query: &str) -> Result<Filter, Problem> {
    let mut filter = Filter::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "type" => filter.types.push(EventType::from(&*value)),
            "step" => filter.steps.push(StepId::from(&*value)),
            "level" => filter.level = Some(value.parse().map_err(bad)?),
            "where" => filter.condition = Some(value.parse().map_err(bad)?),
            _ => {}
        }
    }
    Ok(filter)
}

/// How much a reader wants to be told.
///
/// # Errors
/// 400 for a fidelity that is none, and for another word on what is to become of slow readers.
pub(super) fn manner(query: &str) -> Result<Manner, Problem> {
    let fidelity = last(query, "fidelity").map(|text| text.parse().map_err(bad));
    let when_slow = last(query, "when_slow").map(|text| text.parse().map_err(bad));
    Ok(Manner {
        fidelity: fidelity.transpose()?.unwrap_or_default(),
        when_slow: when_slow.transpose()?.unwrap_or_default(),
    })
}

pub(super) fn bad(error: impl fmt::Display) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, error.to_string())
}

/// Where a read begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Start {
    /// After this event.
    pub(crate) after: Seq,
    /// What the reader knows of a log that is gone.
    pub(crate) void: Option<(Seq, Seq)>,
}

/// Where a position lies in a log that goes to `last_seq`.
///
/// # Errors
/// 400 where the cursor lies beyond the log's end: it is of another execution.
pub(crate) fn start(position: Position, epoch: Epoch, last_seq: Seq) -> Result<Start, Problem> {
    match position {
        Position::Earliest => Ok(Start {
            after: 0,
            void: None,
        }),
        Position::Now => Ok(Start {
            after: last_seq,
            void: None,
        }),
        Position::After(cursor) if cursor.epoch != epoch => Ok(Start {
            after: 0,
            void: (cursor.seq > 0).then_some((1, cursor.seq)),
        }),
        Position::After(cursor) if cursor.seq > last_seq => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "The cursor lies beyond the end of this execution's log: it belongs to another.",
        )),
        Position::After(cursor) => Ok(Start {
            after: cursor.seq,
            void: None,
        }),
    }
}
