//! `stepcast log` as an operator uses it: beside a running server and without one.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use serde_json::{Value, json};
use stepcast::log::{
    Along, Budget, Durability, Log, LogFile, NewExecution, ProducerMark, Reader, SqliteStore,
    Store as _,
};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::harness::{Server, complete, emit, progress, soon};

/// Exit code, standard output and standard error.
async fn log(arguments: &[&str], directory: &Path, input: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stepcast"))
        .arg("log")
        .args(arguments)
        .arg("--data-dir")
        .arg(directory)
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // a command that does not read it has ended by then
    let _closed = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = soon(child.wait_with_output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn open(directory: &Path) -> Log {
    let store = SqliteStore::open(directory, Durability::Process).unwrap();
    Log::new(Arc::new(store))
}

/// A log with one execution of each sort.
async fn mixed(directory: &Path) {
    let log = open(directory);
    let create = |name: &str| {
        let mut new = NewExecution::named(name.parse().unwrap(), "Nights \u{1f319}", 1_000);
        new.definition = json!({ "name": "Nights", "z": 1, "a": [1.0, 2e3] });
        new.input = json!({ "who": "line\nbreak" });
        new.lease_ms = (name == "failed").then_some(5_000);
        new.resumed_from = (name == "failed").then(|| "done".parse().unwrap());
        log.create(&new, Budget::default()).unwrap()
    };
    let done = create("done");
    for n in 0..50 {
        done.append(&progress(n)).await.unwrap();
    }
    let last = done.append(&complete()).await.unwrap();
    done.settled(last).await.unwrap();
    log.store().shrinks().unwrap().trim(done.key(), 20).unwrap();
    let failed = create("failed");
    let along = Along {
        checkpoint: Some((
            b"{\"at\":1}".as_slice().into(),
            vec![(0, b"{}".as_slice().into())],
        )),
        producer: Some(ProducerMark {
            producer: "p".into(),
            epoch: 1,
            seq: 2,
        }),
        status: None,
        ..Along::default()
    };
    let mut end = complete();
    end.event_type = stepcast_core::event::EventType::PipelineError;
    end.data = json!({ "reason": "failed", "error": { "message": "no \"luck\"\n" } });
    failed.append_all(&[progress(1), end], along).await.unwrap();
    failed.settled(2).await.unwrap();
    let running = create("running");
    let seq = running.append(&progress(1)).await.unwrap();
    running.settled(seq).await.unwrap();
    log.store()
        .set_status(
            running.key(),
            stepcast::log::ExecutionStatus::Running,
            2_000,
        )
        .unwrap();
    log.close();
}

#[tokio::test]
async fn an_export_comes_back_byte_for_byte() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    mixed(first.path()).await;
    let (code, text, told) = log(
        &["export", "--status", "completed,failed"],
        first.path(),
        "",
    )
    .await;
    assert_eq!(
        (code, told.trim()),
        (0, "2 executions and 33 events written")
    );
    let (code, out, err) = log(&["import", "-"], second.path(), &text).await;
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out.trim(), "-: 2 executions and 33 events taken in");
    let (code, again, _) = log(&["export", "--all"], second.path(), "").await;
    assert_eq!(code, 0);
    assert!(again == text, "{text}\n---\n{again}");

    // all of the two is there, in the epoch of its new log
    let store = Arc::new(SqliteStore::open(second.path(), Durability::Process).unwrap());
    let former = SqliteStore::open(first.path(), Durability::Process).unwrap();
    for name in ["done", "failed"] {
        let (id, now) = (
            name.parse().unwrap(),
            store.find(&name.parse().unwrap()).unwrap(),
        );
        let (then, now) = (former.find(&id).unwrap().unwrap(), now.unwrap());
        let (then_key, now_key) = (then.key.key, now.key.key);
        assert_eq!(
            store.origin(now_key).unwrap(),
            former.origin(then_key).unwrap()
        );
        assert_eq!(
            store.checkpoint(now_key).unwrap(),
            former.checkpoint(then_key).unwrap()
        );
        assert_eq!(
            store.producers(now_key).unwrap(),
            former.producers(then_key).unwrap()
        );
        assert_eq!((now.earliest, now.last_seq), (then.earliest, then.last_seq));
        assert_eq!((now.lease_ms, now.error), (then.lease_ms, then.error));
    }
    assert!(store.checkpoint(2).unwrap().is_some());
    let log = Log::new(store);
    let stream = log.open(&"done".parse().unwrap()).unwrap().unwrap();
    let page = Reader::new(stream, 0).read(100).await.unwrap();
    assert_eq!((page.gap, page.records.len()), (Some((1, 20)), 31));
}

#[tokio::test]
async fn what_was_under_way_when_it_was_exported_ends_as_interrupted() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    mixed(first.path()).await;
    let (_, text, _) = log(&["export", "running"], first.path(), "").await;
    let file = first.path().join("running.ndjson");
    fs::write(&file, &text).unwrap();
    let (code, out, _) = log(&["import", file.to_str().unwrap()], second.path(), "").await;
    assert_eq!(code, 0);
    assert!(
        out.contains("1 had no end and ended as interrupted"),
        "{out}"
    );
    let (_, again, _) = log(&["export", "running"], second.path(), "").await;
    let lines: Vec<Value> = again
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["status"], "interrupted");
    assert_eq!(text.lines().nth(1), again.lines().nth(1));
    assert_eq!(
        (&lines[2]["seq"], &lines[2]["data"]["reason"]),
        (&json!(2), &json!("interrupted"))
    );
    assert_eq!(lines.len(), 3);
}

#[tokio::test]
async fn an_execution_that_is_there_is_refused_or_passed_over() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    mixed(first.path()).await;
    let (_, text, _) = log(&["export", "--all"], first.path(), "").await;
    let (_, failed, _) = log(&["export", "failed"], first.path(), "").await;
    log(&["import", "-"], second.path(), &failed).await;
    let (code, _, err) = log(&["import", "-"], second.path(), &text).await;
    assert_eq!(code, 1);
    assert!(
        err.contains("line 33: execution failed is in this log already"),
        "{err}"
    );
    assert!(err.contains("--skip-existing"), "{err}");
    // what came before it is there
    let (code, out, _) = log(&["import", "--skip-existing", "-"], second.path(), &text).await;
    assert_eq!(code, 0);
    assert!(
        out.contains("1 executions and 2 events taken in, 2 executions were there"),
        "{out}"
    );
}

#[tokio::test]
async fn rule_4_an_execution_exported_deleted_and_imported_is_another_incarnation() {
    let directory = tempfile::tempdir().unwrap();
    mixed(directory.path()).await;
    let (_, text, _) = log(&["export", "done"], directory.path(), "").await;
    let held = open(directory.path());
    let id = "done".parse().unwrap();
    let epoch = held.open(&id).unwrap().unwrap().epoch();
    held.delete(&id).unwrap();
    held.close();
    assert_eq!(log(&["import", "-"], directory.path(), &text).await.0, 0);
    let again = open(directory.path());
    assert!(again.open(&id).unwrap().unwrap().epoch() > epoch);
    again.close();
}

#[tokio::test]
async fn a_line_that_does_not_fit_is_named_and_nothing_of_its_execution_is_taken() {
    let first = tempfile::tempdir().unwrap();
    mixed(first.path()).await;
    let (_, text, _) = log(&["export", "done"], first.path(), "").await;
    let lines: Vec<&str> = text.lines().collect();
    let with = |n: usize, line: &str| {
        let mut changed = lines.clone();
        changed[n - 1] = line;
        changed.join("\n") + "\n"
    };
    let without = |n: usize| {
        let mut changed = lines.clone();
        changed.remove(n - 1);
        changed.join("\n") + "\n"
    };
    let spaced = lines[6].replace("\":", "\": ");
    let another = lines[6].replace("\"execution_id\":\"done\"", "\"execution_id\":\"other\"");
    let later = lines[0].replace("\"stepcast_execution\":1", "\"stepcast_execution\":9");
    let double = text.clone() + lines[31] + "\n";
    for (text, line, what) in [
        (with(7, "{\"event_type\":\"step_p"), 7, ""),
        (with(7, ""), 7, "empty"),
        (with(7, &spaced), 7, "no event as the log writes them"),
        (with(7, &another), 7, "of other"),
        (without(7), 7, "event 27 is where event 26 is due"),
        (
            without(32),
            1,
            "goes to event 51, and its events end with 50",
        ),
        (without(1), 1, "begins an execution is expected"),
        (with(1, &later), 1, "format 9 is not known"),
        (double, 33, "event 51 follows the end"),
        (text.trim_end().to_owned(), 32, "cut off"),
    ] {
        let second = tempfile::tempdir().unwrap();
        let (code, _, err) = log(&["import", "-"], second.path(), &text).await;
        assert_eq!(code, 1, "{what}");
        assert!(
            err.contains(&format!("line {line}: ")) && err.contains(what),
            "{what}: {err}"
        );
        let file = LogFile::open(second.path()).unwrap();
        assert_eq!(file.stats(1).unwrap().executions, 0, "{what}");
    }
}

#[tokio::test]
async fn beside_a_running_server_the_log_is_read_and_not_written() {
    let server = Server::with(|_| {}).await;
    let live = server.execution("live", Budget::default());
    for n in 1..=5 {
        let seq = live.emit(progress(n)).await.unwrap();
        live.stream().unwrap().settled(seq).await.unwrap();
    }
    let ended = server.execution("ended", Budget::default());
    emit(&ended, 3).await;
    let directory = server.directory.path().join("data");

    let (code, out, _) = log(&["stats", "--json"], &directory, "").await;
    assert_eq!(code, 0);
    let stats: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&stats["executions"], &stats["events"]),
        (&json!(2), &json!(8))
    );
    assert_eq!(stats["by_status"], json!({ "completed": 1, "pending": 1 }));
    assert_eq!(stats["durability_at_risk"], true);
    assert_eq!(stats["largest"][0]["execution_id"], "live");
    assert_eq!(stats["epoch"], live.stream().unwrap().epoch());
    let (code, out, _) = log(&["stats", "--check"], &directory, "").await;
    assert_eq!(code, 0);
    assert!(
        out.contains("2: 1 completed, 1 pending") && out.contains("nothing is wrong"),
        "{out}"
    );

    let (code, text, _) = log(&["export", "live"], &directory, "").await;
    assert_eq!((code, text.lines().count()), (0, 6));
    for command in [&["vacuum"][..], &["import", "-"]] {
        let (code, _, err) = log(command, &directory, &text).await;
        assert_eq!(code, 1, "{command:?}");
        assert!(err.contains("in use by another server"), "{err}");
    }
    assert_eq!(live.emit(progress(6)).await, Ok(6));
    let (code, _, err) = log(&["export", "nobody"], &directory, "").await;
    assert_eq!(
        (code, err.contains("there is no execution nobody")),
        (2, true)
    );
    let (code, _, err) = log(&["stats"], &directory.join("elsewhere"), "").await;
    assert_eq!(
        (code, err.contains("there is no log in")),
        (2, true),
        "{err}"
    );
    assert!(!directory.join("elsewhere").exists());
    server.stop().await;
}

#[tokio::test]
async fn a_vacuum_makes_the_file_as_small_as_what_is_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stepcast.db");
    // of the first version: its pages are never given back by themselves
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(include_str!("../data/log_version_1.sql"))
        .unwrap();
    let held = open(directory.path());
    let new = NewExecution::named("large".parse().unwrap(), "test", 1);
    let stream = held.create(&new, Budget::default()).unwrap();
    for n in 0..5000 {
        stream.append(&progress(n)).await.unwrap();
    }
    let last = stream.append(&complete()).await.unwrap();
    stream.settled(last).await.unwrap();
    held.delete(stream.id()).unwrap();
    held.close();
    let before = fs::metadata(&path).unwrap().len();
    let (code, out, _) = log(&["vacuum"], directory.path(), "").await;
    assert_eq!(code, 0);
    let after = fs::metadata(&path).unwrap().len();
    assert!(after < before / 5, "{before} {after}");
    assert!(
        out.contains(&format!("{before} bytes before, {after} now")),
        "{out}"
    );
    let mode: i64 = rusqlite::Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA auto_vacuum", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, 2, "from now on they are");
    assert_eq!(
        LogFile::open(directory.path())
            .unwrap()
            .check(&mut |_| {})
            .unwrap(),
        0
    );
}
