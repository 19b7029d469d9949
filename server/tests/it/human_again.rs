//! Questions of a former life: of steps that wait in their own code, of runs that are resumed by hand, and of servers
//! that are killed just as somebody answers.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use stepcast::RunError;
use stepcast::config::Config;
use stepcast::executions::{Definition, Executions, Request};
use stepcast::log::StoreError;
use stepcast::step::{Question, StepContext, StepRegistry};

use crate::harness::{Server, soon};
use crate::human_api::{asks, of_kind};
use crate::pipeline_harness::{object, pipeline};
use crate::process::Process;

/// A server without its sockets, over this folder.
async fn life(data: &Path, registry: StepRegistry) -> Executions {
    let config = Config {
        data_dir: data.to_owned(),
        ..Config::default()
    };
    soon(async {
        loop {
            match stepcast::open(config.clone(), registry.clone()).await {
                // a program that another test is starting has a copy of the lock file until it runs
                Err(RunError::Store(StoreError::InUse)) => {
                    tokio::time::sleep(Duration::from_millis(5)).await
                }
                opened => return opened.unwrap(),
            }
        }
    })
    .await
}

/// Waits until exactly this is asked.
async fn asked(executions: &Executions, wait_id: &str) -> Value {
    soon(async {
        loop {
            let (open, _) = executions.open_waits(10, None).unwrap();
            if let [wait] = &open[..]
                && wait.wait_id() == wait_id
            {
                return serde_json::to_value(wait).unwrap();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_step_that_waits_in_its_own_code_begins_again_and_finds_its_answers() {
    let directory = tempfile::tempdir().unwrap();
    let begun = Arc::new(AtomicU32::new(0));
    let registry = || {
        let begun = Arc::clone(&begun);
        let mut registry = StepRegistry::builtin();
        registry.register_fn("Asks", move |context: StepContext| {
            let begun = Arc::clone(&begun);
            async move {
                begun.fetch_add(1, Ordering::Relaxed);
                let one = context
                    .ask(Question::choice("One?", "n", ["x", "y"]))
                    .await?;
                let limit = Duration::from_secs(3600);
                let two = Question::new("Two?").with_timeout(limit);
                let two = context.ask(two).await?;
                Ok(json!({"one": one.values["n"], "two": two.values["user_input"]}))
            }
        });
        registry
    };
    let executions = life(directory.path(), registry()).await;
    let id = "asks".parse().unwrap();
    let request = Request {
        pipeline: Definition::Inline(pipeline(json!([{"id": "a", "class": "Asks"}]), json!([]))),
        input: object(json!({})),
        execution_id: Some("asks".parse().unwrap()),
        owner: None,
        trace: None,
    };
    executions.create_and_start(request).await.unwrap();
    asked(&executions, "a.1").await;
    let one = object(json!({"n": "y"}));
    executions
        .answer(&id, "a.1", one.clone(), Some("ann".into()))
        .await
        .unwrap();
    let before = asked(&executions, "a.1-2").await;
    executions.stop().await;

    let executions = life(directory.path(), registry()).await;
    let after = asked(&executions, "a.1-2").await;
    assert_eq!(after, before, "the deadline is the same");
    soon(async {
        while begun.load(Ordering::Relaxed) != 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    // what was answered in the former life stays answered
    assert!(executions.answer(&id, "a.1", one, None).await.is_ok());
    let other = executions
        .answer(&id, "a.1", object(json!({"n": "x"})), None)
        .await;
    assert_eq!(other.unwrap_err().status(), 409);
    let two = object(json!({"user_input": "zwei"}));
    executions.answer(&id, "a.1-2", two, None).await.unwrap();
    let stream = executions.log().open(&id).unwrap().unwrap();
    soon(stream.watch().wait_for(|tail| tail.ended.is_some()))
        .await
        .unwrap();
    let view = executions.view(&id).await.unwrap().unwrap();
    assert_eq!(
        view.output.unwrap()["a"],
        json!({"one": "y", "two": "zwei"})
    );
    let told = executions.waits(&id).await.unwrap();
    assert_eq!(told.len(), 2, "each is listed once");
    executions.stop().await;
}

#[tokio::test]
async fn a_run_resumed_by_hand_asks_anew() {
    let server = Server::with(|_| {}).await;
    let config = json!({"choices": ["publish"], "timeout_seconds": 3600});
    server.run("first", asks(config)).await;
    server.stands("first", "waiting").await;
    server.post("/api/executions/first/cancel", json!({})).await;
    server.stands("first", "cancelled").await;
    let (_, old) = server.get("/api/executions/first/waits").await;
    let (status, resumed) = server.post("/api/executions/first/resume", json!({})).await;
    assert_eq!(status, 201, "{resumed}");
    let id = resumed["execution_id"].as_str().unwrap();
    server.stands(id, "waiting").await;
    let (_, new) = server.get("/api/executions/first/waits").await;
    assert_eq!(new, old, "the old one stays as it ended");
    assert_eq!(old["waits"][0]["status"], "closed");
    let events = server.events(id).await;
    let told = of_kind(&events, "waiting");
    let times: Vec<&str> = told
        .iter()
        .map(|told| told["data"]["expires_at"].as_str().unwrap())
        .collect();
    assert_eq!(times.len(), 2);
    assert!(times[0] < times[1], "with a time of its own");
    let body = json!({"answer": {"decision": "publish"}});
    let former = server.answer(id, "review.1", body.clone()).await;
    assert_eq!(former.0, 410, "the former question is over");
    assert_eq!(server.answer(id, "review.1-2", body).await.0, 200);
    server.stands(id, "completed").await;
    server.stop().await;
}

#[tokio::test]
async fn recovery_interrupt_ends_a_waiting_run_too() {
    let directory = tempfile::tempdir().unwrap();
    let executions = life(directory.path(), StepRegistry::builtin()).await;
    let mut definition = asks(json!({"choices": ["publish"]}));
    definition["recovery"] = "interrupt".into();
    let request = Request {
        pipeline: Definition::Inline(definition),
        input: object(json!({})),
        execution_id: Some("never".parse().unwrap()),
        owner: None,
        trace: None,
    };
    executions.create_and_start(request).await.unwrap();
    asked(&executions, "review.1").await;
    executions.stop().await;
    let executions = life(directory.path(), StepRegistry::builtin()).await;
    let id = "never".parse().unwrap();
    let stream = executions.log().open(&id).unwrap().unwrap();
    soon(stream.watch().wait_for(|tail| tail.ended.is_some()))
        .await
        .unwrap();
    let row = executions.find(&id).unwrap().unwrap();
    assert!(row.error.unwrap().contains("`recovery` is `interrupt`"));
    assert_eq!(executions.open_waits(10, None).unwrap().1, 0);
    let answer = executions
        .answer(
            &id,
            "review.1",
            object(json!({"decision": "publish"})),
            None,
        )
        .await;
    assert_eq!(answer.unwrap_err().status(), 409);
    executions.stop().await;
}

/// Three questions one after the other.
fn three() -> Value {
    let step = |id: &str| json!({"id": id, "type": "human", "config": {"choices": ["a", "b"], "timeout_seconds": 3600}});
    json!({
        "name": "Three", "steps": [step("x"), step("y"), step("z")],
        "flow": {"start_at": "x", "paths": [{"from": "x", "to": "y"}, {"from": "y", "to": "z"}]},
    })
}

#[tokio::test]
async fn rule_5_an_answer_that_was_acknowledged_survives_a_kill_at_any_instant() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let directory = tempfile::tempdir().unwrap();
    let mut listen = "127.0.0.1:0".to_owned();
    let mut acknowledged: Vec<(String, Value)> = Vec::new();
    let client = reqwest::Client::new();
    let url = |address: &str, run: usize, wait: &str| {
        format!("http://{address}/api/executions/r{run}/waits/{wait}/answer")
    };
    for round in 0..24 {
        let process = Process::start(directory.path(), &listen).await;
        for (path, first) in &acknowledged {
            let request = client.post(format!("http://{}{path}", process.address));
            let again = request
                .json(&json!({"answer": first["answer"]}))
                .send()
                .await
                .unwrap();
            assert_eq!(again.status(), 200, "seed {seed}");
            assert_eq!(again.json::<Value>().await.unwrap(), *first, "seed {seed}");
        }
        let run = round / 4;
        let body = json!({"definition": three(), "execution_id": format!("r{run}")});
        let (status, _) = process.post("/api/executions", &body).await;
        assert!(
            status == 201 || round % 4 > 0 && status == 409,
            "seed {seed}: {status}"
        );
        // three people answer all three as soon as they are asked, until the server is gone
        let people: Vec<_> = (0..3)
            .map(|n| {
                let (client, address) = (client.clone(), process.address.clone());
                tokio::spawn(async move {
                    let mut taken = Vec::new();
                    for wait in ["x.1", "y.1", "z.1"] {
                        let decision = if n == 0 { "a" } else { "b" };
                        let body = json!({"answer": {"decision": decision}, "by": format!("p{n}")});
                        loop {
                            let path = url(&address, run, wait);
                            let Ok(response) = client.post(path).json(&body).send().await else {
                                return taken;
                            };
                            match response.status().as_u16() {
                                200 => {
                                    let Ok(answer) = response.json::<Value>().await else {
                                        return taken;
                                    };
                                    taken.push((wait, answer));
                                    break;
                                }
                                409 => break,
                                404 => tokio::time::sleep(Duration::from_millis(1)).await,
                                status => panic!("seed {seed}: {status}"),
                            }
                        }
                    }
                    taken
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_micros(dice.u64(0..60_000))).await;
        listen = process.kill().await;
        for person in people {
            for (wait, answer) in soon(person).await.unwrap() {
                let path = format!("/api/executions/r{run}/waits/{wait}/answer");
                if !acknowledged.iter().any(|(known, _)| *known == path) {
                    acknowledged.push((path, answer));
                }
            }
        }
    }
    println!("{} answers acknowledged", acknowledged.len());
    assert!(!acknowledged.is_empty(), "the test has done something");
    let process = Process::start(directory.path(), &listen).await;
    for run in 0..6 {
        soon(async {
            loop {
                let row = reqwest::get(format!("http://{}/api/executions/r{run}", process.address));
                let row: Value = row.await.unwrap().json().await.unwrap();
                match row["status"].as_str().unwrap() {
                    "waiting" | "completed" => return,
                    // on its way to the next question
                    "running" => tokio::time::sleep(Duration::from_millis(5)).await,
                    _ => panic!("seed {seed}: {row}"),
                }
            }
        })
        .await;
        let waits = reqwest::get(format!(
            "http://{}/api/executions/r{run}/waits",
            process.address
        ));
        let waits: Value = waits.await.unwrap().json().await.unwrap();
        let mut names: Vec<&str> = waits["waits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|wait| wait["wait_id"].as_str().unwrap())
            .collect();
        names.dedup();
        assert_eq!(names, ["x.1", "y.1", "z.1"][..names.len()], "seed {seed}");
    }
    process.kill().await;
}
