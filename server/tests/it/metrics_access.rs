//! Whose numbers `GET /api/metrics` tells: everybody their own, administrators everybody's.

use serde_json::{Value, json};

use crate::access_harness::{ALL, closed, get, post, start, token};
use crate::harness::{Server, soon};

/// Runs a pipeline of this name to its end.
async fn ran(server: &Server, id: &str, name: &str, token: &str) {
    let body = json!({ "execution_id": id, "definition": {
        "name": name,
        "steps": [{ "id": format!("step-of-{id}"), "type": "delay", "config": { "seconds": 0.001 } }],
        "flow": { "start_at": format!("step-of-{id}"), "paths": [] },
    }});
    let (status, answer) = post(server, "/api/executions", token, body).await;
    assert_eq!(status, 201, "{answer}");
    soon(async {
        let path = format!("/api/executions/{id}");
        while get(server, &path, token).await.1["status"] != "completed" {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Every question whose answer could hold what is another's.
const QUERIES: [&str; 8] = [
    "",
    "?by=pipeline&top=100",
    "?by=step&top=100",
    "?by=hour",
    "?by=day&top=100",
    "?pipeline=Secret&by=step&top=100",
    "?pipeline=Long&by=pipeline&top=100",
    "?step=step-of-alices&by=pipeline&top=100",
];

#[tokio::test]
async fn nobody_sees_numbers_of_anothers_runs_live_or_ended_and_an_administrator_sees_all() {
    let server = closed().await;
    let (alice, mallory) = (
        token(&server, "alice", ALL),
        token(&server, "mallory", "watch"),
    );
    let bob = token(&server, "bob", ALL);
    // with and without runs of hers, mallory sees the same
    let mut before = Vec::new();
    for query in QUERIES {
        let (status, told) = get(&server, &format!("/api/metrics{query}"), &mallory).await;
        assert_eq!(status, 200, "{query}: {told}");
        before.push(told);
    }
    ran(&server, "alices", "Secret", &alice).await;
    start(&server, "alices-live", &alice).await;
    ran(&server, "bobs", "Plain", &bob).await;
    for (query, before) in QUERIES.iter().zip(before) {
        let (_, told) = get(&server, &format!("/api/metrics{query}"), &mallory).await;
        assert_eq!(told, before, "{query}");
        let (_, told) = get(&server, &format!("/api/metrics{query}"), &bob).await;
        let text = told.to_string();
        for hers in ["Secret", "Long", "alices"] {
            assert!(!text.contains(hers), "{query}: {text}");
        }
    }
    // to name somebody is refused alike, whether they have runs or do not exist
    let asked = async |who: &str, token: &str| {
        get(&server, &format!("/api/metrics?owner={who}"), token).await
    };
    let refused = asked("alice", &mallory).await;
    assert_eq!(refused.0, 403, "{}", refused.1);
    assert_eq!(refused, asked("nobody", &mallory).await);
    assert_eq!(refused, asked("", &mallory).await);
    assert_eq!(asked("mallory", &mallory).await.1["executions"], 0);
    assert_eq!(asked("bob", &bob).await.1["executions"], 1);

    let runs = |told: &Value| (told["executions"].clone(), told["counts"]["runs"].clone());
    let (_, hers) = get(&server, "/api/metrics?by=pipeline&top=5", &alice).await;
    assert_eq!(runs(&hers), (json!(2), json!(2)));
    assert_eq!(
        hers["top"]["slowest"][0]["step_id"], "step-of-alices",
        "{hers}"
    );
    let admin = token(&server, "root", "admin");
    let (_, all) = get(&server, "/api/metrics?by=pipeline", &admin).await;
    assert_eq!(runs(&all), (json!(3), json!(3)));
    assert_eq!(all["groups"].as_array().unwrap().len(), 3);
    assert_eq!(runs(&asked("alice", &admin).await.1), (json!(2), json!(2)));
    assert_eq!(runs(&asked("nobody", &admin).await.1), (json!(0), json!(0)));
    server.stop().await;
}

#[tokio::test]
async fn a_link_to_one_run_and_a_token_without_the_scope_show_no_numbers() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    start(&server, "alices", &alice).await;
    let path = "/api/executions/alices/shares";
    let (status, link) = post(&server, path, &alice, json!({})).await;
    assert_eq!(status, 201, "{link}");
    let shared = link["token"].as_str().unwrap();
    assert_eq!(get(&server, "/api/executions/alices", shared).await.0, 200);
    for who in [shared, &token(&server, "carl", "start answer")] {
        let (status, told) = get(&server, "/api/metrics?by=pipeline&top=5", who).await;
        assert_eq!(status, 403, "{told}");
    }
    assert_eq!(get(&server, "/api/metrics", "").await.0, 401);
    server.stop().await;
}
