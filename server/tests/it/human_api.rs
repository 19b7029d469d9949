//! Questions and answers over HTTP.

use std::time::Duration;

use serde_json::{Value, json};
use stepcast::config::StoreKind;

use crate::harness::{Server, soon};

/// A step that asks this, and one that shows what was answered.
pub(crate) fn asks(config: Value) -> Value {
    json!({
        "name": "Asks",
        "steps": [
            {"id": "review", "name": "Review", "type": "human", "config": config},
            {"id": "after", "type": "set", "config": {"values": {"decided": "{{ review.decision }}"}}},
        ],
        "flow": {"start_at": "review", "paths": [{"from": "review", "to": "after"}]},
    })
}

pub(crate) fn form() -> Value {
    json!({
        "title": "Review",
        "fields": [
            {"name": "decision", "type": "radio", "required": true, "options": ["publish", "reject"]},
            {"name": "stars", "type": "number", "min": 1, "max": 5},
            {"name": "note", "type": "textarea", "label": "Note"},
        ],
    })
}

impl Server {
    pub(crate) async fn run(&self, id: &str, definition: Value) {
        let body = json!({ "definition": definition, "execution_id": id });
        let (status, answer) = self.post("/api/executions", body).await;
        assert_eq!(status, 201, "{answer}");
    }

    /// Waits until the execution has this status.
    pub(crate) async fn stands(&self, id: &str, status: &str) -> Value {
        let path = format!("/api/executions/{id}");
        soon(async {
            loop {
                let (_, execution) = self.get(&path).await;
                if execution["status"] == status {
                    return execution;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    pub(crate) async fn answer(&self, id: &str, wait: &str, body: Value) -> (u16, Value) {
        self.post(&format!("/api/executions/{id}/waits/{wait}/answer"), body)
            .await
    }

    /// The events of an execution, as far as it has come.
    pub(crate) async fn events(&self, id: &str) -> Vec<Value> {
        let (_, page) = self
            .get(&format!("/api/executions/{id}/events?limit=1000"))
            .await;
        page["events"].as_array().unwrap().clone()
    }
}

pub(crate) fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let of_kind = events.iter().filter(|event| event["data"]["kind"] == kind);
    of_kind.collect()
}

#[tokio::test]
async fn a_question_is_told_answered_and_kept_in_both_stores() {
    for store in [StoreKind::Memory, StoreKind::Sqlite] {
        let server = Server::with(|config| config.store = store).await;
        let config = json!({
            "prompt": "Publish it?", "form": form(), "context": {"text": "…"},
            "timeout_seconds": 3600, "default": {"decision": "reject"},
            "assigned_users": ["alice"], "channels": ["web"],
        });
        server.run("asks", asks(config)).await;
        server.stands("asks", "waiting").await;
        let (_, listed) = server.get("/api/executions?status=waiting").await;
        assert_eq!(listed["executions"][0]["execution_id"], "asks");

        let events = server.events("asks").await;
        let [told] = of_kind(&events, "waiting")[..] else {
            panic!("{events:?}")
        };
        assert_eq!(
            (&told["step_id"], &told["data"]["wait_id"]),
            (&json!("review"), &json!("review.1"))
        );
        let expected = json!({
            "kind": "waiting", "wait_id": "review.1", "prompt": "Publish it?",
            "form": {"title": "Review", "fields": [
                {"name": "decision", "type": "radio", "required": true, "options": [
                    {"value": "publish", "label": "publish"}, {"value": "reject", "label": "reject"}]},
                {"name": "stars", "type": "number", "min": 1, "max": 5},
                {"name": "note", "type": "textarea", "label": "Note"},
            ]},
            "context": {"text": "…"}, "assigned_users": ["alice"], "channels": ["web"],
            "expires_at": told["data"]["expires_at"],
            "default": {"decision": "reject", "stars": null, "note": null},
        });
        assert_eq!(told["data"], expected);

        let (status, waits) = server.get("/api/executions/asks/waits").await;
        assert_eq!(status, 200);
        let mut shown = expected.clone();
        let object = shown.as_object_mut().unwrap();
        object.shift_remove("kind");
        object.insert("execution_id".into(), "asks".into());
        object.insert("step_id".into(), "review".into());
        object.insert("status".into(), "waiting".into());
        object.insert("asked_at".into(), waits["waits"][0]["asked_at"].clone());
        assert_eq!(
            waits,
            json!({"execution_id": "asks", "waits": [shown.clone()]})
        );
        let (_, all) = server.get("/api/waits").await;
        assert_eq!(all["waits"][0]["wait_id"], "review.1");

        let body = json!({"answer": {"decision": "publish", "stars": 4}, "by": "alice"});
        let (status, first) = server.answer("asks", "review.1", body.clone()).await;
        assert_eq!(status, 200, "{first}");
        let whole = json!({"decision": "publish", "stars": 4, "note": null});
        assert_eq!(
            first,
            json!({"execution_id": "asks", "wait_id": "review.1", "answer": whole, "by": "alice", "source": "person"})
        );
        server.stands("asks", "completed").await;
        // once more, by somebody else, after the end
        let again = json!({"answer": {"decision": "publish", "stars": 4}, "by": "bob"});
        assert_eq!(server.answer("asks", "review.1", again).await, (200, first));
        let other = json!({"answer": {"decision": "reject"}});
        let (status, problem) = server.answer("asks", "review.1", other).await;
        assert_eq!(
            (status, &problem["answered"]["by"]),
            (409, &json!("alice")),
            "{problem}"
        );

        let events = server.events("asks").await;
        let [answered] = of_kind(&events, "answered")[..] else {
            panic!("{events:?}")
        };
        assert_eq!(
            answered["data"],
            json!({"kind": "answered", "wait_id": "review.1", "answer": whole, "by": "alice", "source": "person"})
        );
        let output = json!({
            "decision": "publish", "stars": 4, "note": null,
            "human_input": whole, "responded_by": "alice", "timed_out": false,
        });
        let done = events.iter().find(|it| it["event_type"] == "step_complete");
        assert_eq!(done.unwrap()["data"]["output"], output);
        let end = &events.last().unwrap()["data"]["output"];
        assert_eq!(end["decided"], "publish");
        let (_, waits) = server.get("/api/executions/asks/waits").await;
        let wait = &waits["waits"][0];
        assert_eq!(
            (&wait["status"], &wait["by"]),
            (&json!("answered"), &json!("alice"))
        );
        assert_eq!(
            server.get("/api/waits").await.1,
            json!({"waits": [], "total": 0})
        );
        server.stop().await;
    }
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_refused_with_the_place_of_each_flaw() {
    let server = Server::start().await;
    server
        .run("picky", asks(json!({"prompt": "?", "form": form()})))
        .await;
    server.stands("picky", "waiting").await;
    let body = json!({"answer": {"decison": "publish", "stars": 6, "note": 7}});
    let (status, problem) = server.answer("picky", "review.1", body).await;
    assert_eq!(status, 422);
    assert_eq!(
        problem["errors"],
        json!([
            {"path": "$.answer.decison", "message": "the form has no field `decison`", "suggestion": "decision"},
            {"path": "$.answer.decision", "message": "`decision` is required"},
            {"path": "$.answer.stars", "message": "`stars` is at most 5"},
            {"path": "$.answer.note", "message": "`note` is answered by a text"},
        ])
    );
    for (wait, body, status) in [
        (
            "review.1",
            json!({"answer": {"decision": "publish"}, "by": "a\nb"}),
            422,
        ),
        ("review.1", json!({"answer": "publish"}), 400),
        ("review.1", json!({}), 400),
        ("review.2", json!({"answer": {"decision": "publish"}}), 404),
    ] {
        let (found, problem) = server.answer("picky", wait, body.clone()).await;
        assert_eq!(found, status, "{body}: {problem}");
    }
    assert_eq!(
        server
            .answer("nobody", "review.1", json!({"answer": {}}))
            .await
            .0,
        404
    );
    // nothing of that has answered it
    server.stands("picky", "waiting").await;
    assert!(of_kind(&server.events("picky").await, "answered").is_empty());
    let body = json!({"answer": {"decision": "publish"}});
    assert_eq!(server.answer("picky", "review.1", body).await.0, 200);
    server.stands("picky", "completed").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_answers_at_once_exactly_one_is_taken() {
    let server = Server::with(|_| {}).await;
    for round in 0..8 {
        let id = format!("race-{round}");
        server
            .run(&id, asks(json!({"prompt": "?", "form": form()})))
            .await;
        server.stands(&id, "waiting").await;
        let answers: Vec<_> = (0..40)
            .map(|n| {
                let url = server.url(&format!("/api/executions/{id}/waits/review.1/answer"));
                let decision = if n % 2 == 0 { "publish" } else { "reject" };
                let body = json!({"answer": {"decision": decision, "note": format!("{}", n / 4)}, "by": format!("{n}")});
                let request = server.client.post(url).json(&body);
                tokio::spawn(async move {
                    let response = request.send().await.unwrap();
                    let status = response.status().as_u16();
                    (status, body, response.json::<Value>().await.unwrap())
                })
            })
            .collect();
        let (mut taken, mut refused) = (Vec::new(), 0);
        for answer in answers {
            match soon(answer).await.unwrap() {
                (200, sent, answer) => taken.push((sent, answer)),
                (409, _, _) => refused += 1,
                (status, _, answer) => panic!("{status}: {answer}"),
            }
        }
        assert_eq!(taken.len() + refused, 40);
        let winner = taken[0].1.clone();
        for (sent, answer) in &taken {
            assert_eq!(answer, &winner, "all are told of the same first one");
            assert_eq!(sent["answer"]["note"], winner["answer"]["note"]);
        }
        server.stands(&id, "completed").await;
        let events = server.events(&id).await;
        let [answered] = of_kind(&events, "answered")[..] else {
            panic!("{events:?}")
        };
        assert_eq!(answered["data"]["by"], winner["by"]);
        assert_eq!(answered["data"]["answer"], winner["answer"]);
    }
    server.stop().await;
}

#[tokio::test]
async fn after_the_deadline_the_default_counts_and_an_answer_is_late() {
    let server = Server::start().await;
    let config = json!({
        "prompt": "?", "choices": ["publish", "reject"],
        "timeout_seconds": 0.05, "default_action": "reject",
    });
    server.run("late", asks(config)).await;
    server.stands("late", "completed").await;
    let events = server.events("late").await;
    let answered = &of_kind(&events, "answered")[0]["data"];
    assert_eq!(
        answered,
        &json!({"kind": "answered", "wait_id": "review.1", "answer": {"decision": "reject"}, "source": "default"})
    );
    let body = json!({"answer": {"decision": "reject"}});
    assert_eq!(server.answer("late", "review.1", body).await.0, 410);
    let none = json!({"prompt": "?", "choices": ["publish"], "timeout_seconds": 0.05});
    server.run("none", asks(none)).await;
    let failed = server.stands("none", "failed").await;
    assert_eq!(
        failed["error"],
        "nobody answered within 0.05 s, and there is no default"
    );
    let events = server.events("none").await;
    let error = events
        .iter()
        .find(|it| it["event_type"] == "step_error")
        .unwrap();
    assert_eq!(error["data"]["error"]["category"], "timeout");
    let body = json!({"answer": {"decision": "publish"}});
    assert_eq!(server.answer("none", "review.1", body).await.0, 409);
    let (_, waits) = server.get("/api/executions/none/waits").await;
    assert_eq!(waits["waits"][0]["status"], "closed");
    server.stop().await;
}

#[tokio::test]
async fn waiting_runs_take_no_place_and_are_cancelled_within_a_second() {
    let server = Server::with(|config| config.max_running = 1).await;
    for n in 0..3 {
        let id = format!("waits-{n}");
        server
            .run(&id, asks(json!({"prompt": "?", "choices": ["publish"]})))
            .await;
        server.stands(&id, "waiting").await;
    }
    assert_eq!(server.get("/readyz").await.1["running"], 0);
    let begun = std::time::Instant::now();
    let (status, _) = server
        .post("/api/executions/waits-0/cancel", json!({}))
        .await;
    assert_eq!(status, 202);
    server.stands("waits-0", "cancelled").await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    let body = json!({"answer": {"decision": "publish"}});
    let (status, problem) = server.answer("waits-0", "review.1", body.clone()).await;
    assert_eq!(status, 409, "{problem}");

    // the one place is taken: an answered run goes on when there is one again
    let hold = json!({
        "name": "Holds", "steps": [{"id": "hold", "type": "delay", "config": {"seconds": 600}}],
        "flow": {"start_at": "hold", "paths": []},
    });
    server.run("holds", hold).await;
    assert_eq!(
        server.answer("waits-1", "review.1", body.clone()).await.0,
        200
    );
    let events = server.events("waits-1").await;
    assert_eq!(events.last().unwrap()["data"]["kind"], "answered");
    server.stands("waits-1", "running").await;
    server.post("/api/executions/holds/cancel", json!({})).await;
    server.stands("waits-1", "completed").await;
    assert_eq!(server.answer("waits-2", "review.1", body).await.0, 200);
    server.stands("waits-2", "completed").await;
    server.stop().await;
}

#[tokio::test]
async fn a_run_that_keeps_no_events_of_steps_keeps_its_questions() {
    let server = Server::with(|_| {}).await;
    let mut definition = asks(json!({"prompt": "?", "choices": ["publish"]}));
    definition["streaming"] = json!({"enabled": false});
    server.run("quiet", definition).await;
    server.stands("quiet", "waiting").await;
    let body = json!({"answer": {"decision": "publish"}});
    assert_eq!(server.answer("quiet", "review.1", body).await.0, 200);
    server.stands("quiet", "completed").await;
    let events = server.events("quiet").await;
    assert_eq!(of_kind(&events, "waiting").len(), 1);
    assert_eq!(of_kind(&events, "answered").len(), 1);
    assert!(
        !events
            .iter()
            .any(|event| event["event_type"] == "step_start")
    );
    server.stop().await;
}

#[tokio::test]
async fn nobody_is_asked_where_the_caller_waits_for_the_result() {
    let server = Server::start().await;
    let body = json!({"definition": asks(json!({"prompt": "?"})), "mode": "blocking"});
    let (status, answer) = soon(server.post("/api/executions", body)).await;
    assert_eq!(
        (status, &answer["result"]["status"]),
        (200, &json!("failed"))
    );
    assert_eq!(answer["result"]["error"]["category"], "configuration");
    server.stop().await;
}
