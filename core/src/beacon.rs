//! What a client tells the server of how late events come to it, where the server asks for that.
//!
//! A report is bounded, and holds no id: times, and the way they came.

use serde::{Deserialize, Serialize};

use crate::client::Transport;
use crate::event::StreamEvent;

/// Times of events that came while they happened, until they are reported.
#[derive(Clone, Debug, Default)]
pub struct Beacon {
    late_ms: Vec<i64>,
}

/// Times of events that came by one transport.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "DeliveryReport")
)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// How they came.
    pub transport: Via,
    /// The client's clock when it sends this, milliseconds since 1970: the server takes its difference out of the times.
    pub now_ms: u64,
    /// Of each event the time from its timestamp, by the server's clock, to its arrival, by the client's; at most 1,000.
    pub late_ms: Vec<i64>,
}

/// A transport, as a report names it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// WebSocket.
    Websocket,
    /// Server-sent events.
    Sse,
    /// Long polls.
    LongPoll,
}

impl Beacon {
    /// Takes an event that has come at this time, while it happened: what is fetched from the past says nothing of the
    /// way. Past [`MOST`] until the next report, none is taken.
    pub fn add(&mut self, event: &StreamEvent, unix_ms: u64) {
        if self.late_ms.len() < MOST
            && let Some(late) = late(event, unix_ms)
        {
            self.late_ms.push(late);
        }
    }

    /// What is to be reported; none where nothing has come.
    pub fn report(&mut self, transport: Transport, unix_ms: u64) -> Option<Report> {
        if self.late_ms.is_empty() {
            return None;
        }
        Some(Report {
            transport: transport.into(),
            now_ms: unix_ms,
            late_ms: std::mem::take(&mut self.late_ms),
        })
    }
}

impl Report {
    /// How long each event took, by the server's clock: `unix_ms` is its time when the report came. The report's own way
    /// is in it, so that none is told as quicker than it was.
    pub fn took(&self, unix_ms: u64) -> impl Iterator<Item = u64> {
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        let behind = signed(unix_ms).saturating_sub(signed(self.now_ms));
        let each = self.late_ms.iter().take(MOST);
        each.map(move |late| late.saturating_add(behind).clamp(0, LONGEST).unsigned_abs())
    }
}

impl From<Transport> for Via {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::WebSocket => Self::Websocket,
            Transport::Sse => Self::Sse,
            Transport::LongPoll => Self::LongPoll,
        }
    }
}

/// The time from an event's timestamp to now, by two clocks.
pub fn late(event: &StreamEvent, unix_ms: u64) -> Option<i64> {
    let sent = i64::try_from(event.timestamp.unix_millis()?).ok()?;
    Some(i64::try_from(unix_ms).ok()?.saturating_sub(sent))
}

/// The most events of one report.
pub const MOST: usize = 1000;

/// An hour: longer than that is a clock, not a delivery.
const LONGEST: i64 = 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: u64) -> StreamEvent {
        let timestamp = crate::time::Timestamp::from_unix_millis(at);
        let event = serde_json::json!({
            "event_type": "step_progress", "execution_id": "e", "seq": 1, "timestamp": timestamp, "data": {},
        });
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn a_clock_that_goes_wrong_changes_no_time() {
        // 7 and 40 ms on the way; the report takes 5 ms more, which is told too
        for skew in [-90_000_i64, 0, 90_000] {
            let here = |server: u64| server.checked_add_signed(skew).unwrap();
            let mut beacon = Beacon::default();
            beacon.add(&event(1_000_000), here(1_000_007));
            beacon.add(&event(1_000_100), here(1_000_140));
            let report = beacon.report(Transport::Sse, here(1_001_000)).unwrap();
            let took: Vec<u64> = report.took(1_001_005).collect();
            assert_eq!(took, [12, 45], "{skew}");
            assert_eq!(beacon.report(Transport::Sse, here(1_002_000)), None);
        }
    }

    #[test]
    fn a_report_is_bounded_whatever_comes() {
        let mut beacon = Beacon::default();
        (0..3000).for_each(|n| beacon.add(&event(n), n));
        let mut report = beacon.report(Transport::WebSocket, 0).unwrap();
        assert_eq!(report.late_ms.len(), MOST);
        report.late_ms = vec![i64::MIN, i64::MAX, -5];
        report.now_ms = u64::MAX;
        assert_eq!(report.took(0).collect::<Vec<_>>(), [0, 0, 0]);
        report.now_ms = 0;
        let told: Vec<u64> = report.took(0).collect();
        assert_eq!(told, [0, 3_600_000, 0]);
        report.late_ms = vec![0; 3000];
        assert_eq!(report.took(0).count(), MOST);
    }
}
