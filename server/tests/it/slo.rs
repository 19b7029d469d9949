//! Objectives: what is counted for them, what they call for, who is told, and what a restart forgets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use stepcast::config::{Config, StoreKind};
use stepcast::log::Budget;
use stepcast::slo::{Objective, SloSettings};
use stepcast::step::StepRegistry;
use tokio::net::TcpListener;

use crate::access_harness::{ALL, closed_with, get, refused, token};
use crate::harness::{Server, progress, soon};
use crate::scrape::Scrape;

/// An objective over an hour: its windows for alerts are seconds.
fn slo(name: &str, objective: Objective, target: f64) -> SloSettings {
    let latency = objective == Objective::DeliveryLatency;
    SloSettings {
        name: name.into(),
        objective,
        threshold_ms: latency.then_some(10_000.0),
        target,
        window_seconds: 3600,
        min_events: 3,
    }
}

/// Runs one pipeline to its end.
async fn run(server: &Server, well: bool) {
    let step = if well {
        json!({ "id": "a", "type": "set", "config": { "values": { "n": 1 } } })
    } else {
        json!({ "id": "a", "type": "fail", "config": { "message": "no" } })
    };
    let definition = json!({
        "name": "Ends",
        "steps": [step],
        "flow": { "start_at": "a", "paths": [] },
    });
    let (status, started) = server
        .post("/api/executions", json!({ "definition": definition }))
        .await;
    assert_eq!(status, 201, "{started}");
    let id = started["execution_id"].as_str().unwrap();
    let stream = server.sse(&format!("/stream/pipeline/{id}"), None).await;
    stream.rest().await;
}

/// The objective of this name, once this is so.
async fn until(server: &Server, name: &str, so: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..400 {
        let (_, told) = server.get("/api/slos").await;
        let slos = told["slos"].as_array().unwrap();
        let found = slos.iter().find(|slo| slo["name"] == name).unwrap();
        if so(found) {
            return found.clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{}", server.get("/api/slos").await.1);
}

#[tokio::test]
async fn budgets_are_made_of_what_is_counted() {
    let server = Server::with(|config| {
        config.store = StoreKind::Memory;
        config.slo = vec![
            slo("late", Objective::DeliveryLatency, 0.99),
            slo("exact", Objective::ResumesExact, 0.999),
            slo("runs", Objective::RunsCompleted, 0.5),
        ];
    })
    .await;
    let fresh = until(&server, "late", |_| true).await;
    let keys: Vec<&String> = fresh.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "name",
            "objective",
            "target",
            "window_seconds",
            "good",
            "total",
            "attained",
            "budget_remaining",
            "burn",
            "alert"
        ]
    );
    assert_eq!(
        (&fresh["total"], &fresh["attained"]),
        (&json!(0), &Value::Null)
    );
    let lengths: Vec<u64> = fresh["burn"]
        .as_array()
        .unwrap()
        .iter()
        .map(|burn| {
            assert_eq!(burn["rate"], Value::Null);
            burn["window_seconds"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(lengths, [1, 3, 5, 30, 360]);
    for well in [true, true, true, false] {
        run(&server, well).await;
    }
    // a reader that is there already: what it gets is no replay
    let live = server.execution("live", Budget::default());
    let mut reader = server.sse("/stream/pipeline/live", None).await;
    reader.message().await.unwrap();
    live.emit(progress(1)).await.unwrap();
    reader.message().await.unwrap();
    let runs = until(&server, "runs", |slo| slo["total"] == 4).await;
    assert_eq!(
        (&runs["good"], &runs["attained"]),
        (&json!(3), &json!(0.75))
    );
    // a quarter was bad, where half may be
    assert_eq!(runs["budget_remaining"], 0.5);
    assert_eq!(
        (&runs["burn"][4]["rate"], &runs["alert"]),
        (&json!(0.5), &json!("none"))
    );
    let late = until(&server, "late", |slo| slo["total"].as_u64() > Some(0)).await;
    assert_eq!(late["attained"], 1.0);
    assert_eq!(late["budget_remaining"], 1.0);
    assert_eq!(until(&server, "exact", |_| true).await["total"], 0);
    let scrape = Scrape::of(&server).await;
    let says = |name: &str| scrape.sum(name, "slo=\"runs\"");
    assert_eq!(says("stepcast_slo_events_total"), 4.0);
    assert_eq!(says("stepcast_slo_good_events_total"), 3.0);
    assert_eq!(says("stepcast_slo_budget_remaining_ratio"), 0.5);
    assert_eq!(says("stepcast_slo_target_ratio"), 0.5);
    assert_eq!(
        scrape.sum("stepcast_slo_burn_rate", "slo=\"runs\",window=\"360\""),
        0.5
    );
    server.stop().await;
}

#[tokio::test]
async fn a_budget_that_burns_is_told_to_those_who_follow_and_posted() {
    let posted: Arc<Mutex<Vec<Value>>> = Arc::default();
    let taken = posted.clone();
    let receive = move |Json(body): Json<Value>| async move { taken.lock().unwrap().push(body) };
    let receiver = Router::new().route("/hook", post(receive));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hook = format!("http://{}/hook", listener.local_addr().unwrap());
    let receiving = tokio::spawn(async move { axum::serve(listener, receiver).await });
    let server = Server::with(|config| {
        config.store = StoreKind::Memory;
        config.slo = vec![slo("runs", Objective::RunsCompleted, 0.95)];
        config.alerts.webhook = Some(hook);
        config.alerts.inside = true;
        config.redaction.fields = vec!["**.good".into()];
    })
    .await;
    let mut follower = server.sse("/api/slos/alerts", None).await;
    for _ in 0..4 {
        run(&server, false).await;
    }
    let began = follower.message().await.unwrap();
    assert_eq!(began.event, "slo_alert");
    let alarm: Value = serde_json::from_str(&began.data).unwrap();
    assert_eq!(
        (&alarm["was"], &alarm["slo"]["alert"]),
        (&json!("none"), &json!("fast"))
    );
    assert_eq!(
        (&alarm["id"], &alarm["slo"]["name"]),
        (&json!(1), &json!("runs"))
    );
    // who comes later is told of what stands, and who has seen it is not
    let late = server
        .sse("/api/slos/alerts", None)
        .await
        .message()
        .await
        .unwrap();
    assert_eq!(late.data, began.data);
    // nothing fails any more: the short windows are empty, and it is over
    let over = follower.message().await.unwrap();
    let alarm: Value = serde_json::from_str(&over.data).unwrap();
    assert_ne!(alarm["slo"]["alert"], "fast", "{alarm}");
    let mut again = server.sse("/api/slos/alerts", Some("1")).await;
    assert_eq!(again.message().await.unwrap().data, over.data);
    for _ in 0..200 {
        if posted.lock().unwrap().len() >= 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let posted = posted.lock().unwrap().clone();
    assert_eq!(posted[0]["type"], "slo_alert");
    assert_eq!(posted[0]["alert"]["slo"]["alert"], "fast");
    // what the settings take out of events is taken out of what leaves here
    assert_eq!(posted[0]["alert"]["slo"]["total"], 4);
    assert_eq!(posted[0]["alert"]["slo"]["good"], "[redacted]");
    receiving.abort();
    server.stop().await;
}

#[tokio::test]
async fn a_restart_goes_on_with_what_was_counted() {
    let objectives = |config: &mut Config| {
        config.slo = vec![slo("runs", Objective::RunsCompleted, 0.5)];
    };
    let server = Server::with(objectives).await;
    for well in [true, false, true] {
        run(&server, well).await;
    }
    let data_dir = server.executions.config().data_dir.clone();
    let directory = server.stop_and_keep().await;
    assert!(data_dir.join("slo.json").exists());
    for (target, total) in [(0.5, 3), (0.9, 3)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = Config {
            data_dir: data_dir.clone(),
            ..Config::default()
        };
        objectives(&mut config);
        // another target is another budget of the same counts
        config.slo[0].target = target;
        let opened = stepcast::open(config, StepRegistry::builtin())
            .await
            .unwrap();
        let kept = tempfile::tempdir().unwrap();
        let server = Server::serving(listener, opened, kept);
        let told = until(&server, "runs", |_| true).await;
        assert_eq!((&told["total"], &told["good"]), (&json!(total), &json!(2)));
        drop(server.stop_and_keep().await);
    }
    drop(directory);
}

#[tokio::test]
async fn who_may_observe_sees_objectives() {
    let server = closed_with(|config| {
        config.slo = vec![slo("runs", Objective::RunsCompleted, 0.5)];
    })
    .await;
    let (watcher, measures) = (token(&server, "w", ALL), token(&server, "m", "observe"));
    for path in ["/api/slos", "/api/slos/alerts"] {
        assert_eq!(get(&server, path, "").await.0, 401);
        assert_eq!(get(&server, path, &watcher).await.0, 403);
    }
    assert_eq!(get(&server, "/api/slos", &measures).await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn settings_that_cannot_be_meant_are_refused_with_their_place() {
    let good = slo("runs", Objective::RunsCompleted, 0.5);
    let late = slo("late", Objective::DeliveryLatency, 0.5);
    let with = |slo: SloSettings| vec![good.clone(), slo];
    for (slos, says) in [
        (with(good.clone()), "slo[1].name: `runs` is there already"),
        (
            with(SloSettings {
                name: "a b".into(),
                ..late.clone()
            }),
            "slo[1].name: must be 1 to 64",
        ),
        (
            with(SloSettings {
                target: 1.0,
                ..late.clone()
            }),
            "slo[1].target: must be above 0 and below 1",
        ),
        (
            with(SloSettings {
                target: 99.9,
                ..late.clone()
            }),
            "slo[1].target",
        ),
        (
            with(SloSettings {
                window_seconds: 60,
                ..late.clone()
            }),
            "slo[1].window_seconds: must be from 3600",
        ),
        (
            with(SloSettings {
                threshold_ms: Some(42.0),
                ..late.clone()
            }),
            "slo[1].threshold_ms: must be one of 0.25, 0.5, 1, 2.5,",
        ),
        (
            with(SloSettings {
                threshold_ms: None,
                ..late.clone()
            }),
            "slo[1].threshold_ms",
        ),
        (
            vec![SloSettings {
                threshold_ms: Some(1.0),
                ..good.clone()
            }],
            "slo[0].threshold_ms: is for the objective",
        ),
    ] {
        let config = Config {
            slo: slos,
            ..Config::default()
        };
        let message = config.check().unwrap_err().to_string();
        assert!(message.starts_with(says), "{message}");
    }
    let directory = tempfile::tempdir().unwrap();
    for (hook, env, says) in [
        (
            Some("http://127.0.0.1:1/"),
            None,
            "alerts.webhook: leads to this machine",
        ),
        (
            Some("ftp://a.example/"),
            None,
            "alerts.webhook: must be an address",
        ),
        (
            None,
            Some("NO_SUCH_VARIABLE"),
            "alerts.webhook_env: the environment has no variable",
        ),
        (
            Some("https://a.example/"),
            Some("X"),
            "alerts.webhook: and webhook_env",
        ),
    ] {
        let mut config = Config {
            store: StoreKind::Memory,
            data_dir: directory.path().join("data"),
            ..Config::default()
        };
        config.alerts.webhook = hook.map(str::to_owned);
        config.alerts.webhook_env = env.map(str::to_owned);
        let message = match config.check() {
            Err(error) => error.to_string(),
            Ok(()) => soon(refused(config)).await,
        };
        assert!(message.starts_with(says), "{message}");
    }
}
