//! What an answer says of itself: where the log begins and ends, and what was wrong with a question.

use serde_json::Value;
use stepcast::config::StoreKind;
use stepcast::log::Budget;

use crate::harness::{Server, emit, progress, seqs, soon};

#[tokio::test]
async fn every_unknown_path_and_parameter_is_a_problem_document_too() {
    let server = Server::start().await;
    server.execution("e", Budget::default());
    for (path, expected) in [
        ("/api/nothing", 404),
        ("/api", 404),
        ("/ws/nothing", 404),
        ("/stream/nothing/of/it", 404),
        ("/api/executions?limits=1", 400),
        ("/api/executions?limit=x", 400),
        ("/api/executions/e?view=maybe", 400),
        ("/api/executions/e/events?limit=-1", 400),
        ("/stream/pipeline/e?format=xml", 400),
        ("/stream/pipeline/%FF", 400),
        ("/api/executions/%FF", 400),
        ("/api/pipelines/%FF", 400),
    ] {
        let response = server.client.get(server.url(path)).send().await.unwrap();
        let status = response.status().as_u16();
        let kind = response.headers()["content-type"].clone();
        assert_eq!(
            (status, kind.to_str().unwrap()),
            (expected, "application/problem+json"),
            "{path}"
        );
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["status"], expected, "{path}");
    }
    let put = server.client.put(server.url("/api/executions"));
    let response = put.send().await.unwrap();
    assert_eq!(response.status(), 405);
    server.stop().await;
}

#[tokio::test]
async fn the_hello_and_the_list_of_a_log_in_memory_say_what_is_there() {
    let server = Server::with(|config| config.store = StoreKind::Memory).await;
    let budget = Budget {
        events: 4,
        ..Budget::default()
    };
    let context = server.execution("e", budget);
    for n in 1..=10 {
        context.emit(progress(n)).await.unwrap();
    }
    let hello = server.ws("/ws/pipeline/e").await.frame().await.unwrap();
    assert_eq!(
        (hello["earliest"].as_u64(), hello["last_seq"].as_u64()),
        (Some(7), Some(10))
    );
    for shown in [
        server.get("/api/executions/e").await.1,
        server.get("/api/executions").await.1["executions"][0].clone(),
    ] {
        assert_eq!(
            (shown["earliest"].as_u64(), shown["last_seq"].as_u64()),
            (Some(7), Some(10)),
            "{shown}"
        );
    }
    let (_, page) = server.get("/api/executions/e/events?after=now").await;
    assert_eq!(page["earliest"], 7);
    server.stop().await;
}

#[tokio::test]
async fn rule_3_a_page_tells_of_a_log_that_is_gone_and_of_what_the_new_one_dropped() {
    let server = Server::start().await;
    let budget = Budget {
        events: 4,
        ..Budget::default()
    };
    emit(&server.execution("e", budget), 10).await;
    let path = "/api/executions/e/events";
    let (mut after, mut gaps, mut seen) = ("0.5".to_owned(), Vec::new(), Vec::new());
    loop {
        let (_, page) = server.get(&format!("{path}?after={after}")).await;
        let events = page["events"].as_array().unwrap();
        if let Some(gap) = page.get("gap") {
            gaps.push((
                gap["reason"].as_str().unwrap().to_owned(),
                gap["from"].as_u64().unwrap(),
                gap["to"].as_u64().unwrap(),
            ));
        }
        seen.extend(seqs(events));
        if page.get("closed").is_some() {
            break;
        }
        after = page["next"].as_str().unwrap().to_owned();
    }
    assert_eq!(
        gaps,
        [("epoch".to_owned(), 1, 5), ("retention".to_owned(), 1, 6)]
    );
    assert_eq!(seen, [7, 8, 9, 10]);
    server.stop().await;
}

#[tokio::test]
async fn rule_3_a_long_poll_does_not_wait_to_tell_of_a_log_that_is_gone() {
    let server = Server::start().await;
    server.execution("e", Budget::default());
    let (_, page) = soon(server.get("/api/executions/e/events?after=0.5&wait_ms=50000")).await;
    assert_eq!(page["gap"]["reason"], "epoch");
    server.stop().await;
}
