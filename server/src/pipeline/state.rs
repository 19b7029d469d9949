//! Where a run stands, as plain data: nothing else changes while it runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::data::Data;
use crate::step::StepError;

/// Where a run stands. Steps and paths are named by their places in the pipeline.
#[derive(Clone, Debug)]
pub struct RunState {
    pub(super) input: Arc<Value>,
    pub(super) parameters: Arc<Map<String, Value>>,
    /// Executions of steps begun so far; they are numbered from 1.
    pub(super) executions: u32,
    /// Per step, how often it has begun.
    pub(super) iterations: Vec<u32>,
    /// Per step, when it began first, in milliseconds of the run.
    pub(super) first_start: Vec<Option<u64>>,
    /// By execution, what is under way.
    pub(super) running: BTreeMap<u32, Running>,
    /// By step, the branches that have come to it, and for which it has not begun yet.
    pub(super) due: BTreeMap<usize, Vec<Arrival>>,
    /// Branches that have come to a step so far.
    pub(super) arrivals: u64,
    /// Branches that have ended.
    pub(super) ended: Vec<Ended>,
    /// Why the run fails.
    pub(super) failure: Option<StepError>,
    /// Whether nothing begins any more.
    pub(super) halted: bool,
    /// How long the run has been under way, in milliseconds.
    pub(super) elapsed_ms: u64,
}

/// A step under way.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) step: usize,
    pub(super) iteration: u32,
    pub(super) data: Arc<Data>,
}

/// A branch that has come to a step; by the start, where it has no path.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) path: Option<usize>,
    pub(super) number: u64,
    pub(super) data: Arc<Data>,
}

/// A branch that has ended after a step; for want of a path, where it has none.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) step: usize,
    pub(super) path: Option<usize>,
    pub(super) number: u64,
    pub(super) data: Arc<Data>,
}

impl RunState {
    pub(super) fn new(steps: usize, input: Arc<Value>, parameters: Map<String, Value>) -> Self {
        Self {
            input,
            parameters: Arc::new(parameters),
            executions: 0,
            iterations: vec![0; steps],
            first_start: vec![None; steps],
            running: BTreeMap::new(),
            due: BTreeMap::new(),
            arrivals: 0,
            ended: Vec::new(),
            failure: None,
            halted: false,
            elapsed_ms: 0,
        }
    }

    /// How long the run has been under way, in milliseconds.
    pub fn elapsed_ms(&self) -> u64 {
        self.elapsed_ms
    }

    /// The step and the data of an execution under way.
    pub(super) fn execution(&self, execution: u32) -> Option<(usize, &Data)> {
        let running = self.running.get(&execution)?;
        Some((running.step, &running.data))
    }

    /// What the run was given.
    pub fn input(&self) -> &Arc<Value> {
        &self.input
    }

    /// The values of its parameters.
    pub fn parameters(&self) -> &Arc<Map<String, Value>> {
        &self.parameters
    }
}
