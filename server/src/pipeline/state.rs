//! Where a run stands, as plain data: with it and the pipeline, a run can go on elsewhere or later.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::data::{Data, DataRecord};
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

/// The state as it is written: every value once, however many branches hold it.
#[derive(Deserialize, Serialize)]
struct StateRecord<V, P> {
    parameters: P,
    executions: u32,
    iterations: Vec<u32>,
    first_start: Vec<Option<u64>>,
    running: BTreeMap<u32, (usize, u32, DataRecord)>,
    due: BTreeMap<usize, Vec<(Option<usize>, u64, DataRecord)>>,
    arrivals: u64,
    ended: Vec<(usize, Option<usize>, u64, DataRecord)>,
    failure: Option<StepError>,
    halted: bool,
    elapsed_ms: u64,
    /// By execution, what it gave; 0 is the input.
    results: BTreeMap<u32, V>,
}

impl Serialize for RunState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut results = BTreeMap::from([(0, self.input.as_ref())]);
        let running = self
            .running
            .iter()
            .map(|(execution, running)| {
                let data = running.data.to_record(&mut results);
                (*execution, (running.step, running.iteration, data))
            })
            .collect();
        let due = self
            .due
            .iter()
            .map(|(step, arrivals)| {
                let arrivals = arrivals.iter().map(|arrival| {
                    let data = arrival.data.to_record(&mut results);
                    (arrival.path, arrival.number, data)
                });
                (*step, arrivals.collect())
            })
            .collect();
        let ended = self
            .ended
            .iter()
            .map(|ended| {
                let data = ended.data.to_record(&mut results);
                (ended.step, ended.path, ended.number, data)
            })
            .collect();
        StateRecord {
            parameters: self.parameters.as_ref(),
            executions: self.executions,
            iterations: self.iterations.clone(),
            first_start: self.first_start.clone(),
            running,
            due,
            arrivals: self.arrivals,
            ended,
            failure: self.failure.clone(),
            halted: self.halted,
            elapsed_ms: self.elapsed_ms,
            results,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RunState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let record = StateRecord::<Value, Map<String, Value>>::deserialize(deserializer)?;
        Self::from_record(record)
            .ok_or_else(|| serde::de::Error::custom("the state names a result that it lacks"))
    }
}

impl RunState {
    fn from_record(record: StateRecord<Value, Map<String, Value>>) -> Option<Self> {
        let results: BTreeMap<u32, Arc<Value>> = record
            .results
            .into_iter()
            .map(|(execution, value)| (execution, Arc::new(value)))
            .collect();
        let data = |record| Data::from_record(record, &results).map(Arc::new);
        let running = record.running.into_iter().map(|(execution, at)| {
            let (step, iteration, of) = at;
            let running = Running {
                step,
                iteration,
                data: data(of)?,
            };
            Some((execution, running))
        });
        let running = running.collect::<Option<_>>()?;
        let due = record.due.into_iter().map(|(step, arrivals)| {
            let arrivals = arrivals.into_iter().map(|(path, number, of)| {
                let data = data(of)?;
                Some(Arrival { path, number, data })
            });
            Some((step, arrivals.collect::<Option<_>>()?))
        });
        let due = due.collect::<Option<_>>()?;
        let ended = record.ended.into_iter().map(|(step, path, number, of)| {
            Some(Ended {
                step,
                path,
                number,
                data: data(of)?,
            })
        });
        Some(Self {
            input: Arc::clone(results.get(&0)?),
            parameters: Arc::new(record.parameters),
            executions: record.executions,
            iterations: record.iterations,
            first_start: record.first_start,
            running,
            due,
            arrivals: record.arrivals,
            ended: ended.collect::<Option<_>>()?,
            failure: record.failure,
            halted: record.halted,
            elapsed_ms: record.elapsed_ms,
        })
    }
}
