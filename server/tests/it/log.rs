//! The log: one order, exact resume, no silent hole, and what a killed process leaves.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use stepcast::context::{Draft, EmitError, StreamingContext};
use stepcast::log::{
    Budget, Durability, Log, MemoryStore, NewExecution, Reader, SqliteStore, Stream,
};
use stepcast::subscriber::{
    CallbackSubscriber, FileSubscriber, MetricsSubscriber, Subscriber, SubscriberError,
};
use stepcast_core::control::EndReason;
use stepcast_core::event::EventType;

use crate::harness::soon;

fn draft(event_type: EventType, n: usize) -> Draft {
    Draft {
        event_type,
        step_id: Some("s".into()),
        data: json!({ "n": n }),
        metadata: None,
    }
}

fn new_execution(id: &str) -> NewExecution {
    NewExecution::named(id.parse().unwrap(), "test", 1)
}

fn sqlite(directory: &Path) -> Log {
    Log::new(Arc::new(
        SqliteStore::open(directory, Durability::Process).unwrap(),
    ))
}

fn small() -> Budget {
    Budget {
        events: 16,
        bytes: 1 << 16,
        uncommitted_bytes: 1 << 14,
    }
}

/// Reads to the end and checks that nothing is missing, doubled or out of order.
async fn follow(stream: Arc<Stream>, after: u64) -> Vec<u64> {
    let mut reader = Reader::new(stream, after);
    let mut seqs = Vec::new();
    loop {
        reader.grown().await;
        let page = reader.read(7).await.unwrap();
        if let Some((from, to)) = page.gap {
            seqs.extend(from..=to);
        }
        for record in &page.records {
            assert_eq!(record.parse().unwrap().seq, record.seq());
            seqs.push(record.seq());
        }
        if let Some((last_seq, reason)) = page.ended {
            assert_eq!(
                (last_seq, reason),
                (seqs.last().copied().unwrap_or(after), EndReason::Complete)
            );
            return seqs;
        }
    }
}

async fn followers_see_one_order(log: Log) {
    let stream = log.create(&new_execution("one-order"), small()).unwrap();
    let emitted = 2000;
    let producer = tokio::spawn({
        let stream = stream.clone();
        async move {
            for n in 1..emitted {
                assert_eq!(
                    stream
                        .append(&draft(EventType::StepProgress, n))
                        .await
                        .unwrap(),
                    n as u64
                );
                if n % 50 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            stream
                .append(&draft(EventType::PipelineComplete, emitted))
                .await
                .unwrap();
        }
    });
    let mut followers = Vec::new();
    for n in 0..20_u64 {
        stream
            .watch()
            .wait_for(|tail| tail.last_seq >= n * 90)
            .await
            .unwrap();
        let after = n * 37;
        followers.push((after, tokio::spawn(follow(stream.clone(), after))));
    }
    producer.await.unwrap();
    for (after, follower) in followers {
        assert_eq!(
            follower.await.unwrap(),
            (after + 1..=emitted as u64).collect::<Vec<_>>()
        );
    }
    assert_eq!(
        stream.append(&draft(EventType::StepStart, 0)).await,
        Err(EmitError::Ended)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rule_1_one_order_and_rule_2_exact_resume_from_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    followers_see_one_order(sqlite(directory.path())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rule_3_what_a_memory_log_dropped_is_announced() {
    followers_see_one_order(Log::new(Arc::new(MemoryStore::new()))).await;
}

#[tokio::test]
async fn a_reader_behind_the_ring_of_a_memory_log_gets_the_gap_and_the_rest() {
    let log = Log::new(Arc::new(MemoryStore::new()));
    let stream = log.create(&new_execution("gap"), small()).unwrap();
    for n in 1..=100 {
        stream
            .append(&draft(EventType::StepProgress, n))
            .await
            .unwrap();
    }
    let mut reader = Reader::new(stream, 3);
    let gap = reader.read(50).await.unwrap();
    assert_eq!((gap.gap, gap.records.len()), (Some((4, 84)), 0));
    let rest = reader.read(50).await.unwrap();
    assert_eq!(
        (
            rest.gap,
            rest.records.first().unwrap().seq(),
            rest.records.len()
        ),
        (None, 85, 16)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_nobody_holds_is_found_again_in_the_database() {
    let directory = tempfile::tempdir().unwrap();
    let frames = {
        let log = sqlite(directory.path());
        let stream = log.create(&new_execution("again"), small()).unwrap();
        for n in 1..=40 {
            stream
                .append(&draft(EventType::StepProgress, n))
                .await
                .unwrap();
        }
        stream
            .append(&draft(EventType::PipelineComplete, 41))
            .await
            .unwrap();
        stream
            .watch()
            .wait_for(|tail| tail.ended.is_some())
            .await
            .unwrap();
        Reader::new(stream, 30).read(100).await.unwrap().records
    };
    let log = sqlite(directory.path());
    assert!(log.create(&new_execution("again"), small()).is_err());
    let stream = log.open(&"again".parse().unwrap()).unwrap().unwrap();
    assert_eq!(
        (stream.tail().last_seq, stream.tail().ended),
        (41, Some(EndReason::Complete))
    );
    let again = Reader::new(stream.clone(), 30).read(100).await.unwrap();
    let bytes = |records: &[stepcast::log::Record]| {
        records
            .iter()
            .map(|record| record.sse_bytes())
            .collect::<Vec<_>>()
    };
    assert_eq!(bytes(&again.records), bytes(&frames));
    assert_eq!(
        stream.append(&draft(EventType::StepStart, 0)).await,
        Err(EmitError::Ended)
    );
    assert!(log.open(&"never".parse().unwrap()).unwrap().is_none());
}

#[tokio::test]
async fn a_damaged_database_is_refused_at_start() {
    let directory = tempfile::tempdir().unwrap();
    drop(sqlite(directory.path()));
    let path = directory.path().join("stepcast.db");
    let mut bytes = std::fs::read(&path).unwrap();
    for byte in bytes.iter_mut().skip(100) {
        *byte = 0xA5;
    }
    std::fs::write(&path, bytes).unwrap();
    assert!(SqliteStore::open(directory.path(), Durability::Process).is_err());
}

struct Panics;

impl Subscriber for Panics {
    fn name(&self) -> &'static str {
        "panics"
    }

    fn on_event<'a>(
        &'a mut self,
        _event: &'a stepcast::log::Record,
    ) -> futures_util::future::BoxFuture<'a, Result<(), SubscriberError>> {
        panic!("on purpose")
    }
}

#[tokio::test]
async fn rule_10_a_subscriber_that_fails_panics_or_hangs_takes_nothing_else_down() {
    let log = Log::new(Arc::new(MemoryStore::new()));
    let stream = log
        .create(&new_execution("subscribers"), Budget::default())
        .unwrap();
    let context = StreamingContext::new(stream.clone());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.ndjson");
    let metrics = MetricsSubscriber::default();
    let (seen, mut all_seen) = tokio::sync::watch::channel(0);
    context.subscribe(Box::new(Panics)).unwrap();
    context
        .subscribe(Box::new(CallbackSubscriber::new(|_| {
            Err(SubscriberError::Failed("on purpose".into()))
        })))
        .unwrap();
    context
        .subscribe(Box::new(FileSubscriber::create(&path).await.unwrap()))
        .unwrap();
    context.subscribe(Box::new(metrics.clone())).unwrap();
    let removed = context
        .subscribe(Box::new(CallbackSubscriber::new(|_| Ok(()))))
        .unwrap();
    assert!(context.unsubscribe(removed) && !context.unsubscribe(removed));
    context
        .subscribe(Box::new(CallbackSubscriber::new(move |record| {
            seen.send_replace(record.seq());
            Ok(())
        })))
        .unwrap();
    context
        .emit_progress(&"s".into(), 0.5, Some("half"))
        .await
        .unwrap();
    context
        .emit(draft(EventType::StepComplete, 2))
        .await
        .unwrap();
    context.emit(draft(EventType::StepError, 3)).await.unwrap();
    context
        .emit(draft(EventType::PipelineComplete, 4))
        .await
        .unwrap();
    all_seen.wait_for(|seq| *seq == 4).await.unwrap();
    let subscribers = context.subscribers().unwrap();
    while subscribers.attached() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(subscribers.failed(), 2);
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written.lines().count(), 4);
    assert_eq!(
        serde_json::from_str::<Value>(written.lines().next().unwrap()).unwrap()["data"],
        json!({"progress":0.5,"message":"half"})
    );
    assert_eq!(
        (metrics.snapshot().events, metrics.step_validity_rate()),
        (4, Some(0.5))
    );
}

#[tokio::test]
async fn an_event_type_that_would_break_a_frame_is_refused() {
    let log = Log::new(Arc::new(MemoryStore::new()));
    let stream = log
        .create(&new_execution("types"), Budget::default())
        .unwrap();
    for word in ["a\nb", "a\"b", "", "Step Start"] {
        let refused = stream
            .append(&draft(EventType::Unknown(word.to_owned()), 1))
            .await;
        assert_eq!(refused, Err(EmitError::EventType), "{word:?}");
    }
    assert_eq!(
        stream
            .append(&draft(EventType::Unknown("later_2".to_owned()), 1))
            .await,
        Ok(1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_cannot_be_kept_does_not_hold_up_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let log = sqlite(directory.path());
    let bad = log.create(&new_execution("bad"), small()).unwrap();
    let good = log.create(&new_execution("good"), small()).unwrap();
    let database = rusqlite::Connection::open(directory.path().join("stepcast.db")).unwrap();
    database
        .execute("DELETE FROM executions WHERE id = 'bad'", [])
        .unwrap();
    bad.append(&draft(EventType::StepStart, 1)).await.unwrap();
    for n in 1..=20 {
        good.append(&draft(EventType::StepProgress, n))
            .await
            .unwrap();
    }
    let stored = |name: &str| {
        let row = log.store().find(&name.parse().unwrap()).unwrap();
        row.map(|row| row.last_seq)
    };
    soon(async {
        while stored("good") != Some(20) || bad.last_failure().is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let refused = bad.append(&draft(EventType::StepProgress, 2)).await;
    assert!(matches!(refused, Err(EmitError::Store(_))), "{refused:?}");
}
