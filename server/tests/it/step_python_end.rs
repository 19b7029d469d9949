//! Classes in Python that do not end by themselves: their deadline, a cancellation and the server's end do it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stepcast::pipeline::RunStatus;

use crate::pipeline_harness::{Running, paths, pipeline};
use crate::processes::{gone, lives};
use crate::step_python::{begin, class, failure, settings};

const HANGS: &str = r#"
import os, signal, subprocess, time
class Warm:
    def run(self, data):
        return {}
class S:
    def run(self, data):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(["sleep", "600"])
        self.emit_custom(pids=[os.getpid(), child.pid])
        while True:
            time.sleep(600)
"#;

async fn hanging(definition: &Value) -> (Running, Vec<u64>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let mut running = begin(directory.path(), HANGS, definition, &settings());
    let told = running.until(|event| event.data["kind"] == "custom").await;
    let pids = told.data["pids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pid| pid.as_u64().unwrap())
        .collect();
    (running, pids, directory)
}

#[tokio::test]
async fn one_that_hangs_is_ended_by_its_deadline_with_its_children() {
    // the deadline counts nothing but the step: its worker has started and imported before
    let steps = json!([
        class("warm", "Warm", json!({})),
        class("s", "S", json!({ "timeout_seconds": 2 })),
    ]);
    let definition = pipeline(steps, paths("warm>s"));
    let (running, pids, _directory) = hanging(&definition).await;
    let ran = running.end().await;
    assert_eq!(failure(&ran).0, "timeout");
    for pid in pids {
        assert!(gone(pid).await, "{pid} lives on");
    }
}

#[tokio::test]
async fn a_cancelled_one_is_gone_within_a_second_with_its_children() {
    let definition = pipeline(json!([class("s", "S", json!({}))]), json!([]));
    let (running, pids, _directory) = hanging(&definition).await;
    let asked = Instant::now();
    running.cancel.cancel();
    let ran = running.end().await;
    assert_eq!(ran.result.status, RunStatus::Cancelled);
    for pid in pids {
        assert!(gone(pid).await, "{pid} lives on");
    }
    assert!(
        asked.elapsed() < Duration::from_secs(1),
        "{:?}",
        asked.elapsed()
    );
}

#[test]
fn a_worker_whose_server_is_gone_ends_with_its_children_whatever_it_is_at() {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::{Command, Stdio};

    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("steps.py"), HANGS).unwrap();
    let mut worker = Command::new("python3")
        .args(["-u", "-c", include_str!("../../src/step/python/worker.py")])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut server = worker.stdin.take().unwrap();
    let answers = BufReader::new(worker.stdout.take().unwrap());
    let settings = json!({ "path": [directory.path()], "max_memory_bytes": 0 });
    let request = json!({
        "module": "steps", "class": "S", "step_id": "s", "execution_id": "e", "config": {}, "data": {}, "mark": "m",
    });
    write!(server, "{settings}\n{request}\n").unwrap();
    let said = answers
        .lines()
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let pids = said
        .map(|mut line| line["custom"]["pids"].take())
        .find(Value::is_array);
    let child = pids.unwrap()[1].as_u64().unwrap();
    assert!(lives(child));
    drop(server);
    assert_eq!(worker.wait().unwrap().signal(), Some(9));
    let deadline = Instant::now() + Duration::from_secs(2);
    while lives(child) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!lives(child));
}
