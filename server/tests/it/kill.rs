//! The real binary, killed at random instants while it runs, ingests, checkpoints and trims.
//!
//! `STEPCAST_KILLS` says how often, `STEPCAST_SEED` with which dice; a failure names its seed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use stepcast::follow::{Follower, Notice, Server as Target};
use stepcast_core::client::Config as ClientConfig;
use tokio::sync::watch;

use crate::harness::soon;
use crate::process::Process;

/// How often CI kills; `docs/testing.md` says how to go on for longer.
const KILLS: usize = 200;
/// Lanes of their own server each, at the same time.
const LANES: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_2_4_5_and_6_hold_however_often_the_server_is_killed() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let kills = number("STEPCAST_KILLS").map_or(KILLS, |kills: u64| kills.try_into().unwrap());
    let seed = number("STEPCAST_SEED").unwrap_or_else(|| fastrand::u64(..));
    let _already = rustls::crypto::ring::default_provider().install_default();
    println!("STEPCAST_SEED={seed} STEPCAST_KILLS={kills}");
    let lanes: Vec<_> = (0..LANES as u64)
        .map(|lane| tokio::spawn(Lane::new(seed ^ lane).run(kills.div_ceil(LANES))))
        .collect();
    let (mut acknowledged, mut seen, mut resumed) = (0, 0, 0);
    for lane in lanes {
        let lane = lane
            .await
            .unwrap_or_else(|_| panic!("STEPCAST_SEED={seed}"));
        acknowledged += lane.acknowledged;
        seen += lane.seen.lock().unwrap().len();
        resumed += lane.resumed;
    }
    println!(
        "{kills} kills: {acknowledged} events acknowledged, {seen} seen, {resumed} runs resumed"
    );
    assert!(acknowledged > 0 && seen > 0, "the test has done something");
}

/// Retention that trims all the time, and clients that come back at once.
const SETTINGS: [(&str, &str); 4] = [
    ("STEPCAST_RETENTION_EXECUTION_EVENTS", "400"),
    ("STEPCAST_RETENTION_EXECUTIONS", "25"),
    ("STEPCAST_RETENTION_INTERVAL_MS", "100"),
    ("STEPCAST_RETRY_MS", "10"),
];

/// One data directory, its server, and what is known of it from outside.
struct Lane {
    dice: fastrand::Rng,
    directory: tempfile::TempDir,
    producer: Producer,
    seen: Seen,
    acknowledged: u64,
    resumed: usize,
    runs: Vec<String>,
}

/// By execution and cursor, the event that somebody was shown.
type Seen = Arc<Mutex<HashMap<(String, u64), Value>>>;

/// A program elsewhere: one event a request, each sent until it is answered.
#[derive(Clone, Debug, Default)]
struct Producer {
    execution: usize,
    /// The next request; all before it are acknowledged.
    seq: u64,
}

impl Producer {
    fn name(&self, lane: &Path) -> String {
        let lane = lane.file_name().unwrap().to_str().unwrap();
        format!("made-{}-{}", lane.trim_start_matches('.'), self.execution)
    }
}

impl Lane {
    fn new(seed: u64) -> Self {
        Self {
            dice: fastrand::Rng::with_seed(seed),
            directory: tempfile::tempdir().unwrap(),
            producer: Producer::default(),
            seen: Seen::default(),
            acknowledged: 0,
            resumed: 0,
            runs: Vec::new(),
        }
    }

    async fn run(mut self, kills: usize) -> Self {
        let path = self.directory.path().to_owned();
        let mut listen = "127.0.0.1:0".to_owned();
        for round in 0..kills {
            let process = Process::with(&path, &listen, &SETTINGS).await;
            let name = self.producer.name(&path);
            self.check_producer(&process.address, &name).await;
            if round % 4 == 0 {
                self.start_run(&process.address, round).await;
            }
            let life = Duration::from_micros(self.dice.u64(0..100_000));
            let (answered, mut first) = watch::channel(0);
            let producing = tokio::spawn(produce(
                process.address.clone(),
                name.clone(),
                self.producer.clone(),
                answered,
            ));
            let watching = tokio::spawn(look(process.address.clone(), name, self.seen.clone()));
            // most die at work, some before they have begun
            if round % 8 > 0 {
                let begun = soon(first.wait_for(|answers| *answers > 0)).await;
                assert!(begun.is_ok(), "the producer gave up");
            }
            tokio::time::sleep(life).await;
            listen = process.kill().await;
            let producer = soon(producing).await.unwrap();
            self.acknowledged += producer.seq - self.producer.seq;
            self.producer = producer;
            watching.abort();
            if let Err(error) = watching.await
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
            if self.producer.seq >= EVENTS {
                self.producer = Producer {
                    execution: self.producer.execution + 1,
                    seq: 0,
                };
            }
        }
        let process = Process::with(&path, &listen, &SETTINGS).await;
        let name = self.producer.name(&path);
        self.check_producer(&process.address, &name).await;
        self.check_runs(&process.address).await;
        process.kill().await;
        self
    }

    /// Everything acknowledged is there once, in order, but for what retention has announced as gone.
    async fn check_producer(&self, address: &str, name: &str) {
        let Some(events) = all_events(address, name).await else {
            assert_eq!(
                self.producer.seq, 0,
                "an execution with acknowledged events is gone"
            );
            return;
        };
        remember(&self.seen, name, &events);
        let notes: Vec<u64> = events
            .iter()
            .filter_map(|event| event["data"]["n"].as_u64())
            .collect();
        for pair in notes.windows(2) {
            assert_eq!(pair[1], pair[0] + 1, "{name}: lost or doubled");
        }
        let last = notes.last().map_or(0, |last| last + 1);
        let acknowledged = self.producer.seq;
        assert!(
            last == acknowledged || last == acknowledged + 1,
            "{name}: {last} notes are stored, {acknowledged} were acknowledged"
        );
    }

    async fn start_run(&mut self, address: &str, round: usize) {
        let id = format!("run-{round}");
        let body = json!({ "definition": pipeline(), "execution_id": id });
        let url = format!("http://{address}/api/executions");
        let started = reqwest::Client::new().post(url).json(&body).send().await;
        let started = started.unwrap();
        assert_eq!(started.status(), 201, "{}", started.text().await.unwrap());
        self.runs.push(id);
    }

    /// Every run has ended, once, or goes on and ends.
    async fn check_runs(&mut self, address: &str) {
        for id in std::mem::take(&mut self.runs) {
            soon(ended(address, &id)).await;
            let Some(events) = all_events(address, &id).await else {
                continue;
            };
            let ends = |event: &&Value| {
                matches!(
                    event["event_type"].as_str(),
                    Some("pipeline_complete" | "pipeline_error")
                )
            };
            assert_eq!(events.iter().filter(ends).count(), 1, "{id}");
            assert!(events.last().iter().all(ends), "{id}");
            let resumed = |event: &Value| event["data"]["kind"] == "resumed";
            self.resumed += usize::from(events.iter().any(resumed));
        }
    }
}

/// Loops over steps that may run twice, with a checkpoint after each.
fn pipeline() -> Value {
    let step = |id: &str| json!({ "id": id, "type": "delay", "idempotent": true, "config": { "seconds": 0.004 } });
    let path = |from: &str, to: &str| json!({ "from_step": from, "to_step": to, "condition": { "type": "always" } });
    let steps: Vec<Value> = ["a", "b", "c", "d", "e", "f", "g", "h"].map(step).to_vec();
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let paths: Vec<Value> = names
        .windows(2)
        .map(|pair| path(pair[0], pair[1]))
        .collect();
    json!({
        "name": "Steps", "steps": steps,
        "flow": { "start_at": "a", "paths": paths }
    })
}

/// Sends notes until the server is gone; what it has acknowledged by then.
async fn produce(
    address: String,
    name: String,
    mut producer: Producer,
    answered: watch::Sender<u64>,
) -> Producer {
    let client = reqwest::Client::new();
    let url = format!("http://{address}/api/executions");
    if producer.seq == 0 {
        let body = json!({ "mode": "external", "pipeline": "Made", "execution_id": name, "lease_ms": 3_600_000 });
        match client.post(&url).json(&body).send().await {
            Ok(created) => assert!(
                matches!(created.status().as_u16(), 200 | 201 | 409),
                "{}",
                created.text().await.unwrap()
            ),
            Err(_killed) => return producer,
        }
    }
    while producer.seq < EVENTS {
        let note =
            json!({ "event_type": "step_progress", "step_id": "s", "data": { "n": producer.seq } });
        let request = client
            .post(format!("{url}/{name}/events"))
            .header("producer-id", "p")
            .header("producer-epoch", "0")
            .header("producer-seq", producer.seq.to_string())
            .json(&note);
        let Ok(answer) = request.send().await else {
            return producer;
        };
        match answer.status().as_u16() {
            200 | 204 => {
                producer.seq += 1;
                answered.send_modify(|answers| *answers += 1);
            }
            other => panic!("{other}: {}", answer.text().await.unwrap()),
        }
    }
    producer
}

/// Follows an execution from its start, and remembers all that is shown.
async fn look(address: String, name: String, seen: Seen) {
    let config = ClientConfig::new(name.parse().unwrap());
    let mut follower = Follower::new(Target::new(&address).unwrap(), config);
    while let Some(notice) = follower.next().await {
        if let Notice::Event(event) = notice {
            remember(&seen, &name, &[serde_json::to_value(&*event).unwrap()]);
        }
    }
}

/// No id has two meanings.
fn remember(seen: &Seen, name: &str, events: &[Value]) {
    let mut seen = seen.lock().unwrap();
    for event in events {
        let id = (name.to_owned(), seq_of(event));
        let known = seen.entry(id).or_insert_with(|| event.clone());
        assert_eq!(known, event, "one id, two meanings");
    }
}

/// All that is stored of an execution, with its gaps announced; `None` where it is gone.
async fn all_events(address: &str, id: &str) -> Option<Vec<Value>> {
    let client = reqwest::Client::new();
    let (mut events, mut after) = (Vec::<Value>::new(), String::new());
    loop {
        let url = format!("http://{address}/api/executions/{id}/events?limit=1000&after={after}");
        let answer = client.get(url).send().await.unwrap();
        if answer.status() == 404 {
            return None;
        }
        let page: Value = answer.json().await.unwrap();
        let read = page["events"].as_array().unwrap();
        for event in read {
            let (last, seq) = (events.last().map_or(0, seq_of), seq_of(event));
            assert!(
                seq == last + 1 || page["gap"]["to"] == seq - 1,
                "{id}: a hole before {seq} that nobody announced"
            );
            events.push(event.clone());
        }
        if read.is_empty() {
            return Some(events);
        }
        after = page["next"].as_str().unwrap().to_owned();
    }
}

fn seq_of(event: &Value) -> u64 {
    event["seq"].as_u64().unwrap()
}

async fn ended(address: &str, id: &str) {
    let client = reqwest::Client::new();
    loop {
        let url = format!("http://{address}/api/executions/{id}");
        let answer = client.get(url).send().await.unwrap();
        if answer.status() == 404 {
            return;
        }
        let shown: Value = answer.json().await.unwrap();
        if !shown["ended_at"].is_null() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Notes in one execution.
const EVENTS: u64 = 900;
