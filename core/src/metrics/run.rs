//! The counts of one execution, folded out of its events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::counts::Counts;
use crate::event::{EventType, StreamEvent};
use crate::id::StepId;

/// The counts of one execution: of all of it, and of each step.
///
/// The same events give the same counts, live or replayed, in any portions. What an execution that goes on from another
/// one tells of that one's history belongs to the other and is not counted again.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct RunMetrics {
    /// All of it.
    pub total: Counts,
    /// Each step's own, at most [`MAX_STEPS`] of them.
    pub steps: BTreeMap<StepId, Counts>,
    /// Steps that are not in `steps`, since there were too many.
    pub steps_left_out: bool,
    /// Whether events were gone before they could be counted.
    pub incomplete: bool,
    /// When it began, milliseconds since 1970.
    began: Option<u64>,
    /// What is known of step executions that have not ended.
    open: BTreeMap<StepId, Open>,
    /// Whether anybody was asked in the run.
    asked: bool,
}

/// What counts once for a step execution, however often it is said.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
struct Open {
    compensated: bool,
    strayed: bool,
    /// Tokens of the answer that is under way: what is said later replaces them.
    usage: (u64, u64),
}

/// The most steps that have counts of their own.
pub const MAX_STEPS: usize = 1000;

impl RunMetrics {
    /// Whether an event of this type, with this JSON, can change anything: most events of a run are tokens, and are
    /// passed over unparsed.
    pub fn concerns(event_type: &str, json: &str) -> bool {
        event_type != EventType::StepProgress.as_str() || !json.contains(r#""kind":"token""#)
    }

    /// The same of an event that is parsed already.
    pub fn concerned_by(event: &StreamEvent) -> bool {
        event.event_type != EventType::StepProgress
            || event.data.get("kind").is_none_or(|kind| kind != "token")
    }

    /// Some events are gone: what they would have added is not known.
    pub fn gap(&mut self) {
        self.incomplete = true;
    }

    /// Takes the next event.
    pub fn apply(&mut self, event: &StreamEvent) {
        let at = event.timestamp.unix_millis();
        let data = &event.data;
        match &event.event_type {
            EventType::PipelineStart => {
                self.began = at;
                self.total.runs = 1;
            }
            EventType::StepStart => {
                if let Some(step) = &event.step_id {
                    self.open.insert(step.clone(), Open::default());
                }
            }
            EventType::StepProgress => self.progress(event.step_id.as_ref(), data, at),
            EventType::StepComplete => self.step_ends(event, true),
            EventType::StepError => self.step_ends(event, false),
            EventType::PipelineComplete => {
                let taken = number(data, "duration_ms").or_else(|| elapsed(self.began, at));
                if let Some(ms) = taken {
                    self.total.run_ms.add(ms);
                }
                self.open.clear();
            }
            EventType::PipelineError => self.open.clear(),
            EventType::StepOutput | EventType::CheckpointSaved | EventType::Unknown(_) => {}
        }
    }

    fn progress(&mut self, step: Option<&StepId>, data: &Value, at: Option<u64>) {
        let kind = data.get("kind").and_then(Value::as_str);
        match kind.unwrap_or_default() {
            "retry" => self.count(step, |counts| counts.retries += 1),
            "waiting" => {
                self.count(step, |counts| counts.waits += 1);
                if !std::mem::replace(&mut self.asked, true) {
                    self.total.runs_with_person += 1;
                }
            }
            "compensated" => self.once(
                step,
                |open| &mut open.compensated,
                |counts| {
                    counts.steps_compensated += 1;
                },
            ),
            "mode" if strays(data) => self.stray(step),
            "llm" => self.answer_ends(step),
            "usage" => {
                let tokens = |key| data.get(key).and_then(Value::as_u64).unwrap_or_default();
                let usage = (tokens("input_tokens"), tokens("output_tokens"));
                self.used(step, usage);
            }
            "tool_call" => {
                if let Some(ms) = number(data, "duration_ms") {
                    self.count(step, |counts| counts.tool_ms.add(ms));
                }
            }
            "explanation" if is_success(data) => {
                if let Some(ms) = number(data, "duration_ms") {
                    self.count(step, |counts| counts.explain_ms.add(ms));
                }
            }
            "replay" => {
                let succeeded = u64::from(is_success(data));
                self.count(step, |counts| {
                    counts.replays += 1;
                    counts.replays_succeeded += succeeded;
                });
            }
            "resumed" if data.get("reason").is_some_and(|reason| reason == "request") => {
                *self = Self {
                    began: at,
                    ..Self::default()
                };
                self.total.runs = 1;
            }
            _ => {}
        }
    }

    fn step_ends(&mut self, event: &StreamEvent, well: bool) {
        let step = event.step_id.as_ref();
        if event.metadata.as_ref().is_some_and(strays) {
            self.stray(step);
        }
        let ms = number(&event.data, "duration_ms");
        self.count(step, |counts| {
            let ended = if well {
                &mut counts.steps_completed
            } else {
                &mut counts.steps_failed
            };
            *ended += 1;
            if let Some(ms) = ms {
                counts.step_ms.add(ms);
            }
        });
        if let Some(step) = step {
            self.open.remove(step);
        }
    }

    /// The mode was not the declared one, in this execution of the step.
    fn stray(&mut self, step: Option<&StepId>) {
        self.once(
            step,
            |open| &mut open.strayed,
            |counts| {
                counts.mode_violations += 1;
            },
        );
    }

    /// What an answer took, in place of what was said of it before.
    fn used(&mut self, step: Option<&StepId>, usage: (u64, u64)) {
        let before = step.map_or((0, 0), |step| {
            std::mem::replace(&mut self.open.entry(step.clone()).or_default().usage, usage)
        });
        self.count(step, |counts| {
            let replace = |sum: &mut u64, before: u64, now: u64| {
                *sum = sum.saturating_sub(before).saturating_add(now);
            };
            replace(&mut counts.input_tokens, before.0, usage.0);
            replace(&mut counts.output_tokens, before.1, usage.1);
        });
    }

    /// The next answer begins: what the last one took stays.
    fn answer_ends(&mut self, step: Option<&StepId>) {
        if let Some(open) = step.and_then(|step| self.open.get_mut(step)) {
            open.usage = (0, 0);
        }
    }

    /// Counts what counts once for an execution of a step.
    fn once(
        &mut self,
        step: Option<&StepId>,
        said: fn(&mut Open) -> &mut bool,
        add: impl Fn(&mut Counts),
    ) {
        let Some(step) = step else {
            return;
        };
        let open = self.open.entry(step.clone()).or_default();
        if !std::mem::replace(said(open), true) {
            self.count(Some(step), add);
        }
    }

    /// Counts for the run, and for the step.
    fn count(&mut self, step: Option<&StepId>, add: impl Fn(&mut Counts)) {
        add(&mut self.total);
        let Some(step) = step else {
            return;
        };
        if let Some(counts) = self.steps.get_mut(step) {
            add(counts);
        } else if self.steps.len() < MAX_STEPS {
            add(self.steps.entry(step.clone()).or_default());
        } else {
            self.steps_left_out = true;
        }
    }
}

/// Whether both modes are named, and differ.
fn strays(data: &Value) -> bool {
    let mode = |keys: [&str; 2]| keys.iter().find_map(|key| data.get(*key)?.as_str());
    let (declared, actual) = (
        mode(["declared", "declared_mode"]),
        mode(["actual", "mode"]),
    );
    declared
        .zip(actual)
        .is_some_and(|(declared, actual)| declared != actual)
}

fn is_success(data: &Value) -> bool {
    data.get("succeeded").and_then(Value::as_bool) == Some(true)
}

/// The number at `key`, where it can be a time.
fn number(data: &Value, key: &str) -> Option<f64> {
    let number = data.get(key).and_then(Value::as_f64);
    number.filter(|ms| ms.is_finite() && *ms >= 0.0)
}

/// Milliseconds between two times; none where the clock went backwards.
#[expect(
    clippy::cast_precision_loss,
    reason = "exact for 285,000 years of milliseconds"
)]
fn elapsed(from: Option<u64>, to: Option<u64>) -> Option<f64> {
    to?.checked_sub(from?).map(|ms| ms as f64)
}
