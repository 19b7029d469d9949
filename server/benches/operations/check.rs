//! How much longer a start takes because all of the database is looked at first.

use std::time::Instant;

use stepcast::log::{Durability, LogFile, SqliteOptions, SqliteStore, Store as _};

use crate::{ended, open};

pub(crate) async fn run() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), Durability::Off);
    for n in 0..1500 {
        ended(&log, &format!("e{n}"), 1000).await;
    }
    log.close();
    drop(log);
    let file = std::fs::metadata(directory.path().join("stepcast.db")).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "far below 2 to the 52")]
    let gigabytes = file.len() as f64 / 1e9;
    println!("\n## check: a start on 1,500,000 events, {gigabytes:.2} GB, in the page cache\n");
    println!("| | s | s per GB |");
    println!("| --- | ---: | ---: |");
    for (name, check) in [
        ("check_at_start = false", false),
        ("check_at_start = true", true),
    ] {
        let options = SqliteOptions {
            check,
            ..SqliteOptions::default()
        };
        let begun = Instant::now();
        let store = SqliteStore::open_with(directory.path(), options).unwrap();
        let took = begun.elapsed().as_secs_f64();
        store.close();
        println!("| {name} | {took:.3} | {:.2} |", took / gigabytes);
    }
    let file = LogFile::open(directory.path()).unwrap();
    let begun = Instant::now();
    file.stats(10).unwrap();
    let took = begun.elapsed().as_secs_f64();
    println!("| log stats | {took:.3} | {:.2} |", took / gigabytes);
    let begun = Instant::now();
    assert_eq!(file.check(&mut |_| {}).unwrap(), 0);
    let took = begun.elapsed().as_secs_f64();
    println!(
        "| log stats --check | {took:.3} | {:.2} |",
        took / gigabytes
    );
}
