//! Runs as agents of AG-UI: who may start, join and answer them. What npm's client makes of them is in `e2e`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::access_harness::{ALL, ask, closed_with, post, said, token, weaker};
use crate::harness::{Server, soon};
use crate::human_api::{asks, form};

fn body(run: &str, more: &Value) -> Value {
    let mut body = json!({
        "threadId": "t", "runId": run, "state": {}, "messages": [], "tools": [], "context": [],
    });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

fn resume(execution: &str, payload: &Value) -> Value {
    let interrupt = format!("{execution}/review.1");
    let entry = json!({ "interruptId": interrupt, "status": "resolved", "payload": payload });
    body("next", &json!({ "resume": [entry] }))
}

/// What an answer's stream says: the types of its events.
async fn types(
    server: &Server,
    method: Method,
    path: &str,
    token: &str,
    body: &Value,
) -> Vec<String> {
    let request = ask(server, method, path, token);
    let request = if body.is_null() {
        request
    } else {
        request.json(body)
    };
    let response = soon(request.send()).await.unwrap();
    let status = response.status().as_u16();
    let text = soon(response.text()).await.unwrap();
    assert_eq!(status, 200, "{text}");
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines
        .map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            event["type"].as_str().unwrap().to_owned()
        })
        .collect()
}

async fn asking() -> Server {
    closed_with(|config| {
        std::fs::create_dir_all(&config.pipelines).unwrap();
        let definition = asks(json!({ "form": form() })).to_string();
        std::fs::write(config.pipelines.join("asks.json"), definition).unwrap();
    })
    .await
}

#[tokio::test]
async fn a_run_is_started_joined_and_answered_by_whom_it_belongs_to_alone() {
    let server = asking().await;
    let (alice, mallory) = (token(&server, "alice", ALL), token(&server, "mallory", ALL));
    let start = body("alices", &json!({}));
    let told = types(&server, Method::POST, "/api/agui/asks", &alice, &start).await;
    assert_eq!(
        (told[0].as_str(), told.last().unwrap().as_str()),
        ("RUN_STARTED", "RUN_FINISHED")
    );
    let join = "/api/agui/executions/alices";
    assert_eq!(
        types(&server, Method::GET, join, &alice, &Value::Null).await,
        told
    );

    // a run of another's is as unknown as one that is not there, whichever way it is named
    let answer = json!({ "decision": "publish" });
    for (id, interrupt) in [("alices", "alices"), ("nobody", "nobody")] {
        let path = format!("/api/agui/executions/{id}");
        let joined = said(ask(&server, Method::GET, &path, &mallory)).await;
        assert_eq!(joined.0, 404, "{}", joined.1);
        for path in [path.as_str(), "/api/agui/asks"] {
            let told = post(&server, path, &mallory, resume(interrupt, &answer)).await;
            assert_eq!(told.0, 404, "{path}: {}", told.1);
        }
    }
    // nor is it hers to see by asking for the same run again
    let again = post(&server, "/api/agui/asks", &mallory, start.clone()).await;
    assert_eq!(again.0, 409, "{}", again.1);
    let other = body("alices", &json!({ "threadId": "another" }));
    assert_eq!(post(&server, "/api/agui/asks", &alice, other).await.0, 409);

    // each deed takes its scope
    let watcher = weaker(&server, "watch start");
    for path in [join, "/api/agui/asks"] {
        let told = post(&server, path, &watcher, resume("alices", &answer)).await;
        assert_eq!(told.0, 403, "{path}: {}", told.1);
    }
    let cancelled = json!([{ "interruptId": "alices/review.1", "status": "cancelled" }]);
    let cancel = body("next", &json!({ "resume": cancelled }));
    let answerer = weaker(&server, "watch answer");
    assert_eq!(post(&server, join, &answerer, cancel).await.0, 403);
    let blind = weaker(&server, "answer");
    let told = post(&server, join, &blind, resume("alices", &answer)).await;
    assert_eq!(told.0, 403, "what follows is to be watched: {}", told.1);

    let told = types(
        &server,
        Method::POST,
        join,
        &answerer,
        &resume("alices", &answer),
    )
    .await;
    assert_eq!(
        (told[0].as_str(), told.last().unwrap().as_str()),
        ("RUN_STARTED", "RUN_FINISHED")
    );
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_started_or_answered_is_refused_with_the_place() {
    let server = asking().await;
    let alice = token(&server, "alice", ALL);
    let path = "/api/agui/asks";
    types(
        &server,
        Method::POST,
        path,
        &alice,
        &body("run", &json!({})),
    )
    .await;
    types(
        &server,
        Method::POST,
        path,
        &alice,
        &body("other", &json!({})),
    )
    .await;
    assert_eq!(
        post(&server, "/api/agui/nothing", &alice, body("x", &json!({})))
            .await
            .0,
        404
    );
    assert_eq!(post(&server, path, &alice, json!({})).await.0, 400);
    let entry = |id: &str| json!({ "interruptId": id, "status": "resolved", "payload": {} });
    for (entries, place) in [
        (json!([entry("nonsense")]), "$.resume[0].interruptId"),
        (
            json!([entry("run/review.1"), entry("other/review.1")]),
            "$.resume[1].interruptId",
        ),
    ] {
        let wrong = body("next", &json!({ "resume": entries }));
        let (status, told) = post(&server, path, &alice, wrong).await;
        assert_eq!(
            (status, &told["errors"][0]["path"]),
            (422, &json!(place)),
            "{told}"
        );
    }
    let join = "/api/agui/executions/run";
    assert_eq!(
        post(&server, join, &alice, body("next", &json!({})))
            .await
            .0,
        422
    );
    assert_eq!(
        post(&server, join, &alice, resume("other", &json!({})))
            .await
            .0,
        422
    );
    let (status, told) = post(&server, join, &alice, resume("run", &json!("publish"))).await;
    assert_eq!(status, 422, "three fields want an object: {told}");
    for query in ["?pace=2", "?type=step_start", "?after=nonsense"] {
        let (status, told) =
            said(ask(&server, Method::GET, &format!("{join}{query}"), &alice)).await;
        assert_eq!(status, 400, "{query}: {told}");
    }
    // the question is still there, and the first answer counts
    let answer = json!({ "decision": "publish" });
    types(&server, Method::POST, join, &alice, &resume("run", &answer)).await;
    let again = types(&server, Method::POST, path, &alice, &resume("run", &answer)).await;
    assert_eq!(
        again[0], "RUN_STARTED",
        "the same answer again shows what followed it"
    );
    let (status, told) = post(
        &server,
        path,
        &alice,
        resume("run", &json!({ "decision": "reject" })),
    )
    .await;
    assert_eq!(status, 409, "{told}");
    server.stop().await;
}
