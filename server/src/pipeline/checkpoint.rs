//! What is kept of a run after each step, and how it is found again from that.
//!
//! Which paths a run takes follows from what its steps gave, in the order in which they ended. So a checkpoint
//! adds one entry for the step that has just ended, however long the run has been; the state beside it is a few
//! numbers, by which a replay proves that it came to the same place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stepcast_core::id::Seq;
use thiserror::Error;

use super::definition::Pipeline;
use super::desk::Wait;
use super::emitter::is_larger_than;
use super::result::{StepRecord, StepStatus};
use super::scheduler::{Outcome, Scheduler, Start};
use super::waits::{self, Kept as Question};

/// A checkpoint that was read back: the ends of executions so far.
#[derive(Debug, Default)]
pub struct Saved {
    /// None before any step has ended.
    state: Option<State>,
    ends: Vec<End<Value>>,
    /// Whether it holds every output itself.
    whole: bool,
}

/// A run that was found again, ready to go on.
#[derive(Debug)]
pub struct Restored {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) scheduler: Scheduler,
    /// What was under way when the checkpoint was taken.
    pub(super) starts: Vec<Start>,
    pub(super) records: Vec<StepRecord>,
    /// Executions that ended well.
    pub(super) completed: u64,
    /// Executions that ended.
    pub(super) ends: u32,
    /// The questions of what was under way.
    pub(super) questions: Vec<Question>,
    /// The time of the run.
    pub(super) elapsed_ms: u64,
    /// Whether its checkpoint held every output itself.
    pub(super) whole: bool,
}

/// Why a checkpoint cannot be gone on from.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Unfit {
    /// It was written by another version, or is damaged.
    #[error("its checkpoint was written by another version of the server")]
    Version,
    /// An output is not there.
    #[error("the output of step `{0}` is not kept any more")]
    Output(String),
    /// A replay comes to another place, or the input is not one of this pipeline.
    #[error("its checkpoint does not fit its pipeline")]
    Elsewhere,
}

/// What is kept of a checkpoint itself, replaced by the next.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct State {
    version: u32,
    standing: Standing,
    work_dir: PathBuf,
    /// The questions of what is under way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    questions: Vec<Question>,
    /// The time of the run when they were kept.
    #[serde(default)]
    elapsed_ms: u64,
}

/// Where a run stands, in numbers.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Standing {
    /// Executions that have ended.
    ends: u32,
    /// Executions that have begun.
    executions: u32,
    /// Execution, step and iteration of what is under way.
    running: Vec<(u32, usize, u32)>,
    /// Steps that wait for other branches, each with how many have come.
    due: Vec<(usize, usize)>,
    /// Branches that have ended.
    ended: usize,
    elapsed_ms: u64,
}

/// How an execution ended: one entry of the journal.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct End<V> {
    pub(super) execution: u32,
    /// The time of the run then.
    pub(super) elapsed_ms: u64,
    /// Badly, and the run went on.
    pub(super) continued: bool,
    pub(super) output: Kept<V>,
}

/// Where an output is.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kept<V> {
    /// Here.
    Value(V),
    /// In this event of the execution's log.
    Event(Seq),
    /// Nowhere: there was too much of it.
    Nowhere,
}

/// The state after so many ends, as it is kept.
pub(super) fn encode(
    scheduler: &Scheduler,
    ends: u32,
    work_dir: &Path,
    questions: Vec<Question>,
    elapsed_ms: u64,
) -> Option<Bytes> {
    let state = State {
        version: VERSION,
        standing: Standing::of(scheduler, ends),
        work_dir: work_dir.to_owned(),
        questions,
        elapsed_ms,
    };
    Some(serde_json::to_vec(&state).ok()?.into())
}

impl Standing {
    fn of(scheduler: &Scheduler, ends: u32) -> Self {
        let state = scheduler.state();
        let running = state.running.iter();
        let due = state.due.iter();
        Self {
            ends,
            executions: state.executions,
            running: running
                .map(|(execution, running)| (*execution, running.step, running.iteration))
                .collect(),
            due: due
                .map(|(step, arrivals)| (*step, arrivals.len()))
                .collect(),
            ended: state.ended.len(),
            elapsed_ms: state.elapsed_ms,
        }
    }
}

impl<'a> Kept<&'a Value> {
    /// Where an output is kept that the event `seq` holds, if any does.
    pub(super) fn of(output: &'a Value, seq: Seq) -> Self {
        if seq > 0 && is_larger_than(output, INLINE) {
            Self::Event(seq)
        } else if is_larger_than(output, LARGEST) {
            Self::Nowhere
        } else {
            Self::Value(output)
        }
    }
}

impl Saved {
    /// Reads what [`crate::log::Checkpoint`] keeps.
    ///
    /// # Errors
    /// Where another version has written it.
    pub fn read(state: &[u8], results: &[(u32, Bytes)]) -> Result<Self, Unfit> {
        let state: State = serde_json::from_slice(state).map_err(|_other| Unfit::Version)?;
        let whole = results.iter().zip(1..).all(|((at, _), n)| *at == n)
            && u32::try_from(results.len()) == Ok(state.standing.ends);
        if state.version != VERSION || !whole {
            return Err(Unfit::Version);
        }
        let ends = results
            .iter()
            .map(|(_, entry)| serde_json::from_slice(entry).map_err(|_other| Unfit::Version))
            .collect::<Result<Vec<End<Value>>, _>>()?;
        let here = |end: &End<Value>| matches!(end.output, Kept::Value(_));
        Ok(Self {
            state: Some(state),
            whole: ends.iter().all(here),
            ends,
        })
    }

    /// The steps that were cut off: under way, and not waiting for a person. The first one, before anything had ended.
    pub fn cut_off<'a>(&self, pipeline: &'a Pipeline) -> Vec<&'a str> {
        let steps: BTreeSet<usize> = match &self.state {
            Some(state) => {
                let running = state.standing.running.iter();
                let cut_off = running.filter(|(execution, ..)| {
                    !waits::last_of(&state.questions, *execution).is_some_and(Question::waits)
                });
                cut_off.map(|at| at.1).collect()
            }
            None => [pipeline.start()].into(),
        };
        let known = steps
            .into_iter()
            .filter_map(|step| pipeline.steps().get(step));
        known.map(|step| step.id.as_str()).collect()
    }

    /// The state as it is written for a log whose steps ask anew.
    pub fn state(&self) -> Bytes {
        let state = self.state.as_ref().map(|state| State {
            questions: Vec::new(),
            ..state.clone()
        });
        serde_json::to_vec(&state).unwrap_or_default().into()
    }

    /// The folder in which the run worked, where it is still there.
    pub fn work_dir(&self) -> Option<&Path> {
        let state = self.state.as_ref()?;
        Some(state.work_dir.as_path()).filter(|folder| folder.is_dir())
    }

    /// The events that hold an output: their outputs are to be given to [`Saved::supply`].
    pub fn wanted(&self) -> Vec<Seq> {
        let outputs = self.ends.iter().map(|end| &end.output);
        let events = outputs.filter_map(|output| match output {
            Kept::Event(seq) => Some(*seq),
            Kept::Value(_) | Kept::Nowhere => None,
        });
        events.collect()
    }

    /// The outputs that those events hold.
    pub fn supply(&mut self, mut outputs: BTreeMap<Seq, Value>) {
        for end in &mut self.ends {
            if let Kept::Event(seq) = end.output
                && let Some(output) = outputs.remove(&seq)
            {
                end.output = Kept::Value(output);
            }
        }
    }

    /// The entries as they are written, every output in them.
    pub fn entries(&self) -> Vec<(u32, Bytes)> {
        let written = self
            .ends
            .iter()
            .map(|end| serde_json::to_vec(end).unwrap_or_default().into());
        (1..).zip(written).collect()
    }

    /// Finds the run again: nothing is executed, conditions are evaluated as they were.
    ///
    /// # Errors
    /// Where it does not come to the place where the checkpoint was taken.
    pub fn restore(
        self,
        pipeline: Arc<Pipeline>,
        input: Map<String, Value>,
    ) -> Result<Restored, Unfit> {
        let parameters = pipeline
            .check_input(&input)
            .map_err(|_problems| Unfit::Elsewhere)?;
        let input = Arc::new(Value::Object(input));
        let mut restored = Restored {
            scheduler: Scheduler::new(Arc::clone(&pipeline), input, parameters),
            starts: Vec::new(),
            records: Vec::with_capacity(self.ends.len()),
            completed: 0,
            ends: 0,
            questions: Vec::new(),
            elapsed_ms: 0,
            whole: self.whole,
            pipeline,
        };
        // a checkpoint before any end is of a question of the first step
        let first = self.state.as_ref().filter(|_| self.ends.is_empty());
        restored
            .scheduler
            .start(first.map_or(0, |state| state.standing.elapsed_ms));
        for end in self.ends {
            restored.replay(end)?;
        }
        let (scheduler, ends) = (&restored.scheduler, restored.ends);
        let there = self
            .state
            .as_ref()
            .is_none_or(|state| state.standing == Standing::of(scheduler, ends));
        if !there || scheduler.is_halted() {
            return Err(Unfit::Elsewhere);
        }
        restored.starts = scheduler.under_way();
        restored.elapsed_ms = scheduler.state().elapsed_ms();
        if let Some(state) = self.state {
            restored.elapsed_ms = restored.elapsed_ms.max(state.elapsed_ms);
            restored.questions = state.questions;
        }
        Ok(restored)
    }
}

impl Restored {
    fn replay(&mut self, end: End<Value>) -> Result<(), Unfit> {
        let state = self.scheduler.state();
        let (step, _) = state.execution(end.execution).ok_or(Unfit::Elsewhere)?;
        let definition = self.pipeline.steps().get(step).ok_or(Unfit::Elsewhere)?;
        let Kept::Value(output) = end.output else {
            return Err(Unfit::Output(definition.id.clone()));
        };
        let output = Arc::new(output);
        self.records.push(StepRecord {
            step_name: definition.id.clone(),
            step_index: end.execution.saturating_sub(1),
            result: Arc::clone(&output),
            status: StepStatus::Completed,
        });
        self.completed += u64::from(!end.continued);
        self.ends += 1;
        let outcome = if end.continued {
            Outcome::Continued(output)
        } else {
            Outcome::Completed(output)
        };
        self.scheduler
            .finish(end.execution, outcome, end.elapsed_ms);
        Ok(())
    }

    /// Whether it does nothing but wait for people.
    pub fn is_waiting(&self) -> bool {
        let mut starts = self.starts.iter();
        !self.starts.is_empty()
            && starts.all(|start| {
                waits::last_of(&self.questions, start.execution).is_some_and(Question::goes_on)
            })
    }

    /// The open questions, where it does nothing but wait for their answers, and needs nothing of the log to go on.
    pub fn parkable(&self) -> Option<Vec<Arc<Wait>>> {
        let mut starts = self.starts.iter();
        let parkable = self.whole
            && !self.starts.is_empty()
            && starts.all(|start| {
                waits::last_of(&self.questions, start.execution).is_some_and(Question::is_parkable)
            });
        parkable.then(|| self.open())
    }

    /// What is asked and not answered.
    pub fn open(&self) -> Vec<Arc<Wait>> {
        waits::open_of(&self.questions)
    }

    /// Whether nothing is left to do but to tell the end.
    pub fn is_done(&self) -> bool {
        self.starts.is_empty()
    }
}

/// Raised whenever the same ends would lead a run elsewhere than before: with the format of what is written here,
/// and with the rules of conditions, joins and loops.
const VERSION: u32 = 1;

/// The largest output that is kept beside the log, in bytes, where an event of the log holds it too.
const INLINE: usize = 64 << 10;

/// The largest output that is kept at all.
const LARGEST: usize = 256 << 20;
