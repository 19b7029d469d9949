//! What the pipeline does not wait for, and what a reader far behind costs.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use stepcast::log::{Budget, Durability, Log, NewExecution, Reader, SqliteStore};
use stepcast::subscriber::CallbackSubscriber;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::harness::{Server, progress, soon};

const EVENTS: usize = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rule_8_emitting_waits_for_no_subscriber_and_no_socket() {
    let server = Server::with(|config| config.durability = Durability::Off).await;
    let context = server.execution("held", Budget::default());
    // one subscriber that never comes back until it is let go, and one socket that nobody reads
    let (let_go, held) = channel::<()>();
    let held = Mutex::new(held);
    context.subscribe(Box::new(CallbackSubscriber::new(move |_| {
        let _let_go = held.lock().unwrap().recv();
        Ok(())
    })));
    let mut unread = TcpStream::connect(&server.address).await.unwrap();
    let request = format!(
        "GET /stream/pipeline/held HTTP/1.1\r\nHost: {}\r\n\r\n",
        server.address
    );
    unread.write_all(request.as_bytes()).await.unwrap();
    for n in 0..EVENTS {
        soon(context.emit(progress(n))).await.unwrap();
    }
    let stream = context.stream().unwrap();
    soon(
        stream
            .watch()
            .wait_for(|tail| tail.last_seq == EVENTS as u64),
    )
    .await
    .unwrap();
    drop(let_go);
    server.stop().await;
}

#[tokio::test]
async fn rule_9_a_reader_far_behind_reads_the_log_in_pages_and_joins_the_tail_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path(), Durability::Off).unwrap();
    let log = Log::new(Arc::new(store));
    let new = NewExecution::named("far".parse().unwrap(), "test", 1);
    let budget = Budget {
        events: 100,
        ..Budget::default()
    };
    let stream = log.create(&new, budget).unwrap();
    let mut behind = Reader::new(stream.clone(), 0);
    let mut largest = 0;
    for n in 0..EVENTS {
        stream.append(&progress(n)).await.unwrap();
    }
    soon(
        stream
            .watch()
            .wait_for(|tail| tail.last_seq == EVENTS as u64),
    )
    .await
    .unwrap();
    log.flush();
    let held = log.bytes_in_memory();
    let (mut next, mut pages) = (1, 0);
    while behind.after() < EVENTS as u64 {
        let page = behind.read(256).await.unwrap();
        pages += 1;
        assert!(page.gap.is_none() && page.records.len() <= 256);
        largest = largest.max(page.records.iter().map(stepcast::log::Record::size).sum());
        for record in page.records {
            assert_eq!(record.seq(), next);
            next += 1;
        }
        assert_eq!(
            log.bytes_in_memory(),
            held,
            "reading the past fills no memory"
        );
    }
    assert!(
        pages >= EVENTS / 256 && largest < 256 << 10,
        "{pages}, {largest}"
    );
    stream.append(&progress(0)).await.unwrap();
    assert_eq!(soon(behind.grown()).await.last_seq, EVENTS as u64 + 1);
    assert_eq!(behind.read(256).await.unwrap().records.len(), 1);
}
