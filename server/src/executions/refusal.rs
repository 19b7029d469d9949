//! Why a producer's events are not taken, and how it is told: by the status codes and headers of Durable Streams.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use stepcast_core::control::EndReason;
use stepcast_core::id::Cursor;

use crate::context::EmitError;
use crate::error::Problem;
use crate::log::StoreError;

/// Why not.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// The execution has ended.
    Ended {
        /// How.
        reason: EndReason,
        /// Where its log ends.
        cursor: Cursor,
    },
    /// A newer incarnation of the producer has written.
    Fenced {
        /// That one.
        epoch: u64,
    },
    /// Requests before this one are missing.
    Hole {
        /// The number that would be next.
        expected: u64,
        /// The one that came.
        received: u64,
    },
    /// A new epoch begins with 0.
    NotFromZero,
    /// The execution has had too many producers.
    TooManyProducers,
    /// More events than may come at once.
    TooManyEvents {
        /// So many may.
        most: u32,
    },
    /// The producer is too fast.
    TooFast {
        /// Until when it should wait.
        wait: Duration,
    },
    /// It does not come after what is there, in the order of a stream's writers.
    OutOfOrder,
    /// Anything else.
    Other(Problem),
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Ended { reason, cursor } => Self::new(
                StatusCode::CONFLICT,
                "The execution has ended: nothing can be added to it. `reason` says how it ended.",
            )
            .with("reason", reason.as_str())
            .with("last_seq", cursor.seq)
            .header(STREAM_CLOSED, HeaderValue::from_static("true"))
            .header(STREAM_NEXT_OFFSET, cursor_value(cursor)),
            Refusal::Fenced { epoch } => Self::new(
                StatusCode::FORBIDDEN,
                "A newer incarnation of this producer has written: this one must stop. Producer-Epoch is the newer one's.",
            )
            .header(PRODUCER_EPOCH, epoch),
            Refusal::Hole { expected, received } => Self::new(
                StatusCode::CONFLICT,
                "Requests before this one are missing: send those from Producer-Expected-Seq on.",
            )
            .with("expected", expected)
            .with("received", received)
            .header(PRODUCER_EXPECTED_SEQ, expected)
            .header(PRODUCER_RECEIVED_SEQ, received),
            Refusal::NotFromZero => Self::new(
                StatusCode::BAD_REQUEST,
                "In a new Producer-Epoch the first Producer-Seq is 0.",
            ),
            Refusal::TooManyProducers => Self::new(
                StatusCode::CONFLICT,
                "The execution has had too many producers: no more can be told apart.",
            ),
            Refusal::TooManyEvents { most } => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("At most {most} events are taken at once; the setting is max_events_per_second."),
            ),
            Refusal::TooFast { wait } => Self::too_many(
                "The events come faster than the setting max_events_per_second allows.",
                wait.as_secs() + 1,
            ),
            Refusal::OutOfOrder => Self::new(
                StatusCode::CONFLICT,
                "Stream-Seq has to be greater, byte by byte, than the last one that was taken.",
            ),
            Refusal::Other(problem) => problem,
        }
    }
}

impl From<EmitError> for Refusal {
    fn from(error: EmitError) -> Self {
        Self::Other(error.into())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Other(error.into())
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Other(problem)
    }
}

/// A cursor as a header carries it.
pub(crate) fn cursor_value(cursor: Cursor) -> HeaderValue {
    HeaderValue::try_from(cursor.to_string()).unwrap_or(HeaderValue::from_static("0.0"))
}

/// The producer's incarnation.
pub(crate) const PRODUCER_EPOCH: HeaderName = HeaderName::from_static("producer-epoch");

/// The highest number taken.
pub(crate) const PRODUCER_SEQ: HeaderName = HeaderName::from_static("producer-seq");

/// The number that would be next.
const PRODUCER_EXPECTED_SEQ: HeaderName = HeaderName::from_static("producer-expected-seq");

/// The number that came.
const PRODUCER_RECEIVED_SEQ: HeaderName = HeaderName::from_static("producer-received-seq");

/// The execution has ended.
pub(crate) const STREAM_CLOSED: HeaderName = HeaderName::from_static("stream-closed");

/// Where a subscriber stands that has seen everything.
pub(crate) const STREAM_NEXT_OFFSET: HeaderName = HeaderName::from_static("stream-next-offset");
