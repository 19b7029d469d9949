//! What caches may keep of pages; what they make of it is in `e2e`.

use reqwest::Method;

use crate::access_harness::{ALL, ask, closed, start, token};
use crate::harness::soon;

#[tokio::test]
async fn nothing_is_kept_where_there_are_accounts() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    start(&server, "run", &alice).await;
    let page = |query: &str| {
        ask(
            &server,
            Method::GET,
            &format!("/api/executions/run/events?{query}"),
            &alice,
        )
    };
    let first: serde_json::Value = soon(page("limit=1").send())
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let after = format!("after={}.0", first["epoch"]);
    for query in [
        after.clone(),
        format!("{after}&wait_ms=1000"),
        format!("{after}&format=cloudevents"),
    ] {
        let response = soon(page(&query).send()).await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-store", "{query}");
        assert!(response.text().await.unwrap().contains("pipeline_start"));
    }
    server.stop().await;
}
