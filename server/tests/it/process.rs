//! The real binary, killed: what was seen stays, and every run ends honestly.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use stepcast::follow::{Follower, Notice, Server};
use stepcast_core::client::{Config, State, Transport};
use stepcast_core::control::EndReason;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::harness::soon;

/// `stepcast serve` in a process of its own.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: String,
}

impl Process {
    pub(crate) async fn start(data_dir: &Path, listen: &str) -> Self {
        Self::with(data_dir, listen, &[]).await
    }

    /// With these settings, as variables.
    pub(crate) async fn with(data_dir: &Path, listen: &str, settings: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stepcast"))
            .args(["serve", "--listen", listen, "--data-dir"])
            .arg(data_dir)
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = soon(lines.next_line()).await.unwrap().unwrap();
        let address = line
            .strip_prefix("listening on http://")
            .unwrap()
            .to_owned();
        Self { child, address }
    }

    /// SIGKILL: nothing in the process has a say.
    pub(crate) async fn kill(mut self) -> String {
        self.child.kill().await.unwrap();
        self.address
    }

    /// SIGTERM: it stops as it should.
    pub(crate) async fn terminate(mut self) -> String {
        let id = self.child.id().unwrap().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(told.unwrap().success());
        assert!(soon(self.child.wait()).await.unwrap().success());
        self.address
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let _already = rustls::crypto::ring::default_provider().install_default();
        let url = format!("http://{}{path}", self.address);
        let request = reqwest::Client::new().post(url).json(body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }
}

/// Writes tokens as fast as it can, more than any round waits for, and does not end.
fn talkative() -> Value {
    let script =
        "i=0; while [ $i -lt 3000 ]; do echo '{\"token\":\"word \"}'; i=$((i+1)); done; sleep 20";
    json!({
        "name": "Talkative",
        "streaming": { "flush_interval_ms": 0 },
        "steps": [{ "id": "talk", "type": "command", "config": { "command": ["sh", "-c", script] } }],
        "flow": { "start_at": "talk", "paths": [] }
    })
}

#[tokio::test]
async fn rules_2_4_and_6_a_killed_server_comes_back_with_all_that_was_seen() {
    let directory = tempfile::tempdir().unwrap();
    let mut listen = "127.0.0.1:0".to_owned();
    let _already = rustls::crypto::ring::default_provider().install_default();
    let ladder = [Transport::WebSocket, Transport::Sse, Transport::LongPoll];
    for (round, transport) in ladder.into_iter().cycle().take(6).enumerate() {
        let process = Process::start(directory.path(), &listen).await;
        let client = reqwest::Client::new();
        let id = format!("killed-{round}");
        let body = json!({ "definition": talkative(), "execution_id": id });
        let started = client
            .post(format!("http://{}/api/executions", process.address))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(started.status(), 201, "{}", started.text().await.unwrap());
        let mut config = Config::new(id.parse().unwrap());
        config.transports = vec![transport];
        let mut follower = Follower::new(Server::new(&process.address).unwrap(), config);
        let (mut seen, kill_after) = (Vec::new(), 50 + round * 333);
        while seen.len() < kill_after {
            if let Notice::Event(event) = soon(follower.next()).await.unwrap() {
                seen.push(*event);
            }
        }
        listen = process.kill().await;
        let process = Process::start(directory.path(), &listen).await;
        let mut waited = false;
        while let Some(notice) = soon(follower.next()).await {
            match notice {
                Notice::Event(event) => seen.push(*event),
                Notice::State(State::Waiting { .. }) => waited = true,
                Notice::State(_) => {}
                Notice::Gap { .. }
                | Notice::Reset { .. }
                | Notice::Snapshot(_)
                | Notice::Fidelity(_) => panic!("{notice:?}"),
            }
        }
        assert_eq!(
            follower.state(),
            State::Ended {
                reason: EndReason::Interrupted
            }
        );
        assert!(waited, "the client says that it waits");
        let numbers: Vec<u64> = seen.iter().map(|event| event.seq).collect();
        assert_eq!(numbers, (1..=seen.len() as u64).collect::<Vec<_>>());
        let mut undisturbed = Follower::new(
            Server::new(&process.address).unwrap(),
            Config::new(id.parse().unwrap()),
        );
        let mut again = Vec::new();
        while let Some(notice) = soon(undisturbed.next()).await {
            if let Notice::Event(event) = notice {
                again.push(*event);
            }
        }
        assert!(again == seen, "no id has two meanings");
        process.kill().await;
    }
}
