//! From times to places: what the timeline shows of a run, in fractions of its width.

use stepcast_core::view::{SpanOutcome, SpanView, StepView, WaitState};

use super::super::words;

/// The stretch of time that is shown, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Scale {
    pub(super) from: u64,
    pub(super) length: u64,
}

/// Something on a step's line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bar {
    /// What it is, as the styles name it.
    pub(super) kind: &'static str,
    /// Where it begins and how long it is, as fractions of the width.
    pub(super) left: f64,
    pub(super) width: f64,
    /// What there is to say of it.
    pub(super) words: String,
}

impl Scale {
    /// The whole run; while it goes on, with room to grow, so that nothing moves with each second.
    pub(super) fn of(from: u64, until: u64, ended: bool) -> Self {
        let length = until.saturating_sub(from).max(1);
        Self {
            from,
            length: if ended { length } else { roomy(length) },
        }
    }

    /// Where a time is; what is outside is at the rim.
    pub(super) fn place(self, at: u64) -> f64 {
        let since = at.saturating_sub(self.from).min(self.length);
        since as f64 / self.length.max(1) as f64
    }

    /// Round times to write under the lines: where each is, and how much time has passed there.
    pub(super) fn ticks(self) -> Vec<(f64, String)> {
        let step = round_up(self.length / 5);
        let times = (1..)
            .map(|n| n * step)
            .take_while(|at| *at < self.length * 19 / 20);
        times
            .map(|at| (at as f64 / self.length as f64, words::duration(at as f64)))
            .collect()
    }

    fn bar(self, kind: &'static str, from: u64, to: u64, words: String) -> Bar {
        let left = self.place(from);
        Bar {
            kind,
            left,
            width: self.place(to) - left,
            words,
        }
    }

    /// The bars of a step. What is under way reaches to `now`.
    pub(super) fn bars(self, step: &StepView, now: u64) -> Vec<Bar> {
        let mut bars = Vec::with_capacity(step.spans.len());
        let mut before: Option<(u64, u64)> = None;
        for span in &step.spans {
            let open = span.outcome == SpanOutcome::Open;
            let to = span.ended_at.unwrap_or(if open { now } else { self.from });
            let from = span.started_at.unwrap_or(to).min(to);
            if let Some((iteration, ended)) = before
                && iteration == span.iteration
            {
                bars.push(self.bar(
                    "pause",
                    ended,
                    from,
                    "waiting for the next attempt".to_owned(),
                ));
            }
            bars.push(self.bar(kind(span.outcome), from, to, told(span)));
            before = span.ended_at.map(|at| (span.iteration, at));
        }
        for wait in &step.waits {
            let Some(asked) = wait.asked_at else { continue };
            let pending = wait.state == WaitState::Pending;
            let closed = step.ended_at.unwrap_or(asked);
            let to = wait
                .answered_at
                .unwrap_or(if pending { now } else { closed });
            bars.push(self.bar(
                "waiting",
                asked,
                to.max(asked),
                "waiting for a person".to_owned(),
            ));
        }
        bars
    }
}

/// An attempt in words: which, what came of it, how long it took, what went wrong.
pub(in super::super) fn told(span: &SpanView) -> String {
    let word = match span.outcome {
        SpanOutcome::Open => "under way",
        SpanOutcome::Completed => "completed",
        SpanOutcome::Failed => "failed",
        SpanOutcome::Retried => "failed, tried again",
        SpanOutcome::CutOff => "cut off when the run stopped",
        SpanOutcome::Unknown | _ => "its end is not known",
    };
    let mut words = format!("round {}, attempt {}: {word}", span.iteration, span.attempt);
    if let (Some(from), Some(to)) = (span.started_at, span.ended_at) {
        words.push_str(&format!(
            " after {}",
            words::duration(to.saturating_sub(from) as f64)
        ));
    }
    if let Some(error) = &span.error {
        words.push_str(&format!(" ({})", error.message));
    }
    words
}

const fn kind(outcome: SpanOutcome) -> &'static str {
    match outcome {
        SpanOutcome::Open => "running",
        SpanOutcome::Completed => "completed",
        SpanOutcome::Failed => "failed",
        SpanOutcome::Retried => "retried",
        SpanOutcome::CutOff => "cut-off",
        SpanOutcome::Unknown | _ => "unknown",
    }
}

/// A length with at least a tenth of room: it grows in strides.
fn roomy(length: u64) -> u64 {
    let mut room = LEAST_MS;
    while room * 9 / 10 < length {
        room = room.saturating_mul(3) / 2;
    }
    room
}

/// The next of 1, 2, 5, 10, 20, 50, … milliseconds, or of round minutes and hours.
fn round_up(least: u64) -> u64 {
    let rounds = [
        1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000,
    ]
    .into_iter()
    .chain([1, 2, 5, 10, 15, 30, 60, 120, 240, 720, 1440].map(|minutes| minutes * 60_000));
    rounds
        .into_iter()
        .find(|round| *round >= least)
        .unwrap_or(least)
}

/// The shortest stretch of a run that goes on.
const LEAST_MS: u64 = 5_000;

#[cfg(test)]
mod tests {
    use stepcast_core::view::RunView;

    use super::*;

    #[test]
    fn a_run_that_goes_on_has_room_and_one_that_ended_has_none() {
        assert_eq!(Scale::of(100, 400, true).length, 300);
        assert_eq!(Scale::of(100, 400, false).length, LEAST_MS);
        let scale = Scale::of(0, 60_000, false);
        assert!(scale.length > 66_000 && scale.length < 110_000, "{scale:?}");
        assert_eq!(Scale::of(0, 60_001, false), scale);
        assert_eq!(Scale::of(400, 100, true).place(900), 1.0);
    }

    #[test]
    fn ticks_are_round_and_few() {
        let said = |length| {
            let ticks = Scale { from: 0, length }.ticks();
            ticks
                .into_iter()
                .map(|(_, words)| words)
                .collect::<Vec<_>>()
        };
        assert_eq!(said(5_000), ["1.0 s", "2.0 s", "3.0 s", "4.0 s"]);
        assert_eq!(said(90), ["20 ms", "40 ms", "60 ms", "80 ms"]);
        assert_eq!(
            said(600_000),
            ["2 min 00 s", "4 min 00 s", "6 min 00 s", "8 min 00 s"]
        );
    }

    #[test]
    fn attempts_and_what_is_between_them_are_bars() {
        let mut view = RunView::default();
        let told = [
            (0, "step_start", serde_json::json!({})),
            (
                1,
                "step_progress",
                serde_json::json!({"kind": "retry", "attempt": 2, "error": {"message": "dead"}}),
            ),
            (3, "step_start", serde_json::json!({"attempt": 2})),
        ];
        for (seq, (second, kind, data)) in (1..).zip(told) {
            let event = serde_json::json!({"event_type": kind, "execution_id": "e", "seq": seq, "step_id": "s",
                "timestamp": format!("1970-01-01T00:00:0{second}.000Z"), "data": data});
            view.apply(&serde_json::from_value(event).unwrap());
        }
        let scale = Scale {
            from: 0,
            length: 10_000,
        };
        let bars = scale.bars(view.step("s").unwrap(), 5_000);
        let told: Vec<_> = bars
            .iter()
            .map(|bar| (bar.kind, bar.left, (bar.width * 100.0).round()))
            .collect();
        assert_eq!(
            told,
            [
                ("retried", 0.0, 10.0),
                ("pause", 0.1, 20.0),
                ("running", 0.3, 20.0)
            ]
        );
        assert_eq!(
            bars[0].words,
            "round 1, attempt 1: failed, tried again after 1.0 s (dead)"
        );
    }
}
