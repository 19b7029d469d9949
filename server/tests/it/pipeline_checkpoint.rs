//! Runs that are cut off at every checkpoint they have, and go on from what the store has kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use stepcast::context::StreamingContext;
use stepcast::log::{
    Budget, Checkpoint, Durability, Log, NewExecution, Reader, SqliteStore, StoreError,
};
use stepcast::pipeline::{
    Pipeline, Restored, ResumeReason, RunOptions, RunResult, Saved, Unfit, resume, run,
};
use stepcast::step::{Category, StepContext, StepError, StepRegistry};
use stepcast_core::event::{EventType, StreamEvent};
use tokio::sync::Semaphore;

use crate::harness::soon;
use crate::pipeline_harness::{object, paths, pipeline};
use crate::pipeline_property::random_dag;
use crate::pipeline_scheduler::graph;

/// Steps that go on only while the gate lets them: one permit, one execution.
fn gated(gate: &Arc<Semaphore>) -> StepRegistry {
    let gate = gate.clone();
    let mut registry = StepRegistry::builtin();
    registry.register_fn("A", move |context: StepContext| {
        let gate = gate.clone();
        async move {
            if context.attempt() == 1 {
                gate.acquire().await.unwrap().forget();
            }
            context.emit_token("said ").await;
            let fails = context.config()["fails"].as_u64().unwrap_or_default();
            if u64::from(context.attempt()) <= fails {
                return Err(StepError::new(Category::Network, "not yet"));
            }
            let id = context.step_id().as_str();
            let seen = context.data().get("shared").cloned();
            let padding = "x".repeat(context.config()["bytes"].as_u64().unwrap_or(1) as usize);
            let n = context.iteration();
            Ok(json!({"shared": id, "n": n, "padding": padding, format!("of_{id}"): seen}))
        }
    });
    registry
}

/// One execution in a database of its own, opened anew for each part of its life.
struct Life {
    directory: tempfile::TempDir,
    definition: Value,
}

/// What a life comes to.
#[derive(Debug, PartialEq)]
struct Outcome {
    output: Value,
    /// In the order of their ends; sorted where a pause before a retry makes that a matter of time.
    steps: Vec<Value>,
}

impl Life {
    fn new(definition: &Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let life = Self {
            directory,
            definition: definition.clone(),
        };
        let log = life.log();
        let new = NewExecution::named("exec_1".parse().unwrap(), "p", 1);
        log.create(&new, Budget::default()).unwrap();
        life
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A program that another test is starting has a copy of the lock file until it runs: that is waited for.
    fn log(&self) -> Log {
        for _ in 0..2_000 {
            match SqliteStore::open(self.path(), Durability::Process) {
                Err(StoreError::InUse) => std::thread::sleep(Duration::from_millis(5)),
                opened => return Log::new(Arc::new(opened.unwrap())),
            }
        }
        panic!("the data directory stays in use");
    }

    fn pipeline(&self, gate: &Arc<Semaphore>) -> Arc<Pipeline> {
        Arc::new(Pipeline::from_json(&self.definition, &gated(gate)).unwrap())
    }

    fn restore(&self, log: &Log, pipeline: &Arc<Pipeline>) -> Result<Restored, Unfit> {
        let stream = log.open(&"exec_1".parse().unwrap()).unwrap().unwrap();
        let saved = match log.store().checkpoint(stream.key()).unwrap() {
            Some(kept) => read(&kept, log)?,
            None => Saved::default(),
        };
        saved.restore(pipeline.clone(), input())
    }

    /// Lets so many executions end, and then everything stands still and is dropped. The checkpoints there are then.
    async fn part(&self, executions: usize, upto: usize) -> usize {
        let gate = Arc::new(Semaphore::new(executions));
        let log = self.log();
        let pipeline = self.pipeline(&gate);
        let stream = log.open(&"exec_1".parse().unwrap()).unwrap().unwrap();
        let begun = stream.has_begun();
        let restored = begun.then(|| self.restore(&log, &pipeline).unwrap());
        let mut reader = Reader::new(stream.clone(), stream.tail().last_seq);
        let context = StreamingContext::new(stream);
        let going = tokio::spawn(async move {
            match restored {
                Some(restored) => {
                    resume(
                        restored,
                        ResumeReason::Restart,
                        context,
                        RunOptions::default(),
                    )
                    .await
                }
                None => run(pipeline, input(), context, RunOptions::default()).await,
            }
        });
        let mut newest = 0;
        while newest < upto {
            soon(reader.grown()).await;
            for record in reader.read(100).await.unwrap().records {
                let event = record.parse().unwrap();
                if event.event_type == EventType::CheckpointSaved {
                    newest = event.data["checkpoint_id"]
                        .as_str()
                        .unwrap()
                        .parse()
                        .unwrap();
                }
            }
        }
        going.abort();
        assert!(soon(going).await.is_err(), "it was over already");
        newest
    }

    /// Goes on, or begins, and comes to the end.
    async fn finish(&self) -> (Outcome, Vec<StreamEvent>) {
        let gate = Arc::new(Semaphore::new(1_000_000));
        let log = self.log();
        let pipeline = self.pipeline(&gate);
        let stream = log.open(&"exec_1".parse().unwrap()).unwrap().unwrap();
        let context = StreamingContext::new(stream.clone());
        let options = RunOptions::default();
        let result = if stream.has_begun() {
            let restored = self.restore(&log, &pipeline).unwrap();
            soon(resume(restored, ResumeReason::Restart, context, options)).await
        } else {
            soon(run(pipeline, input(), context, options)).await
        };
        soon(stream.watch().wait_for(|tail| tail.ended.is_some()))
            .await
            .unwrap();
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
        (self.outcome(&result), events)
    }

    fn outcome(&self, result: &RunResult) -> Outcome {
        assert!(result.error.is_none(), "{:?}", result.error);
        let mut steps: Vec<Value> = result.steps.iter().map(|step| json!(step)).collect();
        if self.definition.to_string().contains("retry") {
            for step in &mut steps {
                step["step_index"].take();
            }
            steps.sort_by_key(ToString::to_string);
        }
        Outcome {
            output: result.output.clone(),
            steps,
        }
    }
}

fn read(kept: &Checkpoint, log: &Log) -> Result<Saved, Unfit> {
    let mut saved = Saved::read(&kept.state, &kept.results)?;
    let id = "exec_1".parse().unwrap();
    let row = log.store().find(&id).unwrap().unwrap().key;
    let mut outputs = BTreeMap::new();
    for seq in saved.wanted() {
        let records = log.store().read(&row, seq - 1, 1, 1 << 30).unwrap();
        let mut event: StreamEvent = records[0].parse().unwrap();
        outputs.insert(seq, event.data["output"].take());
    }
    saved.supply(outputs);
    Ok(saved)
}

fn input() -> Map<String, Value> {
    object(json!({"shared": "input"}))
}

/// Steps that ended, each time once, whatever was cut off in between.
fn check(events: &[StreamEvent], label: &str) {
    let numbers: Vec<u64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
    let mut ends = BTreeMap::new();
    for event in events {
        if let EventType::StepComplete | EventType::StepError = event.event_type {
            let of = (event.step_id.clone(), event.data["iteration"].as_u64());
            *ends.entry(of).or_insert(0) += 1;
        }
    }
    assert!(ends.values().all(|times| *times == 1), "{label}: {ends:?}");
    let begun = |event: &&StreamEvent| event.event_type == EventType::PipelineStart;
    assert_eq!(events.iter().filter(begun).count(), 1, "{label}");
}

/// A graph with branches, joins, a loop and steps that fail in every way that a run survives.
fn random_definition(seed: u64) -> Value {
    let mut random = fastrand::Rng::with_seed(seed);
    let short = format!("{} s1>s1?3", random_dag(&mut random));
    let mut definition = graph(&short);
    for step in definition["steps"].as_array_mut().unwrap() {
        match random.usize(..8) {
            0 => {
                step["config"] = json!({"fails": 2});
                step["error_handling"] = json!({"retry": {"initial_delay": 0, "jitter": false}});
            }
            1 => {
                step["config"] = json!({"fails": 9});
                step["error_handling"] = json!({"continue_on_error": true});
            }
            2 => {
                step["config"] = json!({"fails": 9});
                step["error_handling"] = json!({"fallback_output": {"n": 9, "fell": true}});
            }
            // one that the checkpoint leaves to the log
            3 => step["config"] = json!({"bytes": 80_000}),
            _ => {}
        }
    }
    for path in definition["flow"]["paths"].as_array_mut().unwrap() {
        if path["condition"] == "always" {
            path["condition"] = match random.usize(..10) {
                0 => "success".into(),
                1 => "failure".into(),
                _ => continue,
            };
        }
    }
    definition
}

#[tokio::test]
async fn rule_6_a_run_cut_off_at_any_checkpoint_ends_as_if_it_had_not_been() {
    for seed in 0..6 {
        let definition = random_definition(seed);
        let (whole, events) = Life::new(&definition).finish().await;
        check(&events, "undisturbed");
        for cut in 0..whole.steps.len() {
            let label = format!("seed {seed}, cut at {cut}: {}", definition["flow"]);
            let life = Life::new(&definition);
            life.part(cut, cut).await;
            let (outcome, events) = life.finish().await;
            assert_eq!(outcome, whole, "{label}");
            check(&events, &label);
        }
    }
}

#[tokio::test]
async fn rule_6_a_run_cut_off_at_all_its_checkpoints_ends_as_if_it_had_not_been() {
    for seed in 20..23 {
        let definition = random_definition(seed);
        let (whole, _) = Life::new(&definition).finish().await;
        let life = Life::new(&definition);
        for checkpoint in 1..whole.steps.len() {
            assert_eq!(life.part(1, checkpoint).await, checkpoint);
        }
        let (outcome, events) = life.finish().await;
        assert_eq!(outcome, whole, "seed {seed}");
        check(&events, "all");
        let resumed = events.iter().filter(|e| e.data["kind"] == "resumed");
        assert_eq!(resumed.count(), whole.steps.len() - 1);
    }
}

#[tokio::test]
async fn a_checkpoint_is_as_small_at_the_end_of_a_long_run_as_at_its_beginning() {
    let steps: Vec<Value> = (0..300)
        .map(|n| json!({"id": format!("s{n}"), "class": "A", "config": {"bytes": 1000}}))
        .collect();
    let chain: Vec<String> = (1..300).map(|n| format!("s{}>s{n}", n - 1)).collect();
    let life = Life::new(&pipeline(json!(steps), paths(&chain.join(" "))));
    life.part(299, 299).await;
    let log = life.log();
    let key = log
        .store()
        .find(&"exec_1".parse().unwrap())
        .unwrap()
        .unwrap();
    let kept = log.store().checkpoint(key.key.key).unwrap().unwrap();
    assert_eq!(kept.results.len(), 299);
    assert!(kept.state.len() < 400, "{} bytes", kept.state.len());
    for (_, entry) in &kept.results {
        assert!(entry.len() < 1300, "{} bytes", entry.len());
    }
}

#[tokio::test]
async fn limits_and_the_time_of_the_run_count_on() {
    let mut definition = graph("w>w");
    definition["loop_config"] = json!({"max_iterations": 5});
    let life = Life::new(&definition);
    life.part(3, 3).await;
    let gate = Arc::new(Semaphore::new(100));
    let log = life.log();
    let stream = log.open(&"exec_1".parse().unwrap()).unwrap().unwrap();
    let restored = life.restore(&log, &life.pipeline(&gate)).unwrap();
    let context = StreamingContext::new(stream.clone());
    let result = soon(resume(
        restored,
        ResumeReason::Restart,
        context,
        RunOptions::default(),
    ))
    .await;
    let message = result.error.unwrap().message;
    assert!(message.contains("max_iterations (5)"), "{message}");
    assert_eq!(result.steps.len(), 5, "3 before and 2 after");
    drop(log);

    let life = Life::new(&graph("a>b"));
    life.part(1, 1).await;
    let log = life.log();
    let stream = log.open(&"exec_1".parse().unwrap()).unwrap().unwrap();
    let closed = Arc::new(Semaphore::new(0));
    let restored = life.restore(&log, &life.pipeline(&closed)).unwrap();
    // one step has been executed before
    let options = RunOptions {
        max_steps: 2,
        timeout: Some(Duration::from_millis(50)),
        ..RunOptions::default()
    };
    let context = StreamingContext::new(stream.clone());
    let result = soon(resume(restored, ResumeReason::Restart, context, options)).await;
    assert_eq!(json!(result.status), "timeout");
}

#[tokio::test]
async fn a_checkpoint_that_does_not_fit_is_refused_and_never_a_panic() {
    let definition = graph("a>b b>c");
    let life = Life::new(&definition);
    life.part(2, 2).await;
    let log = life.log();
    let stream = log.open(&"exec_1".parse().unwrap()).unwrap().unwrap();
    let kept = log.store().checkpoint(stream.key()).unwrap().unwrap();
    let open = Arc::new(Semaphore::new(100));
    let mut state: Value = serde_json::from_slice(&kept.state).unwrap();
    assert_eq!(state["version"], 1);
    state["version"] = json!(2);
    let later = state.to_string().into_bytes();
    assert_eq!(
        Saved::read(&later, &kept.results).unwrap_err(),
        Unfit::Version
    );
    assert_eq!(
        Saved::read(b"{", &kept.results).unwrap_err(),
        Unfit::Version
    );
    // an entry that is missing
    assert!(Saved::read(&kept.state, &kept.results[..1]).is_err());
    // the pipeline is another one
    for other in ["a>b?0 b>c", "a>b a>c", "a>a?9 a>c"] {
        let other = Pipeline::from_json(&graph(other), &gated(&open)).unwrap();
        let saved = Saved::read(&kept.state, &kept.results).unwrap();
        let fits = saved.restore(Arc::new(other), input());
        assert_eq!(fits.unwrap_err(), Unfit::Elsewhere);
    }
    // an output that was left to the log is not there any more
    let life = Life::new(&{
        let mut definition = definition.clone();
        definition["steps"][0]["config"] = json!({"bytes": 80_000});
        definition
    });
    life.part(1, 1).await;
    let log = life.log();
    let kept = log.store().checkpoint(stream.key()).unwrap().unwrap();
    let saved = Saved::read(&kept.state, &kept.results).unwrap();
    assert_eq!(saved.wanted().len(), 1);
    assert_eq!(saved.cut_off(&life.pipeline(&open)), ["b"]);
    assert_eq!(
        saved.restore(life.pipeline(&open), input()).unwrap_err(),
        Unfit::Output("a".into())
    );
}
