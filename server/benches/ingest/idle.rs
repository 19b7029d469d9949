//! What an execution costs whose producer has nothing to say.

use serde_json::json;
use stepcast::config::Config;
use stepcast::executions::Announcement;
use stepcast::log::Durability;
use stepcast::step::StepRegistry;

/// Executions.
const IDLE: usize = 10_000;

pub(crate) async fn run() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config {
        data_dir: directory.path().join("data"),
        durability: Durability::Off,
        ..Config::default()
    };
    let executions = stepcast::open(config, StepRegistry::builtin())
        .await
        .unwrap();
    // what the first ones make the process fetch once is no cost of an execution
    announce(&executions, 0..IDLE / 10).await;
    let before = resident();
    announce(&executions, IDLE / 10..IDLE).await;
    let each = resident().saturating_sub(before) / (IDLE - IDLE / 10);
    println!("\n{IDLE} idle executions: {each} bytes of memory each, all told");
    executions.stop().await;
}

async fn announce(executions: &stepcast::executions::Executions, numbers: std::ops::Range<usize>) {
    for n in numbers {
        let announcement = Announcement {
            execution_id: Some(format!("idle-{n}").parse().unwrap()),
            name: "Idle".into(),
            pipeline: json!({ "name": "Idle" }),
            input: json!({}),
            lease: None,
            producer: None,
            owner: None,
            trace: None,
        };
        executions.announce(announcement).await.unwrap();
    }
}

/// Bytes of this process in memory, where the system tells.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1);
    pages
        .and_then(|pages| pages.parse::<usize>().ok())
        .unwrap_or_default()
        * 4096
}
