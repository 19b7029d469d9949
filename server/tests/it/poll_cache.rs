//! What caches may keep of pages; what they make of it is in `e2e`.

use reqwest::Method;
use stepcast::log::Budget;

use crate::access_harness::{ALL, ask, closed, start, token};
use crate::harness::{Server, emit, progress, soon};

#[tokio::test]
async fn who_has_a_page_is_not_given_it_again_and_whatever_changes_is_another() {
    let server = Server::start().await;
    let context = server.execution("run", Budget::default());
    for n in 1..=5 {
        context.emit(progress(n)).await.unwrap();
    }
    let ask = async |query: &str, tag: &str| {
        let url = server.url(&format!("/api/executions/run/events?{query}"));
        let request = server.client.get(url).header("if-none-match", tag);
        let response = soon(request.send()).await.unwrap();
        let tag = response.headers()["etag"].to_str().unwrap().to_owned();
        let caching = response.headers()["cache-control"]
            .to_str()
            .unwrap()
            .to_owned();
        let status = response.status().as_u16();
        (status, tag, caching, soon(response.text()).await.unwrap())
    };
    let (_, page) = server.get("/api/executions/run/events?limit=1").await;
    let start = format!("after={}.0", page["epoch"]);
    let mut seen = Vec::new();
    for query in [
        start.clone(),
        format!("{start}&limit=2"),
        format!("{start}&format=cloudevents"),
        format!("{start}&wait_ms=1000"),
        "limit=3".to_owned(),
    ] {
        let (status, tag, caching, body) = ask(&query, "\"other\"").await;
        assert_eq!((status, body.is_empty()), (200, false), "{query}");
        for given in [
            tag.clone(),
            // a cache may have made it a strong one: what is compared is what it tags
            tag.trim_start_matches("W/").to_owned(),
            format!("\"x\", {tag}"),
            "*".to_owned(),
        ] {
            let (status, same, still, body) = ask(&query, &given).await;
            assert_eq!((status, body.as_str()), (304, ""), "{query}");
            assert_eq!((&same, &still), (&tag, &caching), "{query}");
        }
        seen.push((query, tag));
    }
    // a poll that waits is answered with what came, though its client has a page of that address
    let waiting = format!("after={}.5&wait_ms=20000", page["epoch"]);
    let empty = ask(&format!("after={}.5", page["epoch"]), "").await.1;
    let (told, ()) = tokio::join!(ask(&waiting, &empty), async {
        context.emit(progress(6)).await.unwrap();
    });
    assert_eq!(told.0, 200);
    // what is not the same any more is not taken for it
    emit(&context, 1).await;
    for (query, tag) in seen {
        let (status, now, ..) = ask(&query, &tag).await;
        assert_eq!((status, now == tag), (200, false), "{query}");
    }
    server.stop().await;
}

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
