//! What every transport takes from a request: the cursor and the filter.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use stepcast_core::event::EventType;
use stepcast_core::filter::Filter;
use stepcast_core::id::{Epoch, IdError, Position, Seq, StepId};

use crate::error::Problem;

/// From where, and what.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// From where: the header `Last-Event-ID`, else `?last_event_id=`, else `?after=`.
    pub(crate) after: Position,
    /// What: `?type=` and `?step=`, each as often as wanted.
    pub(crate) filter: Filter,
}

impl<S: Send + Sync> FromRequestParts<S> for Selection {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        let header = parts
            .headers
            .get("last-event-id")
            .map(|value| value.to_str().unwrap_or("?").to_owned());
        let (mut last_event_id, mut after, mut filter) = (None, None, Filter::default());
        for (name, value) in
            form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
        {
            match &*name {
                "last_event_id" => last_event_id = Some(value.into_owned()),
                "after" => after = Some(value.into_owned()),
                "type" => filter.types.push(EventType::from(&*value)),
                "step" => filter.steps.push(StepId::from(&*value)),
                _ => {}
            }
        }
        let cursor = header
            .filter(|text| !text.is_empty())
            .or(last_event_id)
            .or(after)
            .unwrap_or_default();
        let bad = |error: IdError| {
            Problem::new(StatusCode::BAD_REQUEST, error.to_string()).into_response()
        };
        let after = cursor.parse().map_err(bad)?;
        Ok(Self { after, filter })
    }
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
