//! Bars at the bottom of a terminal: one for the run, one for each step that is under way.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use stepcast_core::view::{RunView, StepStatus, StepView};

use super::story::Story;
use super::words::clean;

/// The bars.
#[derive(Debug)]
pub(super) struct Bars {
    multi: MultiProgress,
    run: ProgressBar,
    steps: BTreeMap<String, StepBar>,
}

#[derive(Debug)]
struct StepBar {
    bar: ProgressBar,
    /// Whether it has reported a fraction.
    measured: bool,
}

impl Bars {
    pub(super) fn new() -> Self {
        let multi = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let run = multi.add(ProgressBar::new(PARTS));
        run.set_style(style(RUN));
        run.enable_steady_tick(TICK);
        Self {
            multi,
            run,
            steps: BTreeMap::new(),
        }
    }

    /// Writes a line above the bars.
    pub(super) fn line(&self, line: &str) -> io::Result<()> {
        if self.multi.is_hidden() {
            return writeln!(io::stdout().lock(), "{line}");
        }
        self.multi.println(line)
    }

    /// Takes the bars away while somebody types, or shows them again.
    pub(super) fn rest(&self, rests: bool) -> io::Result<()> {
        if rests {
            self.multi.clear()?;
            self.multi.set_draw_target(ProgressDrawTarget::hidden());
        } else if self.multi.is_hidden() {
            self.multi.set_draw_target(ProgressDrawTarget::stdout());
        }
        Ok(())
    }

    /// Writes a line to standard error, with the bars out of the way.
    pub(super) fn remark(&self, line: &str) -> io::Result<()> {
        self.multi
            .suspend(|| writeln!(io::stderr().lock(), "{line}"))
    }

    /// Shows where the run stands; `step` is the one that the last event was of.
    pub(super) fn show(&mut self, view: &RunView, step: Option<&StepView>, story: &Story) {
        let active = view.counts().active();
        if let Some(step) = step {
            self.show_step(step, story.unfinished(&step.id));
        }
        self.run.set_position(parts(view.progress()));
        let hidden = active.saturating_sub(self.steps.len());
        self.run.set_message(if hidden > 0 {
            format!("and {hidden} more under way")
        } else {
            String::new()
        });
    }

    /// Takes everything away.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        for step in std::mem::take(&mut self.steps).into_values() {
            step.bar.finish_and_clear();
        }
        self.run.finish_and_clear();
        self.multi.clear()
    }

    fn show_step(&mut self, step: &StepView, unfinished: &str) {
        if !step.status.is_active() {
            if let Some(line) = self.steps.remove(&step.id) {
                line.bar.finish_and_clear();
                self.multi.remove(&line.bar);
            }
            return;
        }
        if !self.steps.contains_key(&step.id) {
            if self.steps.len() >= MOST {
                return;
            }
            let bar = self.multi.insert_before(&self.run, ProgressBar::new(PARTS));
            bar.set_style(style(STEP));
            bar.set_prefix(clean(&step.id));
            bar.enable_steady_tick(TICK);
            let line = StepBar {
                bar,
                measured: false,
            };
            self.steps.insert(step.id.clone(), line);
        }
        let Some(line) = self.steps.get_mut(&step.id) else {
            return;
        };
        if let Some(progress) = step.progress {
            if !std::mem::replace(&mut line.measured, true) {
                line.bar.set_style(style(MEASURED));
            }
            line.bar.set_position(parts(progress));
        }
        line.bar.set_message(message(step, unfinished));
    }
}

/// What a step does: the text it is writing, else what it says, else where it stands.
fn message(step: &StepView, unfinished: &str) -> String {
    if !unfinished.is_empty() {
        return newest(&clean(unfinished));
    }
    match (&step.message, step.status) {
        (_, StepStatus::Retrying) => format!("waits for attempt {}", step.attempt),
        (_, StepStatus::Waiting) => step.status.words().to_owned(),
        (Some(message), _) => clean(message),
        (None, _) if step.iteration > 1 => format!("iteration {}", step.iteration),
        (None, _) => String::new(),
    }
}

/// The end of a text that grows: the line beside a bar would show its beginning only.
fn newest(text: &str) -> String {
    let cut = text.chars().count().saturating_sub(NEWEST);
    if cut == 0 {
        return text.to_owned();
    }
    let end: String = text.chars().skip(cut).collect();
    format!("…{end}")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a fraction of PARTS"
)]
fn parts(fraction: f64) -> u64 {
    (fraction * 1000.0) as u64
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━━─")
}

const RUN: &str = "{bar:30.cyan/dim} {percent:>3} % {elapsed} {msg:.dim}";
const STEP: &str = "{spinner:.cyan} {prefix} {wide_msg:.dim}";
const MEASURED: &str = "{spinner:.cyan} {prefix} {bar:20.cyan/dim} {percent:>3} % {wide_msg:.dim}";

/// A bar's length.
const PARTS: u64 = 1000;

/// The most steps shown at once: more would scroll the terminal.
const MOST: usize = 12;

/// Characters of unfinished text beside a bar.
const NEWEST: usize = 40;

const TICK: Duration = Duration::from_millis(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_text_is_shown_by_its_end() {
        assert_eq!(newest("short"), "short");
        let shown = newest(&format!("{}ü🎈", "x".repeat(100)));
        assert!(shown.starts_with('…') && shown.ends_with("xü🎈"));
        assert_eq!(shown.chars().count(), NEWEST + 1);
    }

    #[test]
    fn every_template_is_one_that_the_library_takes() {
        for template in [RUN, STEP, MEASURED] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
