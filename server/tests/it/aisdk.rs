//! Runs as messages of a chat: who may start and join them. What npm's client makes of them is in `e2e`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::access_harness::{ALL, ask, closed_with, get, post, said, token, weaker};
use crate::harness::{Server, soon};
use crate::human_api::{asks, form};

async fn asking() -> Server {
    closed_with(|config| {
        std::fs::create_dir_all(&config.pipelines).unwrap();
        let definition = asks(json!({ "form": form() })).to_string();
        std::fs::write(config.pipelines.join("asks.json"), definition).unwrap();
    })
    .await
}

fn message(chat: &str) -> Value {
    let said = json!({ "id": "m", "role": "user", "parts": [{ "type": "text", "text": "Go" }] });
    json!({ "id": chat, "messages": [said], "trigger": "submit-message" })
}

/// Sends a chat's message, and leaves once the run has begun; its id.
async fn send(server: &Server, chat: &str, token: &str) -> String {
    let request = ask(server, Method::POST, "/api/aisdk/asks", token).json(&message(chat));
    let response = soon(request.send()).await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(response.headers()["x-vercel-ai-ui-message-stream"], "v1");
    let location = response.headers()["location"].to_str().unwrap();
    location
        .strip_prefix("/api/executions/")
        .unwrap()
        .to_owned()
}

/// The first piece of a stream that goes on.
async fn first(server: &Server, path: &str, token: &str) -> Value {
    let mut response = soon(ask(server, Method::GET, path, token).send())
        .await
        .unwrap();
    assert_eq!(response.status().as_u16(), 200, "{path}");
    let mut text = String::new();
    loop {
        let chunk = soon(response.chunk()).await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
        if let Some(line) = lines.next()
            && let Ok(piece) = serde_json::from_str(line)
        {
            return piece;
        }
    }
}

#[tokio::test]
async fn a_chat_is_joined_by_whom_it_belongs_to_alone() {
    let server = asking().await;
    let (alice, mallory) = (token(&server, "alice", ALL), token(&server, "mallory", ALL));
    let id = send(&server, "c1", &alice).await;
    let stream = "/api/aisdk/asks/c1/stream";
    let start = first(&server, stream, &alice).await;
    assert_eq!(start["messageMetadata"]["execution_id"], json!(id));
    let join = format!("/api/aisdk/executions/{id}");
    assert_eq!(first(&server, &join, &alice).await, start);

    // another's chat of the same name is another chat, and her runs are as unknown as those that are not there
    assert_eq!(get(&server, stream, &mallory).await.0, 204);
    assert_eq!(get(&server, &join, &mallory).await.0, 404);
    let place = |of: &str| format!("{stream}?after={of}/1.1");
    assert_eq!(get(&server, &place(&id), &mallory).await.0, 404);
    assert_eq!(get(&server, &place("nobody"), &mallory).await.0, 404);
    let hers = send(&server, "c1", &mallory).await;
    assert_ne!(hers, id);
    let joined = first(&server, stream, &mallory).await;
    assert_eq!(joined["messageMetadata"]["execution_id"], json!(hers));
    // nor does she put hers into the way of what another has by choosing its id
    let prefix = id.rsplit_once('_').unwrap().0;
    let body = json!({ "pipeline": "asks", "execution_id": format!("{prefix}_x") });
    assert_eq!(
        post(&server, "/api/executions", &mallory, body).await.0,
        201
    );
    assert_eq!(first(&server, stream, &alice).await, start);

    // the newest run of a chat is the one that counts, and an ended one is none
    let next = send(&server, "c1", &alice).await;
    let joined = first(&server, stream, &alice).await;
    assert_eq!(joined["messageMetadata"]["execution_id"], json!(next));
    // a place in a run of another chat is none of this one
    let other = format!("/api/aisdk/asks/c2/stream?after={id}/1.1");
    assert_eq!(get(&server, &other, &alice).await.0, 404);
    let cancel = format!("/api/executions/{next}/cancel");
    assert_eq!(post(&server, &cancel, &alice, json!({})).await.0, 202);
    let whole = format!("/api/aisdk/executions/{next}");
    let (status, text) = get(&server, &whole, &alice).await;
    assert_eq!(status, 200);
    assert!(
        text.as_str().unwrap().ends_with("data: [DONE]\n\n"),
        "{text}"
    );
    assert_eq!(get(&server, stream, &alice).await.0, 204);

    // each deed takes its scope
    let watcher = weaker(&server, "watch");
    assert_eq!(
        post(&server, "/api/aisdk/asks", &watcher, message("c3"))
            .await
            .0,
        403
    );
    let starter = weaker(&server, "start");
    for path in [stream, &join] {
        assert_eq!(get(&server, path, &starter).await.0, 403, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_chat_is_refused() {
    let server = asking().await;
    let alice = token(&server, "alice", ALL);
    let path = "/api/aisdk/asks";
    assert_eq!(post(&server, path, &alice, json!({})).await.0, 400);
    assert_eq!(
        post(&server, "/api/aisdk/nothing", &alice, message("c"))
            .await
            .0,
        404
    );
    let id = send(&server, "c", &alice).await;
    let join = format!("/api/aisdk/executions/{id}");
    for query in [
        "?pace=2",
        "?type=step_start",
        "?after=nonsense",
        "?after=now",
        "?after=other/1.1",
    ] {
        let (status, told) =
            said(ask(&server, Method::GET, &format!("{join}{query}"), &alice)).await;
        assert_eq!(status, 400, "{query}: {told}");
    }
    server.stop().await;
}
