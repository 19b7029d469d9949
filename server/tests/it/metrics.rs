//! `GET /api/metrics`: the same numbers live, replayed and out of the history.

use serde_json::{Value, json};
use stepcast::context::{Draft, StreamingContext};
use stepcast::executions::Executions;
use stepcast::log::{Budget, Durability, NewExecution};
use stepcast::step::StepRegistry;
use stepcast_core::event::EventType;

use crate::harness::{Server, soon};
use crate::pipeline_harness::{paths, pipeline};

async fn metrics(server: &Server, query: &str) -> Value {
    let (status, answer) = server.get(&format!("/api/metrics{query}")).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

fn of<'a>(report: &'a Value, metric: &str) -> &'a Value {
    let all = report["metrics"].as_array().unwrap();
    all.iter().find(|it| it["metric"] == metric).unwrap()
}

/// Until every execution that has ended has its counts in the store.
async fn kept(executions: &Executions) {
    let counted = async {
        while !executions.log().store().unmeasured(1).unwrap().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    soon(counted).await;
}

fn step(event_type: EventType, step: &str, data: Value) -> Draft {
    Draft {
        event_type,
        step_id: Some(step.into()),
        data,
        metadata: None,
    }
}

/// A run of any course: what it is made of is drawn.
async fn any_run(context: &StreamingContext, end: bool) {
    let start = Draft {
        step_id: None,
        ..step(
            EventType::PipelineStart,
            "",
            json!({ "pipeline": {}, "input": {} }),
        )
    };
    context.emit(start).await.unwrap();
    for _ in 0..fastrand::usize(..12) {
        let name = ["a", "b", "c"][fastrand::usize(..3)];
        context
            .emit(step(EventType::StepStart, name, json!({ "iteration": 1 })))
            .await
            .unwrap();
        for _ in 0..fastrand::usize(..4) {
            let said = [
                json!({ "kind": "retry", "attempt": 2 }),
                json!({ "kind": "token", "text": "Hi" }),
                json!({ "kind": "waiting", "wait_id": "w" }),
                json!({ "kind": "compensated" }),
                json!({ "kind": "mode", "declared": "plan", "actual": "act" }),
                json!({ "kind": "tool_call", "call_id": "1", "duration_ms": fastrand::u32(..5_000) }),
                json!({ "kind": "usage", "input_tokens": fastrand::u32(..100), "output_tokens": 7 }),
                json!({ "kind": "replay", "succeeded": fastrand::bool() }),
                json!({ "kind": "explanation", "succeeded": true, "duration_ms": fastrand::u32(..9_000) }),
            ];
            let data = said[fastrand::usize(..said.len())].clone();
            context
                .emit(step(EventType::StepProgress, name, data))
                .await
                .unwrap();
        }
        let ends = [EventType::StepComplete, EventType::StepError]
            [usize::from(fastrand::u8(..10) == 0)]
        .clone();
        let took = json!({ "duration_ms": fastrand::u32(..2_000) });
        context.emit(step(ends, name, took)).await.unwrap();
    }
    if end {
        let data = json!({ "output": {}, "duration_ms": fastrand::u32(..60_000) });
        let end = Draft {
            step_id: None,
            ..step(EventType::PipelineComplete, "", data)
        };
        context.emit(end).await.unwrap();
    }
}

/// How many are generated.
const RUNS: u64 = 2_000;

#[tokio::test]
async fn live_replayed_and_stored_give_the_same_numbers() {
    let server = Server::with(|config| {
        config.metrics.interval_ms = 100;
        config.durability = Durability::Off;
    })
    .await;
    for n in 0..RUNS {
        // a small ring: what is counted has left memory for the most part
        let budget = Budget {
            events: 8,
            ..Budget::default()
        };
        let mut new = NewExecution::named(format!("r{n}").parse().unwrap(), "test", n);
        new.lease_ms = Some(60_000);
        let stream = server.executions.log().create(&new, budget).unwrap();
        any_run(&StreamingContext::new(stream), n % 4 > 0).await;
    }
    for query in [
        "",
        "?by=step",
        "?by=hour&top=5",
        "?by=day&step=b&top=1",
        "?from=1970-01-01T00:00:00.100Z&to=1970-01-01T00:00:00.200Z",
    ] {
        let live = metrics(&server, query).await;
        assert!(of(&live, "svr")["value"].as_f64().unwrap() > 0.5, "{live}");
        kept(&server.executions).await;
        assert_eq!(metrics(&server, query).await, live, "once more");
    }
    let expected = metrics(&server, "?by=step").await;
    assert_eq!(expected["executions"], RUNS);
    assert_eq!(expected["counts"]["runs"], RUNS);
    assert_eq!(expected["incomplete"], 0);
    assert_eq!(
        metrics(&server, "?to=1970-01-01T00:00:00.010Z").await["executions"],
        10
    );
    let groups = expected["groups"].as_array().unwrap();
    assert_eq!(
        groups
            .iter()
            .map(|group| &group["step_id"])
            .collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    let sum = |of: &str| {
        groups
            .iter()
            .map(|group| group["counts"][of].as_u64().unwrap())
            .sum::<u64>()
    };
    for count in [
        "steps_completed",
        "steps_failed",
        "retries",
        "waits",
        "input_tokens",
    ] {
        assert_eq!(expected["counts"][count], sum(count), "{count}");
    }

    // run n was made known n milliseconds after 1970 began
    let by_hour = metrics(&server, "?by=hour").await;
    assert_eq!(by_hour["groups"].as_array().unwrap().len(), 1, "{by_hour}");
    assert_eq!(by_hour["groups"][0]["from"], "1970-01-01T00:00:00.000Z");
    assert_eq!(by_hour["groups"][0]["counts"], expected["counts"]);

    // a process that comes after this one has nothing but the log
    let config = server.executions.config().clone();
    let directory = server.directory.path().to_owned();
    let kept_alive = tempfile::tempdir().unwrap();
    let moved = kept_alive.path().join("data");
    server.executions.log().flush();
    let database = rusqlite::Connection::open(directory.join("data/stepcast.db")).unwrap();
    std::fs::create_dir_all(&moved).unwrap();
    let copy = moved.join("stepcast.db");
    database
        .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    // half of the counts are lost, and are made anew
    rusqlite::Connection::open(&copy)
        .unwrap()
        .execute_batch("DELETE FROM counts WHERE execution % 2 = 0; UPDATE executions SET measured = 0 WHERE key % 2 = 0")
        .unwrap();
    server.stop().await;
    let config = stepcast::config::Config {
        data_dir: moved,
        ..config
    };
    let later = stepcast::open(config, StepRegistry::builtin())
        .await
        .unwrap();
    kept(&later).await;
    let window = stepcast::log::Window::default();
    let wanted = stepcast::metrics::Wanted {
        by: stepcast::metrics::By::Step,
        ..Default::default()
    };
    let again = later.report(&window, &wanted).await.unwrap();
    assert_eq!(serde_json::to_value(again).unwrap(), expected);
    later.stop().await;
}

#[tokio::test]
async fn a_run_of_the_product_gives_the_values_that_its_course_says() {
    let server = Server::with(|_| {}).await;
    let policy = |retry: u32| json!({ "continue_on_error": true, "retry": { "max_attempts": retry, "initial_delay": 0.001 } });
    let definition = pipeline(
        json!([
            { "id": "a", "type": "set", "config": { "values": {} } },
            { "id": "b", "type": "fail", "config": { "category": "network" }, "error_handling": policy(3) },
            { "id": "c", "type": "set", "config": { "values": {} } },
        ]),
        paths("a>b b>c"),
    );
    let body = json!({ "definition": definition, "execution_id": "run" });
    let (status, answer) = server.post("/api/executions", body).await;
    assert_eq!(status, 201, "{answer}");
    server.ws("/ws/pipeline/run").await.rest().await;
    let report = metrics(&server, "").await;
    let value = |metric: &str| of(&report, metric)["value"].clone();
    assert_eq!(report["counts"]["steps_failed"], 1, "{report}");
    assert_eq!(report["counts"]["retries"], 2, "{report}");
    assert_eq!(value("svr"), json!(2.0 / 3.0));
    assert_eq!(of(&report, "svr")["met"], false);
    assert_eq!(
        (value("pc"), of(&report, "pc")["met"].clone()),
        (json!(2.0), json!(false)),
        "at the limit is past it"
    );
    assert_eq!(
        (value("hir"), of(&report, "hir")["met"].clone()),
        (json!(0.0), json!(true))
    );
    assert_eq!(
        (value("tcl"), of(&report, "mtte")["met"].clone()),
        (Value::Null, Value::Null),
        "no data"
    );
    assert!(value("wct").as_f64().unwrap() > 0.0);
    let by = metrics(&server, "?by=pipeline&pipeline=nobody").await;
    assert_eq!(
        (by["executions"].clone(), by["groups"].clone()),
        (json!(0), json!([]))
    );
    server.stop().await;
}

#[tokio::test]
async fn what_retention_took_before_it_was_counted_is_said_and_what_is_deleted_is_not_counted() {
    let server = Server::with(|config| config.metrics.interval_ms = 3_600_000).await;
    let context = server.execution(
        "old",
        Budget {
            events: 1,
            ..Budget::default()
        },
    );
    any_run(&context, false).await;
    for _ in 0..20 {
        context
            .emit(step(EventType::StepComplete, "a", json!({})))
            .await
            .unwrap();
    }
    let end = Draft {
        step_id: None,
        ..step(EventType::PipelineComplete, "", json!({ "output": {} }))
    };
    context.emit(end).await.unwrap();
    let log = server.executions.log();
    log.flush();
    let stream = log.open(&"old".parse().unwrap()).unwrap().unwrap();
    log.store()
        .shrinks()
        .unwrap()
        .trim(stream.key(), 5)
        .unwrap();
    let report = metrics(&server, "").await;
    assert_eq!(
        (report["executions"].clone(), report["incomplete"].clone()),
        (json!(1), json!(1))
    );
    let url = server.url("/api/executions/old");
    assert!(
        server
            .client
            .delete(url)
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
    assert_eq!(metrics(&server, "").await["executions"], 0);
    server.stop().await;
}

#[tokio::test]
async fn hours_and_days_are_told_apart_and_of_too_many_the_newest() {
    let server = Server::with(|config| config.metrics.interval_ms = 100).await;
    let hour = 3_600_000;
    // one each hour, and one more in the third: more hours than are told at once
    let mut times: Vec<u64> = (0..1_010_u64).map(|n| n * hour).collect();
    times.insert(3, 2 * hour + 1);
    for at in times {
        let new = NewExecution::named(format!("r{at}").parse().unwrap(), "test", at);
        let log = server.executions.log();
        let context = StreamingContext::new(log.create(&new, Budget::default()).unwrap());
        let start = Draft {
            step_id: None,
            ..step(EventType::PipelineStart, "", json!({ "pipeline": {} }))
        };
        context.emit(start).await.unwrap();
    }
    let begun = |report: &Value| -> Vec<(String, u64)> {
        let groups = report["groups"].as_array().unwrap().iter();
        let told = groups.map(|it| (it["from"].as_str(), it["counts"]["runs"].as_u64()));
        told.map(|(from, runs)| (from.unwrap().to_owned(), runs.unwrap()))
            .collect()
    };
    let day = metrics(&server, "?by=day&to=1970-01-03T00:00:00Z").await;
    assert_eq!(
        begun(&day),
        [
            ("1970-01-01T00:00:00.000Z".to_owned(), 25),
            ("1970-01-02T00:00:00.000Z".to_owned(), 24)
        ]
    );
    let early = metrics(&server, "?by=hour&to=1970-01-01T03:00:00Z").await;
    assert_eq!(begun(&early)[2], ("1970-01-01T02:00:00.000Z".to_owned(), 2));
    let all = metrics(&server, "?by=hour").await;
    assert_eq!(
        (
            all["groups_left_out"].clone(),
            all["counts"]["runs"].clone()
        ),
        (json!(true), json!(1_011))
    );
    let hours = begun(&all);
    assert_eq!(hours.len(), 1_000);
    assert_eq!(hours[999].0, "1970-02-12T01:00:00.000Z", "the newest");
    server.stop().await;
}

#[tokio::test]
async fn each_metric_is_defined_by_the_target_that_the_operator_set() {
    let server = Server::with(|config| config.metrics.targets.pc = None).await;
    let (status, told) = server.get("/api/metrics/definitions").await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["metrics"].as_array().unwrap().len(), 9);
    let svr = of(&told, "svr");
    assert_eq!(svr["target"], json!({ "bound": "above", "limit": 0.95 }));
    assert!(svr["formula"].as_str().unwrap().contains("steps_failed"));
    assert_eq!(of(&told, "pc")["target"], Value::Null);
    assert_eq!(of(&told, "wct")["unit"], "ms");
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_with_what_would_be() {
    let server = Server::start().await;
    for (query, named) in [
        ("?by=owner", "pipeline, step, hour or day"),
        ("?from=yesterday", "2026-11-26T08:00:00Z"),
        ("?to=1", "to is"),
        ("?since=1", "since"),
    ] {
        let (status, problem) = server.get(&format!("/api/metrics{query}")).await;
        assert_eq!(status, 400, "{query}: {problem}");
        assert!(
            problem["detail"].as_str().unwrap().contains(named),
            "{query}: {problem}"
        );
    }
    assert_eq!(metrics(&server, "").await["executions"], 0);
    server.stop().await;
}
