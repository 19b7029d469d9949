//! How late events come to clients, as they report it.

use serde_json::{Value, json};
use stepcast::config::StoreKind;
use stepcast::slo::{Objective, SloSettings};

use crate::harness::{Server, soon};
use crate::scrape::Scrape;

const COUNT: &str = "stepcast_client_latency_seconds_count";
const BUCKET: &str = "stepcast_client_latency_seconds_bucket";

fn report(late_ms: &Value) -> Value {
    json!({ "transport": "sse", "now_ms": stepcast::clock::unix_millis(), "late_ms": late_ms })
}

#[tokio::test]
async fn a_server_that_asks_for_no_reports_takes_none() {
    let server = Server::start().await;
    let (_, asked) = server.get("/api/beacon").await;
    assert_eq!(asked, json!({ "interval_seconds": 0 }));
    assert_eq!(server.post("/api/beacon", report(&json!([1]))).await.0, 404);
    assert!(Scrape::of(&server).await.sum(COUNT, "") < 1.0);
    server.stop().await;
}

#[tokio::test]
async fn reports_are_counted_by_transport_and_an_objective_stands_on_them() {
    let server = Server::with(|config| {
        config.store = StoreKind::Memory;
        config.metrics.beacon_seconds = 7;
        config.slo = vec![SloSettings {
            name: "clients".to_owned(),
            objective: Objective::ClientLatency,
            threshold_ms: Some(30_000.0),
            target: 0.9,
            window_seconds: 3600,
            min_events: 1,
        }];
    })
    .await;
    let (_, asked) = server.get("/api/beacon").await;
    assert_eq!(asked, json!({ "interval_seconds": 7 }));
    // far from every bound: a slow machine changes nothing
    let late = json!([-600_000, -600_000, 600_000]);
    assert_eq!(server.post("/api/beacon", report(&late)).await.0, 204);
    // a clock that is an hour ahead, and says so, changes nothing either
    let mut ahead = report(&json!([3_000_000]));
    ahead["now_ms"] = json!(stepcast::clock::unix_millis() + 3_600_000);
    ahead["transport"] = json!("long_poll");
    assert_eq!(server.post("/api/beacon", ahead).await.0, 204);
    let scrape = Scrape::of(&server).await;
    let within =
        |transport: &str| scrape.sum(BUCKET, &format!(r#"le="30",transport="{transport}""#));
    assert_eq!(
        [scrape.sum(COUNT, r#"transport="sse""#), within("sse")],
        [3.0, 2.0]
    );
    assert_eq!(
        [scrape.sum(COUNT, r#"transport="poll""#), within("poll")],
        [1.0, 1.0]
    );
    assert_eq!(scrape.sum("stepcast_client_reports_total", ""), 2.0);
    let standing = soon(async {
        loop {
            let (_, slos) = server.get("/api/slos").await;
            let slo = slos["slos"][0].clone();
            if slo["total"] == 4 {
                return slo;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(
        (&standing["good"], &standing["objective"]),
        (&json!(3), &json!("client_latency"))
    );
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_report_is_refused() {
    let server = Server::with(|config| config.metrics.beacon_seconds = 1).await;
    let many = json!(vec![0; 1001]);
    let mut named = report(&json!([1]));
    named["execution_id"] = json!("run");
    let mut by_post = report(&json!([1]));
    by_post["transport"] = json!("post");
    for (body, status) in [
        (report(&many), 413),
        (named, 400),
        (by_post, 400),
        (json!({}), 400),
    ] {
        assert_eq!(server.post("/api/beacon", body).await.0, status);
    }
    assert!(Scrape::of(&server).await.sum(COUNT, "") < 1.0);
    server.stop().await;
}
