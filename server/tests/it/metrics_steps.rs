//! `GET /api/metrics?top=` and `?step=`: the steps that stand out, and one of them alone.

use serde_json::{Value, json};
use stepcast::context::{Draft, StreamingContext};
use stepcast::log::{Budget, NewExecution};
use stepcast_core::event::EventType;

use crate::harness::{Server, soon};

fn draft(event_type: EventType, step: Option<&str>, data: Value) -> Draft {
    Draft {
        event_type,
        step_id: step.map(Into::into),
        data,
        metadata: None,
    }
}

/// A run of `pipeline`: each of its steps fails or not, in so many milliseconds, after so many retries, for so many tokens.
async fn ran(server: &Server, id: &str, pipeline: &str, steps: &[(&str, bool, u32, u32, u32)]) {
    let new = NewExecution::named(id.parse().unwrap(), pipeline, 0);
    let log = server.executions.log();
    // all of it stays in memory, whatever the store keeps
    let budget = Budget {
        events: 2_000,
        ..Budget::default()
    };
    let stream = log.create(&new, budget).unwrap();
    let context = StreamingContext::new(stream.clone());
    let say = async |draft| {
        context.emit(draft).await.unwrap();
    };
    let start = json!({ "pipeline": {} });
    say(draft(EventType::PipelineStart, None, start)).await;
    for (step, failed, ms, retries, tokens) in steps {
        let step = Some(*step);
        say(draft(EventType::StepStart, step, json!({}))).await;
        for _ in 0..*retries {
            let retry = json!({ "kind": "retry", "attempt": 2 });
            say(draft(EventType::StepProgress, step, retry)).await;
        }
        if *tokens > 0 {
            let usage = json!({ "kind": "usage", "input_tokens": tokens - 1, "output_tokens": 1 });
            say(draft(EventType::StepProgress, step, usage)).await;
        }
        let end = [EventType::StepComplete, EventType::StepError][usize::from(*failed)].clone();
        say(draft(end, step, json!({ "duration_ms": ms }))).await;
    }
    let end = json!({ "output": {} });
    say(draft(EventType::PipelineComplete, None, end)).await;
    // what has been taken is counted once it can be seen
    soon(async {
        while stream.tail().ended.is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn names(list: &Value) -> Vec<String> {
    let all = list.as_array().unwrap().iter();
    let name = |of: &Value, key: &str| of[key].as_str().unwrap().to_owned();
    all.map(|it| format!("{}/{}", name(it, "pipeline"), name(it, "step_id")))
        .collect()
}

async fn metrics(server: &Server, query: &str) -> Value {
    let (status, answer) = server.get(&format!("/api/metrics{query}")).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test]
async fn the_foremost_steps_are_told_in_order_and_no_step_that_does_not_belong_there() {
    let server = Server::start().await;
    ran(
        &server,
        "one",
        "A",
        &[
            ("ask", false, 100, 0, 500),
            ("send", true, 900, 3, 0),
            ("set", false, 0, 0, 0),
        ],
    )
    .await;
    ran(&server, "two", "A", &[("ask", false, 300, 1, 700)]).await;
    ran(&server, "three", "B", &[("ask", false, 200, 0, 5_000)]).await;
    let report = metrics(&server, "?top=10").await;
    let top = &report["top"];
    // alike in time: by the name of the pipeline
    assert_eq!(names(&top["slowest"]), ["A/send", "A/ask", "B/ask"]);
    assert_eq!(names(&top["most_retried"]), ["A/send", "A/ask"]);
    assert_eq!(names(&top["most_expensive"]), ["B/ask", "A/ask"]);
    assert_eq!(
        (&top["steps"], &top["left_out"]),
        (&json!(4), &json!(false))
    );
    let ask = &top["most_expensive"][1];
    assert_eq!(ask["steps_completed"], 2);
    assert_eq!(
        (&ask["input_tokens"], &ask["output_tokens"]),
        (&json!(1_198), &json!(2))
    );
    assert_eq!(ask["step_ms"]["mean"], 200.0);
    assert_eq!(ask["step_ms"]["max"], 300.0);
    assert_eq!(top["slowest"][0]["steps_failed"], 1);
    let one = metrics(&server, "?top=1&pipeline=A").await;
    assert_eq!(names(&one["top"]["most_expensive"]), ["A/ask"]);
    assert_eq!(metrics(&server, "").await.get("top"), None);

    // one step alone: what a whole run has is not the step's
    let step = metrics(&server, "?step=ask&by=pipeline&top=5").await;
    assert_eq!(step["executions"], 3);
    assert_eq!(step["counts"]["steps_completed"], 3);
    assert_eq!(
        (&step["counts"]["runs"], &step["counts"]["run_ms"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(step["groups"].as_array().unwrap().len(), 2);
    assert_eq!(names(&step["top"]["slowest"]), ["A/ask", "B/ask"]);
    assert_eq!(metrics(&server, "?step=nothing").await["executions"], 0);
    // what a metric is, stands with the total only
    assert_eq!(
        step["groups"][0]["metrics"][0],
        json!({ "metric": "svr", "value": 1.0, "met": true })
    );
    server.stop().await;
}

#[tokio::test]
async fn more_steps_than_are_kept_are_said_to_be_left_out() {
    let server = Server::start().await;
    for run in 0..3 {
        let names: Vec<String> = (0..400).map(|n| format!("s{run}-{n}")).collect();
        let steps: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), false, 5, 1, 0))
            .collect();
        ran(&server, &format!("r{run}"), "Wide", &steps).await;
    }
    let report = metrics(&server, "?top=500").await;
    let top = &report["top"];
    assert_eq!(
        (&top["steps"], &top["left_out"]),
        (&json!(1_000), &json!(true))
    );
    assert_eq!(top["most_retried"].as_array().unwrap().len(), 100);
    assert_eq!(
        report["counts"]["retries"], 1_200,
        "the total has all of them"
    );
    server.stop().await;
}
