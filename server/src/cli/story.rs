//! A run told in lines: what stays on the terminal above the bars, and all there is without them.

use std::collections::BTreeMap;

use serde_json::Value;
use stepcast_core::control::EndReason;
use stepcast_core::event::{EventType, StreamEvent};
use stepcast_core::view::{RunView, StepStatus, StepView};

use super::shapes;
use super::words::{clean, count, duration};

/// Turns events into lines. Text that is streamed is told line by line, as soon as a line is whole.
#[derive(Debug)]
pub(super) struct Story {
    color: bool,
    /// Text of a step that is not yet told.
    unfinished: BTreeMap<String, String>,
}

impl Story {
    pub(super) fn new(color: bool) -> Self {
        Self {
            color,
            unfinished: BTreeMap::new(),
        }
    }

    /// The lines that this event adds; `view` has it already.
    pub(super) fn tell(&mut self, view: &RunView, event: &StreamEvent) -> Vec<String> {
        let mut lines = Vec::new();
        let step = event.step_id.as_ref().and_then(|id| view.step(id.as_str()));
        match (&event.event_type, step) {
            (EventType::PipelineStart, _) => lines.push(self.headline(view)),
            (EventType::StepProgress, Some(step)) => self.progress(step, &event.data, &mut lines),
            (EventType::StepProgress, None) => lines.extend(self.resumed(&event.data)),
            (EventType::StepComplete | EventType::StepError, Some(step)) => {
                self.flush(&step.id, &mut lines);
                lines.push(self.ending(step));
            }
            (EventType::PipelineComplete | EventType::PipelineError, _) => {
                for id in std::mem::take(&mut self.unfinished).into_keys() {
                    self.flush(&id, &mut lines);
                }
            }
            _ => {}
        }
        lines
    }

    /// The text of a step that is not yet a line.
    pub(super) fn unfinished(&self, step: &str) -> &str {
        self.unfinished.get(step).map_or("", String::as_str)
    }

    /// How it ended.
    pub(super) fn end(&self, view: &RunView, now_ms: u64) -> Vec<String> {
        let counts = view.counts();
        let mut text = self.bold(view.status_words());
        if let Some(ms) = view.duration_ms(now_ms) {
            text.push_str(&format!(" in {}", duration(ms)));
        }
        text.push_str(&format!(
            ", {} of {} completed",
            counts.completed,
            count(counts.total(), "step")
        ));
        if view.missing > 0 {
            text.push_str(&format!(", {} events missing", view.missing));
        }
        let good = view.end == Some(EndReason::Complete);
        let mut lines = vec![format!("{} {text}", self.mark(good))];
        if let Some(error) = view.error.as_ref().filter(|_| !good) {
            let place = error
                .step_id
                .as_ref()
                .map(|id| format!("step {}: ", clean(id)))
                .unwrap_or_default();
            lines.push(format!("  {place}{}", clean(&error.message)));
        }
        lines
    }

    fn headline(&self, view: &RunView) -> String {
        let name = view.name.as_deref().unwrap_or("a pipeline without a name");
        let id = view.execution_id.as_ref().map_or("", |id| id.as_str());
        let steps = count(view.steps.len(), "step");
        format!("{} · {steps} · {id}", self.bold(&clean(name)))
    }

    fn progress(&mut self, step: &StepView, data: &Value, lines: &mut Vec<String>) {
        let id = clean(&step.id);
        match data.get("kind").and_then(Value::as_str) {
            // what a model thinks is for the page: here it would stand between the lines of its answer
            Some("token") if data.get("channel").is_some_and(|it| !it.is_null()) => {}
            Some("token") => {
                let text = data.get("text").and_then(Value::as_str).unwrap_or_default();
                self.stream(&step.id, text, lines);
            }
            Some("log") => {
                if let Some(log) = step.logs.last() {
                    let (level, message) = (clean(&log.level), clean(&log.message));
                    lines.push(self.dim(&format!("  {id} {level}: {message}")));
                }
            }
            Some("retry") => {
                self.flush(&step.id, lines);
                let most = step.max_attempts.map(|most| format!(" of {most}"));
                let why = step.error.as_ref().map(|error| clean(&error.message));
                lines.push(format!(
                    "{} {id}: attempt {}{} follows: {}",
                    self.paint("33", "↻"),
                    step.attempt,
                    most.unwrap_or_default(),
                    why.unwrap_or_default(),
                ));
            }
            Some("fallback") => lines.push(format!("{} {id}: fallback", self.paint("33", "↷"))),
            Some(_) | None => {
                if let Some((color, mark, words)) = shapes::line(step, data) {
                    self.flush(&step.id, lines);
                    lines.push(self.paint(color, &format!("{mark} {words}")));
                }
            }
        }
    }

    /// That the run goes on after it had stopped: what steps were about to say is void.
    fn resumed(&mut self, data: &Value) -> Option<String> {
        if data.get("kind").and_then(Value::as_str) != Some("resumed") {
            return None;
        }
        self.unfinished.clear();
        let steps = data.get("steps").and_then(Value::as_array);
        let steps = steps.into_iter().flatten().filter_map(Value::as_str);
        let steps: Vec<String> = steps.map(clean).collect();
        let mark = self.paint("33", "↻");
        Some(format!(
            "{mark} resumed; begins again: {}",
            steps.join(", ")
        ))
    }

    /// Takes streamed text, and tells what is whole of it. A line that grows long is broken at a space.
    fn stream(&mut self, id: &str, text: &str, lines: &mut Vec<String>) {
        let mut held = self.unfinished.remove(id).unwrap_or_default();
        held.push_str(text);
        let mut rest = held.as_str();
        while let Some((line, after)) = next_line(rest) {
            lines.push(self.text_line(id, line));
            rest = after;
        }
        if !rest.is_empty() {
            self.unfinished.insert(id.to_owned(), rest.to_owned());
        }
    }

    fn flush(&mut self, id: &str, lines: &mut Vec<String>) {
        if let Some(rest) = self.unfinished.remove(id) {
            lines.push(self.text_line(id, &rest));
        }
    }

    fn text_line(&self, id: &str, text: &str) -> String {
        format!(
            "{} {}",
            self.dim(&format!("  {} │", clean(id))),
            clean(text)
        )
    }

    fn ending(&self, step: &StepView) -> String {
        let mut text = clean(&step.id);
        if step.iteration > 1 {
            text.push_str(&format!(", iteration {}", step.iteration));
        }
        if let Some(ms) = step.duration_ms {
            text.push_str(&self.dim(&format!(" {}", duration(ms))));
        }
        let good = step.status == StepStatus::Completed;
        if let Some(error) = step.error.as_ref().filter(|_| !good) {
            text.push_str(&format!(
                " {}: {}",
                clean(&error.category),
                clean(&error.message)
            ));
        }
        if step.status == StepStatus::FailedContinued {
            text.push_str(" (the run goes on)");
        }
        format!("{} {text}", self.mark(good))
    }

    fn mark(&self, good: bool) -> String {
        if good {
            self.paint("32", "✓")
        } else {
            self.paint("31", "✗")
        }
    }

    fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// The first line of `text` that is whole, and what follows it.
fn next_line(text: &str) -> Option<(&str, &str)> {
    if let Some(at) = text.find('\n') {
        if at <= LINE_BYTES {
            let (line, after) = text.split_at(at);
            return Some((line, after.strip_prefix('\n').unwrap_or(after)));
        }
    } else if text.len() <= LINE_BYTES {
        return None;
    }
    let (head, _) = text.split_at(text.floor_char_boundary(LINE_BYTES));
    match head.rfind(' ') {
        Some(space) if space > 0 => {
            let (line, after) = text.split_at(space);
            Some((line, after.strip_prefix(' ').unwrap_or(after)))
        }
        Some(_) | None => Some(text.split_at(head.len())),
    }
}

/// A line of streamed text is broken here.
const LINE_BYTES: usize = 100;

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};
    use stepcast_core::time::Timestamp;

    use super::*;

    fn tell_all(events: &[(EventType, Option<&str>, Value)]) -> Vec<String> {
        let (mut story, mut view, mut lines) = (Story::new(false), RunView::default(), Vec::new());
        for (seq, (event_type, step, data)) in (1..).zip(events) {
            let event = StreamEvent {
                event_type: event_type.clone(),
                execution_id: "run_1".parse().unwrap(),
                step_id: step.map(Into::into),
                seq,
                timestamp: Timestamp::from_unix_millis(seq * 1000),
                data: data.clone(),
                metadata: None,
                extra: Map::new(),
            };
            view.apply(&event);
            lines.extend(story.tell(&view, &event));
        }
        if view.end.is_some() {
            lines.extend(story.end(&view, 0));
        }
        lines
    }

    #[test]
    fn a_run_is_told_in_lines() {
        let pipeline = json!({"name": "Words\u{1b}[2J", "steps": [{"id": "a"}, {"id": "b"}]});
        let error = json!({"category": "logic", "message": "no", "step_id": "b"});
        let token = |text: &str| {
            (
                EventType::StepProgress,
                Some("a"),
                json!({"kind": "token", "text": text}),
            )
        };
        let retry = json!({"kind": "retry", "attempt": 2, "max_attempts": 3, "error": {"message": "refused"}});
        let lines = tell_all(&[
            (
                EventType::PipelineStart,
                None,
                json!({ "pipeline": pipeline }),
            ),
            (EventType::StepStart, Some("a"), json!({})),
            token("one\ntw"),
            token("o\n\nth"),
            (
                EventType::StepProgress,
                Some("a"),
                json!({"kind": "log", "level": "info", "message": "hm"}),
            ),
            (
                EventType::StepComplete,
                Some("a"),
                json!({"duration_ms": 1500}),
            ),
            (EventType::StepStart, Some("b"), json!({})),
            (EventType::StepProgress, Some("b"), retry),
            (
                EventType::StepError,
                Some("b"),
                json!({"error": error, "duration_ms": 7}),
            ),
            (
                EventType::PipelineError,
                None,
                json!({"error": error, "reason": "failed", "duration_ms": 9000}),
            ),
        ]);
        assert_eq!(
            lines,
            [
                "Words[2J · 2 steps · run_1",
                "  a │ one",
                "  a │ two",
                "  a │ ",
                "  a info: hm",
                "  a │ th",
                "✓ a 1.5 s",
                "↻ b: attempt 2 of 3 follows: refused",
                "✗ b 7 ms logic: no",
                "✗ failed in 9.0 s, 1 of 2 steps completed",
                "  step b: no",
            ]
        );
    }

    #[test]
    fn what_a_step_was_about_to_say_is_void_once_the_run_is_resumed() {
        let token = |text: &str| json!({"kind": "token", "text": text});
        let resumed = json!({"kind": "resumed", "reason": "restart", "steps": ["a"]});
        let lines = tell_all(&[
            (EventType::StepStart, Some("a"), json!({})),
            (EventType::StepProgress, Some("a"), token("ha")),
            (EventType::StepProgress, None, resumed),
            (EventType::StepStart, Some("a"), json!({})),
            (EventType::StepProgress, Some("a"), token("whole")),
            (EventType::StepComplete, Some("a"), json!({})),
        ]);
        assert_eq!(
            lines.get(..3).unwrap(),
            ["↻ resumed; begins again: a", "  a │ whole", "✓ a"]
        );
    }

    #[test]
    fn text_without_line_breaks_is_broken_at_spaces_and_none_of_it_is_lost() {
        for word in ["word ", "grüße🎈", "x"] {
            let text = word.repeat(60);
            let mut events: Vec<_> = text
                .chars()
                .map(|c| {
                    (
                        EventType::StepProgress,
                        Some("a"),
                        json!({"kind": "token", "text": c.to_string()}),
                    )
                })
                .collect();
            events.push((EventType::StepComplete, Some("a"), json!({})));
            let lines = tell_all(&events);
            let told: String = lines
                .iter()
                .filter_map(|line| line.strip_prefix("  a │ "))
                .collect();
            assert_eq!(told.replace(' ', ""), text.replace(' ', ""), "{word}");
            assert!(lines.iter().all(|line| line.len() <= LINE_BYTES + 10));
        }
    }
}
