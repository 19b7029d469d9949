//! A request's body, as long as it comes.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use super::LimitSettings;
use crate::error::Problem;

/// A body that is to be whole in its time: it may pause for so long, and past that it must keep a pace.
#[derive(Debug)]
pub(crate) struct Arriving {
    body: BodyDataStream,
    pause: Duration,
    /// Bytes a second; 0 for any.
    pace: u64,
    begun: Instant,
    received: u64,
}

impl Arriving {
    pub(crate) fn new(body: Body, limits: &LimitSettings) -> Self {
        Self {
            body: body.into_data_stream(),
            pause: Duration::from_millis(limits.body_deadline_ms),
            pace: limits.body_bytes_per_second,
            begun: Instant::now(),
            received: 0,
        }
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    /// 408 where it comes too slowly, 400 where it broke off.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, Problem>> {
        let piece = match timeout_at(self.due(), self.body.next()).await {
            Ok(piece) => piece?,
            Err(_late) => return Some(Err(too_slow())),
        };
        Some(match piece {
            Ok(piece) => {
                self.received += piece.len() as u64;
                Ok(piece)
            }
            Err(_broken) => Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "The body ended before it was whole.",
            )),
        })
    }

    /// When something more must have come.
    fn due(&self) -> Instant {
        let paused = Instant::now() + self.pause;
        if self.pace == 0 {
            return paused;
        }
        let earned = Duration::from_secs(self.received / self.pace);
        paused.min(self.begun + self.pause + earned)
    }
}

fn too_slow() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "The body comes too slowly: send it again, faster; the settings are limits.body_deadline_ms and limits.body_bytes_per_second.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body of so many pieces of a byte, one each after so many milliseconds.
    fn trickle(pieces: u64, every_ms: u64) -> Arriving {
        let pieces = futures_util::stream::iter(0..pieces).then(move |_| async move {
            tokio::time::sleep(Duration::from_millis(every_ms)).await;
            Ok::<_, std::io::Error>(Bytes::from_static(b"x"))
        });
        let limits = LimitSettings {
            body_deadline_ms: 1_000,
            body_bytes_per_second: 10,
            ..LimitSettings::default()
        };
        Arriving::new(Body::from_stream(pieces), &limits)
    }

    async fn taken(mut body: Arriving) -> Result<usize, u16> {
        let mut taken = 0;
        while let Some(piece) = body.next().await {
            taken += piece.map_err(|problem| problem.status())?.len();
        }
        Ok(taken)
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_ends_a_body_and_so_does_a_trickle_but_not_a_slow_line() {
        assert_eq!(taken(trickle(1, 900)).await, Ok(1));
        assert_eq!(taken(trickle(2, 1_100)).await, Err(408));
        // two bytes a second, for ever: over after the first second and what it has earned
        assert_eq!(taken(trickle(1_000, 500)).await, Err(408));
        // twenty bytes a second
        assert_eq!(taken(trickle(1_000, 50)).await, Ok(1_000));
    }
}
