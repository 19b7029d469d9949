//! What a followed run looks like: bars and text for a person, NDJSON for a program.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;
use serde_json::Value;
use stepcast_core::control::{ControlFrame, GapReason};
use stepcast_core::event::StreamEvent;
use stepcast_core::id::{Epoch, ExecutionId, Seq};
use stepcast_core::view::RunView;

use super::Outcome;
use super::bars::Bars;
use super::story::Story;
use super::words;
use crate::clock::unix_millis;

/// How a run is shown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum Format {
    /// `bars` where standard output is a terminal, else `json`.
    #[default]
    Auto,
    /// Progress bars, and lines above them.
    Bars,
    /// Lines only.
    Plain,
    /// One JSON object a line: the events, exactly as the log holds them.
    Json,
}

/// Where a run is shown, with the view that it is folded into.
///
/// Writing blocks the thread that calls: the command line's own, on which no run and no socket depends.
#[derive(Debug)]
pub(super) struct Screen {
    execution_id: ExecutionId,
    view: RunView,
    face: Face,
}

#[derive(Debug)]
enum Face {
    Bars { bars: Bars, story: Story },
    Plain { story: Story },
    Json,
}

impl Screen {
    /// A screen for this execution.
    pub(super) fn new(execution_id: ExecutionId, format: Format) -> Self {
        let terminal = io::stdout().is_terminal();
        let story =
            || Story::new(terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()));
        let face = match format {
            Format::Auto if !terminal => Face::Json,
            Format::Auto | Format::Bars => Face::Bars {
                bars: Bars::new(),
                story: story(),
            },
            Format::Plain => Face::Plain { story: story() },
            Format::Json => Face::Json,
        };
        Self {
            execution_id,
            view: RunView::default(),
            face,
        }
    }

    /// What is known of the run.
    pub(super) fn view(&self) -> &RunView {
        &self.view
    }

    /// What the end of the run means for the command.
    pub(super) fn outcome(&self) -> Outcome {
        self.view.end.map_or(Outcome::Failed, Outcome::of)
    }

    /// Takes an event; `json` is what the log holds of it, where it is at hand.
    pub(super) fn event(&mut self, event: &StreamEvent, json: Option<&str>) -> io::Result<()> {
        self.view.apply(event);
        match &mut self.face {
            Face::Bars { bars, story } => {
                for line in story.tell(&self.view, event) {
                    bars.line(&line)?;
                }
                let id = event.step_id.as_ref();
                let step = id.and_then(|id| self.view.step(id.as_str()));
                bars.show(&self.view, step, story);
                Ok(())
            }
            Face::Plain { story } => write_lines(&story.tell(&self.view, event)),
            Face::Json => match json {
                Some(json) => write_lines(&[json]),
                None => write_json(event),
            },
        }
    }

    /// Takes the word that events are missing.
    pub(super) fn gap(&mut self, from: Seq, to: Seq, reason: GapReason) -> io::Result<()> {
        self.view.gap(from, to, reason);
        self.announce(&words::gap(from, to, reason), |execution_id| {
            ControlFrame::Gap {
                execution_id,
                from,
                to,
                reason,
                epoch: None,
            }
        })
    }

    /// Takes the word that the log was recreated.
    pub(super) fn reset(&mut self, epoch: Epoch) -> io::Result<()> {
        let to = self.view.last_seq;
        self.view.reset();
        let words = "the log was recreated: what is above is void";
        self.announce(words, |execution_id| ControlFrame::Gap {
            execution_id,
            from: 1,
            to,
            reason: GapReason::Epoch,
            epoch: Some(epoch),
        })
    }

    /// Writes a line that is not of the run to standard error.
    pub(super) fn remark(&self, line: &str) -> io::Result<()> {
        match &self.face {
            Face::Bars { bars, .. } => bars.remark(line),
            Face::Plain { .. } | Face::Json => writeln!(io::stderr().lock(), "{line}"),
        }
    }

    /// Leaves the terminal to somebody who types, or takes it back.
    pub(super) fn rest(&self, rests: bool) -> io::Result<()> {
        match &self.face {
            Face::Bars { bars, .. } => bars.rest(rests),
            Face::Plain { .. } | Face::Json => Ok(()),
        }
    }

    /// Shows how it ended, and what it gave.
    pub(super) fn end(&mut self) -> io::Result<()> {
        let story = match &mut self.face {
            Face::Bars { bars, story } => {
                bars.clear()?;
                story
            }
            Face::Plain { story } => story,
            Face::Json => return Ok(()),
        };
        if self.view.end.is_some() {
            write_lines(&story.end(&self.view, unix_millis()))?;
        }
        match &self.view.output {
            Some(output) => write_lines(&[pretty(output)]),
            None => Ok(()),
        }
    }

    fn announce(&self, words: &str, frame: impl Fn(ExecutionId) -> ControlFrame) -> io::Result<()> {
        match &self.face {
            Face::Bars { bars, .. } => bars.line(&format!("! {words}")),
            Face::Plain { .. } => write_lines(&[format!("! {words}")]),
            Face::Json => write_json(&frame(self.execution_id.clone())),
        }
    }
}

/// The output, for a person: not all of one that would fill the terminal.
fn pretty(output: &Value) -> String {
    let text = format!("{output:#}");
    if text.len() <= MOST_OUTPUT {
        return text;
    }
    let cut = text.floor_char_boundary(MOST_OUTPUT);
    let (head, rest) = text.split_at(cut);
    format!(
        "{head}\n… and {} bytes more; --format json gives all of it",
        rest.len()
    )
}

fn write_lines(lines: &[impl AsRef<str>]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{}", line.as_ref())?;
    }
    out.flush()
}

fn write_json(value: &impl Serialize) -> io::Result<()> {
    let mut line = Vec::new();
    value.serialize(&mut serde_json::Serializer::new(&mut line))?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

/// The most of an output that a terminal is given.
const MOST_OUTPUT: usize = 8 << 10;
