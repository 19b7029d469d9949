//! The real binary, killed and stopped in the middle of runs: they go on where their pipeline lets them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use stepcast::follow::{Follower, Notice, Server};
use stepcast_core::client::{Config, State};
use stepcast_core::control::EndReason;
use stepcast_core::event::{EventType, StreamEvent};
use stepcast_core::view::{RunView, StepStatus};

use crate::harness::soon;
use crate::process::Process;

/// Notes in `book` that it was executed, takes its time, and says how often it was. The last one waits to be let go.
fn step(id: &str, book: &Path) -> Value {
    let go = if id == "last" { "go" } else { "txt" };
    let go = book.with_extension(go);
    let script = format!(
        r#"read -r given
n=$(printf '%s' "$given" | sed 's/.*"iteration":\([0-9]*\).*/\1/')
echo "{id}.$n" >> "{}"
echo '{{"token":"half "}}'
sleep 0.1
i=0
while [ ! -e "{}" ] && [ $i -lt 600 ]; do sleep 0.05; i=$((i+1)); done
echo '{{"token":"whole"}}'
printf '{{"output":{{"n":%s}}}}\n' "$n""#,
        book.display(),
        go.display(),
    );
    json!({ "id": id, "type": "command", "idempotent": true, "config": { "command": ["sh", "-c", script] } })
}

/// A fork, a loop in one branch, a path by condition, a join.
fn definition(book: &Path) -> Value {
    let steps: Vec<Value> = ["first", "left", "loop", "never", "join", "last"]
        .iter()
        .map(|id| step(id, book))
        .collect();
    let less = json!({ "type": "field_less_than", "field": "loop.n", "value": 3 });
    json!({
        "name": "Survives",
        "steps": steps,
        "flow": { "start_at": "first", "paths": [
            { "from": "first", "to": "left" },
            { "from": "first", "to": "loop" },
            { "from": "loop", "to": "loop", "condition": less },
            { "from": "loop", "to": "join", "condition": "else" },
            { "from": "left", "to": "never", "condition": { "type": "field_equals", "field": "left.n", "value": 7 } },
            { "from": "left", "to": "join", "condition": "else" },
            { "from": "join", "to": "last" },
        ] },
        "outputs": { "loops": "{{ loop.n }}" },
    })
}

fn executed(book: &Path) -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(book).unwrap_or_default();
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        *counts.entry(line.to_owned()).or_insert(0) += 1;
    }
    counts
}

fn follower(process: &Process, id: &str) -> Follower {
    let server = Server::new(&process.address).unwrap();
    Follower::new(server, Config::new(id.parse().unwrap()))
}

/// Executions whose end was seen.
fn ended(seen: &[StreamEvent]) -> Vec<String> {
    let ends = seen
        .iter()
        .filter(|event| event.event_type == EventType::StepComplete);
    ends.map(|event| {
        let step = event.step_id.as_ref().unwrap();
        format!("{step}.{}", event.data["iteration"])
    })
    .collect()
}

fn resumed(seen: &[StreamEvent]) -> usize {
    let resumed = |event: &&StreamEvent| event.data["kind"] == "resumed";
    seen.iter().filter(resumed).count()
}

async fn rest(follower: &mut Follower, seen: &mut Vec<StreamEvent>) {
    while let Some(notice) = soon(follower.next()).await {
        match notice {
            Notice::Event(event) => seen.push(*event),
            Notice::State(_) => {}
            Notice::Gap { .. }
            | Notice::Reset { .. }
            | Notice::Snapshot(_)
            | Notice::Fidelity(_) => panic!("{notice:?}"),
        }
    }
}

#[tokio::test]
async fn rules_2_and_6_a_run_killed_again_and_again_goes_on_in_one_log_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let (data, book) = (
        directory.path().join("data"),
        directory.path().join("book.txt"),
    );
    let mut process = Process::start(&data, "127.0.0.1:0").await;
    let body = json!({ "definition": definition(&book), "execution_id": "survives" });
    assert_eq!(process.post("/api/executions", &body).await.0, 201);
    let mut follower = follower(&process, "survives");
    let (mut seen, mut kills) = (Vec::new(), 0_usize);
    for until in [2, 9, 16, 24, 33, 40] {
        while seen.len() < until {
            if let Notice::Event(event) = soon(follower.next()).await.unwrap() {
                seen.push(*event);
            }
        }
        let had_ended = ended(&seen);
        let address = if until % 2 == 0 {
            process.kill().await
        } else {
            process.terminate().await
        };
        let executed_then = executed(&book);
        kills += 1;
        process = Process::start(&data, &address).await;
        // whatever it does from now on, it does none of these again
        while resumed(&seen) < kills {
            match soon(follower.next()).await.unwrap() {
                Notice::Event(event) => seen.push(*event),
                Notice::State(_) => {}
                Notice::Gap { .. }
                | Notice::Reset { .. }
                | Notice::Snapshot(_)
                | Notice::Fidelity(_) => panic!("another log"),
            }
        }
        let executed_now = executed(&book);
        for one in had_ended {
            assert_eq!(executed_now[&one], executed_then[&one], "{one}");
        }
    }
    std::fs::write(book.with_extension("go"), "").unwrap();
    rest(&mut follower, &mut seen).await;
    let reason = EndReason::Complete;
    assert_eq!(follower.state(), State::Ended { reason });
    let numbers: Vec<u64> = seen.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=seen.len() as u64).collect::<Vec<_>>());

    let mut once = ended(&seen);
    once.sort_unstable();
    let expected = [
        "first.1", "join.1", "last.1", "left.1", "loop.1", "loop.2", "loop.3",
    ];
    assert_eq!(once, expected, "each ends once, and nothing else runs");
    assert!(executed(&book).values().sum::<usize>() > expected.len());
    let last = seen.last().unwrap();
    assert_eq!(last.data["output"], json!({ "loops": 3 }));
    assert_eq!(last.data["steps_completed"], 7);

    let mut view = RunView::default();
    seen.iter().for_each(|event| view.apply(event));
    assert_eq!((view.resumes, view.unknown), (kills as u64, 0));
    for step in &view.steps {
        let never = step.id == "never";
        let (status, text) = if never {
            (StepStatus::Skipped, "")
        } else {
            (StepStatus::Completed, "half whole")
        };
        assert_eq!(
            (step.status, step.text.as_str()),
            (status, text),
            "{}",
            step.id
        );
    }
    process.kill().await;
}

/// One step that ends, and one that is under way until its file is there.
fn two(waits: &Path, idempotent: bool, recovery: Option<&str>) -> Value {
    let script = "while [ ! -e \"$0\" ]; do sleep 0.05; done; echo '{\"output\":{\"done\":true}}'";
    let mut definition = json!({
        "name": "Two",
        "steps": [
            { "id": "quick", "type": "set", "config": { "values": { "n": 1 } } },
            { "id": "slow", "type": "command", "idempotent": idempotent, "config": { "command": ["sh", "-c", script, waits] } },
        ],
        "flow": { "start_at": "quick", "paths": [{ "from": "quick", "to": "slow" }] },
    });
    if let Some(recovery) = recovery {
        definition["recovery"] = recovery.into();
    }
    definition
}

#[tokio::test]
async fn rule_6_after_a_crash_a_run_goes_on_or_says_why_not_and_can_be_resumed_by_hand() {
    let directory = tempfile::tempdir().unwrap();
    let (data, file) = (directory.path().join("data"), directory.path().join("go"));
    let process = Process::start(&data, "127.0.0.1:0").await;
    let cases = [
        ("auto-safe", true, None, None),
        ("resume", false, Some("resume"), None),
        (
            "auto-unsafe",
            false,
            None,
            Some("step `slow` was under way and is not marked `idempotent`"),
        ),
        (
            "interrupt",
            true,
            Some("interrupt"),
            Some("the pipeline's `recovery` is `interrupt`"),
        ),
    ];
    for (id, idempotent, recovery, _) in cases {
        let body = json!({ "definition": two(&file, idempotent, recovery), "execution_id": id });
        assert_eq!(process.post("/api/executions", &body).await.0, 201);
        let mut follower = follower(&process, id);
        let slow = |notice| matches!(notice, Notice::Event(event) if event.event_type == EventType::StepStart && event.data["kind"] == "command");
        while !slow(soon(follower.next()).await.unwrap()) {}
    }
    let address = process.kill().await;
    std::fs::write(&file, "").unwrap();
    let process = Process::start(&data, &address).await;
    for (id, _, _, why) in cases {
        let mut seen = Vec::new();
        let mut follower = follower(&process, id);
        rest(&mut follower, &mut seen).await;
        let end = seen.last().unwrap();
        let Some(why) = why else {
            assert_eq!(end.event_type, EventType::PipelineComplete, "{id}");
            continue;
        };
        assert_eq!(end.data["reason"], "interrupted", "{id}");
        assert_eq!(
            end.data["error"]["message"],
            format!("The server stopped while the pipeline was running; {why}.")
        );
        let (status, answer) = process
            .post(&format!("/api/executions/{id}/resume"), &json!({}))
            .await;
        assert_eq!(status, 201, "{answer}");
        let mut again = Vec::new();
        let mut follower = self::follower(&process, answer["execution_id"].as_str().unwrap());
        rest(&mut follower, &mut again).await;
        assert_eq!(
            again.last().unwrap().event_type,
            EventType::PipelineComplete
        );
        assert_eq!(ended(&again), ["quick.1", "slow.1"]);
    }
    process.kill().await;
}
