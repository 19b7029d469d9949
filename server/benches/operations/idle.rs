//! What executions that nobody reads cost: the real server's memory with 10,000 of them, each opened once.

use std::path::Path;
use std::process::Stdio;

use stepcast::log::Durability;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::{ended, open};

pub(crate) async fn run() {
    println!("\n## idle: memory of the server process (VmRSS), in MiB\n");
    println!(
        "| executions in the log | at start | after 20,000 requests, each execution opened at least once |"
    );
    println!("| --- | ---: | ---: |");
    let _already = rustls::crypto::ring::default_provider().install_default();
    for executions in [1, 10_000] {
        let directory = tempfile::tempdir().unwrap();
        let log = open(directory.path(), Durability::Off);
        for n in 0..executions {
            ended(&log, &format!("e{n}"), 20).await;
        }
        log.close();
        drop(log);
        let (mut server, address) = started(directory.path()).await;
        let before = resident(&server);
        let client = reqwest::Client::new();
        for n in 0..20_000 {
            let id = n % executions;
            let url = format!("http://{address}/api/executions/e{id}/events");
            let answer = client.get(url).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            answer.bytes().await.unwrap();
        }
        let after = resident(&server);
        server.kill().await.unwrap();
        println!("| {executions} | {before:.1} | {after:.1} |");
    }
}

async fn started(directory: &Path) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stepcast"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let address = line.strip_prefix("listening on http://").unwrap();
    (child, address.to_owned())
}

/// MiB that the process has in memory.
fn resident(child: &Child) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0
}
