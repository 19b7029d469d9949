//! What holds for every row.

use std::time::Duration;

use serde_json::Value;
use stepcast::context::Draft;
use stepcast::log::Budget;

use super::rows::ROWS;
use super::runs::{Run, long, runs};
use super::{Asked, Row, Told};
use crate::harness::{Server, soon};

fn whole(id: &str) -> Asked {
    Asked {
        id: id.to_owned(),
        after: None,
        most: usize::MAX,
        slow: false,
    }
}

/// A server whose rings hold few events: what is older comes from the store.
async fn server() -> Server {
    Server::with(|config| {
        config.buffer_size = 8;
    })
    .await
}

fn budget(events: usize) -> Budget {
    Budget {
        events,
        ..Budget::default()
    }
}

/// What a reader has to be told: the log, or what it comes to in its words.
async fn expected(server: &Server, row: &Row, id: &str) -> Vec<Value> {
    if row.translates {
        return row.follow(server, whole(id)).await.values();
    }
    log(server, id).await
}

async fn log(server: &Server, id: &str) -> Vec<Value> {
    let stream = server
        .executions
        .log()
        .open(&id.parse().unwrap())
        .unwrap()
        .unwrap();
    let mut reader = stepcast::log::Reader::new(stream, 0);
    let mut events = Vec::new();
    loop {
        let page = reader.read(5_000).await.unwrap();
        let parsed = page
            .records
            .iter()
            .map(|it| serde_json::from_str(it.json()).unwrap());
        events.extend::<Vec<Value>>(parsed.collect());
        if page.ended.is_some() {
            return events;
        }
    }
}

async fn settle(server: &Server, id: &str) {
    let stream = server
        .executions
        .log()
        .open(&id.parse().unwrap())
        .unwrap()
        .unwrap();
    let ended = async {
        let mut tail = stream.watch();
        tail.wait_for(|tail| tail.ended.is_some()).await.unwrap();
    };
    soon(ended).await;
}

async fn made(server: &Server, id: &str, drafts: &[Draft], ring: usize) {
    let context = server.execution(id, budget(ring));
    for draft in drafts {
        context.emit(draft.clone()).await.unwrap();
    }
    settle(server, id).await;
}

#[tokio::test]
async fn each_gives_every_run_while_it_happens() {
    let server = server().await;
    for Run { name, drafts } in runs() {
        for (n, row) in ROWS.iter().enumerate() {
            let id = format!("{name}-{n}");
            let context = server.execution(&id, budget(8));
            let emitting = async {
                for draft in &drafts {
                    context.emit(draft.clone()).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            let (told, ()) = tokio::join!(row.follow(&server, whole(&id)), emitting);
            let expected = expected(&server, row, &id).await;
            assert_eq!(told.values(), expected, "{}: {name}", row.name);
            assert!(told.over && told.gaps.is_empty(), "{}: {name}", row.name);
            assert!(
                expected.len() >= drafts.len() || row.translates,
                "{}: {name}",
                row.name
            );
            assert!(
                expected.len() > 10,
                "{}: {name}: {}",
                row.name,
                expected.len()
            );
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn each_goes_on_exactly_wherever_it_was_cut() {
    let server = server().await;
    for Run { name, drafts } in runs() {
        made(&server, name, &drafts, 8).await;
        for row in &ROWS {
            let all = row.follow(&server, whole(name)).await;
            assert_eq!(
                all.values(),
                expected(&server, row, name).await,
                "{}: {name}",
                row.name
            );
            for cut in 1..=all.items.len() {
                // what was read of a connection that broke, and what its reader comes back with
                let asked = Asked {
                    most: cut,
                    ..whole(name)
                };
                let before = (row.read)(&server, asked).await;
                assert_eq!(
                    before.values()[..cut],
                    all.values()[..cut],
                    "{}: {name}",
                    row.name
                );
                let asked = Asked {
                    after: before.items[cut - 1].place.clone(),
                    ..whole(name)
                };
                let behind = row.follow(&server, asked).await;
                assert_eq!(
                    behind.values(),
                    all.values()[cut..],
                    "{}: {name} behind {cut}",
                    row.name
                );
                assert!(
                    behind.over && behind.gaps.is_empty(),
                    "{}: {name}",
                    row.name
                );
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn each_reader_that_is_slow_loses_nothing() {
    let server = server().await;
    // more than sockets and rings hold
    let drafts = long(150, 32 << 10);
    for (n, row) in ROWS.iter().enumerate() {
        let id = format!("slow-{n}");
        let context = server.execution(&id, budget(16));
        let emitting = async {
            for draft in &drafts {
                context.emit(draft.clone()).await.unwrap();
            }
        };
        let asked = Asked {
            slow: true,
            ..whole(&id)
        };
        let (told, ()) = tokio::join!(row.follow(&server, asked), emitting);
        assert!(
            told.values() == expected(&server, row, &id).await,
            "{}",
            row.name
        );
        assert!(told.over && told.gaps.is_empty(), "{}", row.name);
    }
    server.stop().await;
}

#[tokio::test]
async fn each_names_what_retention_took_and_gives_the_rest() {
    let server = Server::with(|config| {
        config.buffer_size = 2;
        config.retention_execution_events = 10;
        config.retention_interval_ms = 100;
    })
    .await;
    made(&server, "old", &long(60, 10), 2).await;
    let id = "old".parse().unwrap();
    soon(async {
        while server.executions.find(&id).unwrap().unwrap().earliest != 51 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let rest = log(&server, "old").await;
    assert_eq!((rest.len(), &rest[0]["seq"]), (10, &51.into()));
    for row in &ROWS {
        let told = row.follow(&server, whole("old")).await;
        assert!(told.over, "{}", row.name);
        if row.translates {
            // it is among what is said, in whatever words
            let text = serde_json::to_string(&told.values()).unwrap();
            assert!(
                !told.gaps.is_empty() || text.contains("50"),
                "{}: {text}",
                row.name
            );
        } else {
            assert_eq!(told.values(), rest, "{}", row.name);
            assert_eq!(told.gaps, [(1, 50)], "{}", row.name);
        }
    }
    server.stop().await;
}

/// A recording of many events, read by each.
#[tokio::test]
async fn each_gives_a_hundred_thousand_events() {
    const COUNT: usize = 100_000;
    let server = server().await;
    made(&server, "long", &long(COUNT, 0), 1_000).await;
    let expected: Vec<Value> = log(&server, "long").await;
    assert_eq!(expected.len(), COUNT);
    for row in &ROWS {
        let began = std::time::Instant::now();
        let Told { items, over, gaps } = row.follow(&server, whole("long")).await;
        assert!(over && gaps.is_empty(), "{}", row.name);
        if row.translates {
            // one piece for each token at the least, in order
            assert!(items.len() >= COUNT - 4, "{}: {}", row.name, items.len());
        } else {
            assert_eq!(items.len(), COUNT, "{}", row.name);
            let same = items
                .iter()
                .zip(&expected)
                .all(|(item, event)| item.value == *event);
            assert!(same, "{}", row.name);
        }
        println!("{}: {:?}", row.name, began.elapsed());
    }
    server.stop().await;
}
