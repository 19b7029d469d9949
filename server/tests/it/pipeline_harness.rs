//! Runs pipelines over a log in memory, and gives back what they said.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use stepcast::context::{Draft, StreamingContext};
use stepcast::log::{Budget, Log, MemoryStore, NewExecution, Reader};
use stepcast::pipeline::{Pipeline, RunOptions, RunResult, run};
use stepcast::step::StepRegistry;
use stepcast_core::event::{EventType, StreamEvent};
use tokio_util::sync::CancellationToken;

use crate::spec_events::is_an_event;

/// A run that has ended.
pub(crate) struct Ran {
    pub(crate) result: RunResult,
    pub(crate) events: Vec<StreamEvent>,
}

/// A run under way.
pub(crate) struct Running {
    pub(crate) cancel: CancellationToken,
    pub(crate) reader: Reader,
    task: tokio::task::JoinHandle<RunResult>,
    log: Log,
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// A pipeline of these steps and paths that starts with the first step.
pub(crate) fn pipeline(steps: Value, paths: Value) -> Value {
    let start = steps[0]["id"].clone();
    json!({"name": "p", "steps": steps, "flow": {"start_at": start, "paths": paths}})
}

/// Paths `a>b` in short.
pub(crate) fn paths(short: &str) -> Value {
    short
        .split_whitespace()
        .map(|path| {
            let (from, to) = path.split_once('>').unwrap();
            json!({"from": from, "to": to})
        })
        .collect()
}

pub(crate) fn start(
    registry: &StepRegistry,
    definition: &Value,
    input: Value,
    options: RunOptions,
) -> Running {
    let pipeline = Pipeline::from_json(definition, registry).unwrap();
    let log = Log::new(Arc::new(MemoryStore::new()));
    let new = NewExecution {
        definition: definition.clone(),
        input: input.clone(),
        ..NewExecution::named("exec_1".parse().unwrap(), "p", 1)
    };
    let budget = Budget {
        events: 1 << 20,
        bytes: 1 << 30,
        uncommitted_bytes: 1 << 30,
    };
    let stream = log.create(&new, budget).unwrap();
    let reader = Reader::new(stream.clone(), 0);
    let context = StreamingContext::new(stream);
    let cancel = options.cancel.clone();
    let task = tokio::spawn(run(Arc::new(pipeline), object(input), context, options));
    Running {
        cancel,
        reader,
        task,
        log,
    }
}

impl Running {
    /// Waits for the first event that `wanted` wants.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&StreamEvent) -> bool) -> StreamEvent {
        let found = async {
            loop {
                self.reader.grown().await;
                for record in self.reader.read(1).await.unwrap().records {
                    let event = record.parse().unwrap();
                    if wanted(&event) {
                        return event;
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, found)
            .await
            .expect("no such event comes")
    }

    /// Waits for the end.
    pub(crate) async fn end(self) -> Ran {
        self.end_within(PATIENCE).await
    }

    /// Waits for the end of a run that takes its time, on a clock that the test moves.
    pub(crate) async fn end_within(self, patience: Duration) -> Ran {
        let result = tokio::time::timeout(patience, self.task).await;
        let result = result.expect("the run does not end").unwrap();
        let stream = self.log.open(&"exec_1".parse().unwrap()).unwrap().unwrap();
        let mut reader = Reader::new(stream, 0);
        let mut events = Vec::new();
        loop {
            let page = reader.read(1000).await.unwrap();
            assert!(page.gap.is_none());
            if page.records.is_empty() {
                break;
            }
            events.extend(page.records.iter().map(|record| record.parse().unwrap()));
        }
        let ran = Ran { result, events };
        ran.check();
        ran
    }
}

/// A context whose execution has had its end.
pub(crate) async fn ended_context() -> StreamingContext {
    let log = Log::new(Arc::new(MemoryStore::new()));
    let new = NewExecution::named("exec_1".parse().unwrap(), "p", 1);
    let context = StreamingContext::new(log.create(&new, Budget::default()).unwrap());
    let end = Draft {
        event_type: EventType::PipelineError,
        step_id: None,
        data: json!({"reason": "cancelled"}),
        metadata: None,
    };
    context.emit(end).await.unwrap();
    context
}

pub(crate) async fn run_with(registry: &StepRegistry, definition: &Value, input: Value) -> Ran {
    start(registry, definition, input, RunOptions::default())
        .end()
        .await
}

impl Ran {
    /// What holds for every run: one beginning, one end, every step that was begun is ended after it, and all that is
    /// told fits the schema.
    fn check(&self) {
        let terminal = |event: &&StreamEvent| event.event_type.is_terminal();
        assert_eq!(self.events[0].event_type, EventType::PipelineStart);
        assert!(terminal(&self.events.last().unwrap()));
        assert_eq!(self.events.iter().filter(terminal).count(), 1);
        let mut open: BTreeMap<String, u64> = BTreeMap::new();
        for event in &self.events {
            is_an_event(event);
            let Some(step) = event.step_id.as_ref().map(ToString::to_string) else {
                continue;
            };
            let iteration = event.data["iteration"].as_u64();
            let event_type = &event.event_type;
            if *event_type == EventType::StepStart {
                let before = open.insert(step, iteration.unwrap());
                assert_eq!(before, None, "begun twice at once");
            } else if [EventType::StepComplete, EventType::StepError].contains(event_type) {
                assert_eq!(open.remove(&step), iteration);
            } else {
                assert!([EventType::StepProgress, EventType::StepOutput].contains(event_type));
                assert!(
                    open.contains_key(&step),
                    "{step} speaks when it is not under way"
                );
            }
        }
        assert!(open.is_empty(), "not ended: {open:?}");
    }

    pub(crate) fn last(&self) -> &StreamEvent {
        self.events.last().unwrap()
    }

    /// The events of one type.
    pub(crate) fn of(&self, event_type: EventType) -> Vec<&StreamEvent> {
        let events = self.events.iter();
        events
            .filter(|event| event.event_type == event_type)
            .collect()
    }

    /// The data of a step's progress events of one kind; of fractions, where `kind` is empty.
    pub(crate) fn progress(&self, step: &str, kind: &str) -> Vec<&Value> {
        let events = self.of(EventType::StepProgress).into_iter();
        events
            .filter(|event| event.step_id.as_ref().is_some_and(|id| id.as_str() == step))
            .map(|event| &event.data)
            .filter(|data| data["kind"].as_str().unwrap_or_default() == kind)
            .collect()
    }

    /// The steps in the order in which they were begun.
    pub(crate) fn begun(&self) -> Vec<&str> {
        let events = self.of(EventType::StepStart).into_iter();
        events
            .map(|event| event.step_id.as_ref().unwrap().as_str())
            .collect()
    }
}

/// Longer than anything takes that is not broken.
const PATIENCE: Duration = Duration::from_secs(30);
