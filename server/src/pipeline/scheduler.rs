//! Decides what starts, what waits and which paths are taken. No I/O, no clock, no tasks: the time comes in, and
//! what is to be started goes out.
//!
//! - All paths whose condition holds are taken; `else` where none does; where nothing is, the branch has ended well.
//! - A step that branches have come to waits until no other token can still come by, and then begins once,
//!   with the data of all of them.
//! - Every [`Start`] is answered by one [`Scheduler::finish`].

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::data::Data;
use super::definition::{Pipeline, Target};
use super::graph::BitSet;
use super::scope::Scope;
use super::state::{Arrival, Ended, RunState, Running};
use crate::step::{Category, StepError};

/// Drives one run of one pipeline.
#[derive(Debug)]
pub struct Scheduler {
    pipeline: Arc<Pipeline>,
    state: RunState,
    running: BitSet,
    due: BitSet,
    max_executions: u32,
}

/// A step to be started.
#[derive(Clone, Debug)]
pub struct Start {
    /// The number of this execution in the run, from 1.
    pub execution: u32,
    /// Which step.
    pub step: usize,
    /// How often it has been started, this time included.
    pub iteration: u32,
    /// How long to wait before.
    pub delay: Duration,
    /// What it sees.
    pub data: Arc<Data>,
}

/// How an execution ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Well, with this output.
    Completed(Arc<Value>),
    /// Badly; the run goes on with this output.
    Continued(Arc<Value>),
    /// Badly, and the run with it.
    Failed(StepError),
}

/// What follows from the end of an execution.
#[derive(Clone, Debug, Default)]
pub struct Advance {
    /// The targets of the paths taken.
    pub next: Vec<String>,
    /// What is to be started now.
    pub starts: Vec<Start>,
}

impl Scheduler {
    /// A run that has not begun.
    pub fn new(pipeline: Arc<Pipeline>, input: Arc<Value>, parameters: Map<String, Value>) -> Self {
        let size = pipeline.steps().len();
        Self {
            state: RunState::new(size, input, parameters),
            running: BitSet::new(size),
            due: BitSet::new(size),
            pipeline,
            max_executions: u32::MAX,
        }
    }

    /// Lets so many executions begin in all, from now on.
    pub fn limit(&mut self, max_executions: u32) {
        self.max_executions = max_executions;
    }

    /// What is under way, as it was started.
    pub fn under_way(&self) -> Vec<Start> {
        let running = self.state.running.iter();
        let starts = running.map(|(execution, running)| Start {
            execution: *execution,
            step: running.step,
            iteration: running.iteration,
            delay: Duration::ZERO,
            data: Arc::clone(&running.data),
        });
        starts.collect()
    }

    /// Begins the run with its first step.
    pub fn start(&mut self, now_ms: u64) -> Vec<Start> {
        self.state.elapsed_ms = now_ms;
        let data = Arc::new(Data::new(Arc::clone(&self.state.input)));
        self.arrive(self.pipeline.start(), None, data);
        self.release()
    }

    /// Takes the end of an execution.
    pub fn finish(&mut self, execution: u32, outcome: Outcome, now_ms: u64) -> Advance {
        self.state.elapsed_ms = now_ms;
        let Some(running) = self.state.running.remove(&execution) else {
            return Advance::default();
        };
        self.running.remove(running.step);
        if self.state.halted {
            return Advance::default();
        }
        let (output, failed) = match outcome {
            Outcome::Completed(output) => (output, false),
            Outcome::Continued(output) => (output, true),
            Outcome::Failed(error) => {
                self.halt(error);
                return Advance::default();
            }
        };
        let next = self.follow(running, execution, &output, failed);
        Advance {
            next,
            starts: self.release(),
        }
    }

    /// Nothing begins any more; what is under way is still to be finished.
    pub fn halt(&mut self, error: StepError) {
        self.state.halted = true;
        self.state.failure.get_or_insert(error);
    }

    /// Whether nothing is under way and nothing will be.
    pub fn is_done(&self) -> bool {
        self.state.running.is_empty() && (self.state.halted || self.state.due.is_empty())
    }

    /// Whether nothing begins any more.
    pub fn is_halted(&self) -> bool {
        self.state.halted
    }

    /// Why the run fails, so far.
    pub fn failure(&self) -> Option<&StepError> {
        self.state.failure.as_ref()
    }

    /// Where the run stands.
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// The data of all branches that have ended, joined in the order of their steps and paths.
    pub fn result(&self) -> Data {
        let mut ended: Vec<&Ended> = self.state.ended.iter().collect();
        ended.sort_by_key(|ended| (ended.step, ended.path, ended.number));
        let mut branches = ended.into_iter().map(|ended| &ended.data);
        let mut result = branches
            .next()
            .map_or_else(Data::default, |data| data.as_ref().clone());
        branches.for_each(|data| result.merge(data));
        result
    }

    /// Takes the paths out of a step that has ended; their targets.
    fn follow(
        &mut self,
        running: Running,
        execution: u32,
        output: &Arc<Value>,
        failed: bool,
    ) -> Vec<String> {
        let pipeline = Arc::clone(&self.pipeline);
        let Some(step) = pipeline.steps().get(running.step) else {
            return Vec::new();
        };
        let mut data = running.data;
        // no copy where the branch has this data to itself
        Arc::make_mut(&mut data).record(&step.id, execution, output);
        let taken = self.taken(running.step, &data, failed);
        if taken.is_empty() {
            self.end(running.step, None, Arc::clone(&data));
        }
        let mut next = Vec::with_capacity(taken.len());
        for path in taken {
            let Some(definition) = pipeline.paths().get(path) else {
                continue;
            };
            next.push(pipeline.target_name(&definition.to).to_owned());
            match &definition.to {
                Target::Step(to) => self.arrive(*to, Some(path), Arc::clone(&data)),
                Target::End(name) => {
                    if definition.to.is_failure() {
                        let message =
                            format!("the pipeline came to `{name}` after step `{}`", step.id);
                        let error = StepError::new(Category::Logic, message).in_step(&step.id);
                        self.state.failure.get_or_insert(error);
                    }
                    self.end(running.step, Some(path), Arc::clone(&data));
                }
            }
        }
        next
    }

    fn taken(&self, step: usize, data: &Data, failed: bool) -> Vec<usize> {
        let scope = Scope {
            data,
            parameters: &self.state.parameters,
            input: &self.state.input,
            failed,
        };
        let (graph, paths) = (self.pipeline.graph(), self.pipeline.paths());
        let those = |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> {
            let outgoing = graph.outgoing(step).iter().copied();
            outgoing.filter(|path| wanted(*path)).collect()
        };
        let held = those(&|path| {
            paths
                .get(path)
                .is_some_and(|path| path.condition.holds(&scope))
        });
        if held.is_empty() {
            return those(&|path| {
                paths
                    .get(path)
                    .is_some_and(|path| path.condition.is_otherwise())
            });
        }
        held
    }

    fn arrive(&mut self, step: usize, path: Option<usize>, data: Arc<Data>) {
        self.state.arrivals += 1;
        let arrival = Arrival {
            path,
            number: self.state.arrivals,
            data,
        };
        self.due.insert(step);
        self.state.due.entry(step).or_default().push(arrival);
    }

    fn end(&mut self, step: usize, path: Option<usize>, data: Arc<Data>) {
        self.state.arrivals += 1;
        self.state.ended.push(Ended {
            step,
            path,
            number: self.state.arrivals,
            data,
        });
    }

    /// Starts every due step that has nobody to wait for; where nothing is under way, at least the earliest.
    fn release(&mut self) -> Vec<Start> {
        let mut order: Vec<(u64, usize)> = self
            .state
            .due
            .iter()
            .map(|(step, arrivals)| (arrivals.first().map_or(0, |first| first.number), *step))
            .collect();
        order.sort_unstable();
        let mut starts = Vec::new();
        for (_, step) in &order {
            if !self.pipeline.graph().waits(*step, &self.running, &self.due) {
                starts.extend(self.begin(*step));
            }
        }
        if let (true, true, Some((_, earliest))) = (
            starts.is_empty(),
            self.state.running.is_empty(),
            order.first(),
        ) {
            starts.extend(self.begin(*earliest));
        }
        if self.state.halted {
            // a limit was met: what this round would have started has not begun
            for start in &starts {
                self.state.running.remove(&start.execution);
                self.running.remove(start.step);
            }
            starts.clear();
        }
        starts
    }

    fn begin(&mut self, step: usize) -> Option<Start> {
        if self.state.halted {
            return None;
        }
        let arrivals = self.state.due.remove(&step)?;
        self.due.remove(step);
        let iteration = self.state.iterations.get(step).copied().unwrap_or_default() + 1;
        if let Some(error) = self.over_limit(step, iteration) {
            self.halt(error);
            return None;
        }
        self.state.executions += 1;
        if let Some(count) = self.state.iterations.get_mut(step) {
            *count = iteration;
        }
        if let Some(first) = self.state.first_start.get_mut(step) {
            first.get_or_insert(self.state.elapsed_ms);
        }
        let again = arrivals
            .iter()
            .filter_map(|arrival| arrival.path)
            .any(|path| self.pipeline.graph().is_back(path));
        let delay = if again {
            self.pipeline.loop_config().iteration_delay
        } else {
            Duration::ZERO
        };
        let running = Running {
            step,
            iteration,
            data: join(arrivals)?,
        };
        let start = Start {
            execution: self.state.executions,
            step,
            iteration,
            delay,
            data: Arc::clone(&running.data),
        };
        self.running.insert(step);
        self.state.running.insert(start.execution, running);
        Some(start)
    }

    fn over_limit(&self, step: usize, iteration: u32) -> Option<StepError> {
        let limits = self.pipeline.loop_config();
        let id = self.pipeline.steps().get(step)?.id.as_str();
        let first = self.state.first_start.get(step).copied().flatten();
        let looping = first.map_or(0, |first| self.state.elapsed_ms.saturating_sub(first));
        let message = if iteration > limits.max_iterations {
            let most = limits.max_iterations;
            format!("loop safety check failed: step `{id}` reached max_iterations ({most})")
        } else if u128::from(looping) > limits.max_loop_time.as_millis() {
            let most = limits.max_loop_time.as_secs_f64();
            format!(
                "loop safety check failed: step `{id}` loops for more than max_loop_time_seconds ({most})"
            )
        } else if self.state.executions >= self.max_executions {
            let most = self.max_executions;
            format!(
                "the run exceeded its maximum of {most} step executions: possibly an infinite loop"
            )
        } else {
            return None;
        };
        Some(StepError::new(Category::Logic, message).in_step(id))
    }
}

/// One branch of all that have come, in the order in which their paths are declared.
fn join(mut arrivals: Vec<Arrival>) -> Option<Arc<Data>> {
    arrivals.sort_by_key(|arrival| (arrival.path, arrival.number));
    let mut branches = arrivals.into_iter().map(|arrival| arrival.data);
    let mut data = branches.next()?;
    for other in branches {
        if !Arc::ptr_eq(&data, &other) {
            Arc::make_mut(&mut data).merge(&other);
        }
    }
    Some(data)
}
