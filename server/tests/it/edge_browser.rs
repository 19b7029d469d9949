//! What pages of other sites get from this server, and what its own are told.

use reqwest::header::HeaderMap;
use reqwest::{Method, Response};
use serde_json::json;
use stepcast::config::StoreKind;
use stepcast::log::Budget;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, http};

use crate::harness::Server;

const FRIEND: &str = "https://app.example";

async fn befriended() -> Server {
    Server::with(|config| {
        config.store = StoreKind::Memory;
        config.edge.allowed_origins = vec![FRIEND.to_owned()];
    })
    .await
}

async fn asked(server: &Server, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = server.client.request(method, server.url(path));
    for &(name, value) in headers {
        request = request.header(name, value);
    }
    request.send().await.unwrap()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

/// The status that a WebSocket's handshake is answered with.
async fn web_socket_from(server: &Server, origin: &str) -> u16 {
    let mut request = format!("ws://{}/ws/pipeline/run", server.address)
        .into_client_request()
        .unwrap();
    let origin = http::HeaderValue::from_str(origin).unwrap();
    request.headers_mut().insert("origin", origin);
    match tokio_tungstenite::connect_async(request).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_cross_site_web_socket_is_refused_and_one_of_an_allowed_origin_opens() {
    let server = befriended().await;
    let _run = server.execution("run", Budget::default());
    for stranger in [
        "https://evil.example",
        "https://app.example.evil.example",
        "https://app.example:8443",
        "http://app.example",
        "https://localhost.evil.example",
        "null",
        "file://",
    ] {
        assert_eq!(web_socket_from(&server, stranger).await, 403, "{stranger}");
    }
    assert_eq!(web_socket_from(&server, FRIEND).await, 101);
    let own = format!("http://{}", server.address);
    assert_eq!(web_socket_from(&server, &own).await, 101);
    server.stop().await;
}

#[tokio::test]
async fn no_page_of_another_site_may_read_anything_unless_it_is_named() {
    let (closed, open) = (Server::start().await, befriended().await);
    for server in [&closed, &open] {
        let _run = server.execution("run", Budget::default());
    }
    let paths = [
        "/api/executions",
        "/api/executions/run",
        "/stream/pipeline/run",
        "/healthz",
    ];
    for path in paths {
        let refused = asked(&closed, Method::GET, path, &[("origin", FRIEND)]).await;
        assert_eq!(refused.status(), 403, "{path}");
        assert_eq!(text(refused.headers(), "access-control-allow-origin"), "");
        let read = asked(&open, Method::GET, path, &[("origin", FRIEND)]).await;
        assert!(read.status().is_success(), "{path}");
        assert_eq!(text(read.headers(), "access-control-allow-origin"), FRIEND);
        let varies = read.headers().get_all("vary");
        assert!(
            varies
                .iter()
                .any(|vary| vary.to_str().unwrap().contains("origin"))
        );
        // a browser's cookies are no key to this server for pages of other sites
        assert_eq!(text(read.headers(), "access-control-allow-credentials"), "");
        let evil = [("origin", "https://evil.example")];
        let refused = asked(&open, Method::GET, path, &evil).await;
        assert_eq!(refused.status(), 403, "{path}");
        assert_eq!(text(refused.headers(), "access-control-allow-origin"), "");
    }
    closed.stop().await;
    open.stop().await;
}

#[tokio::test]
async fn a_preflight_is_answered_for_allowed_origins_only() {
    let server = befriended().await;
    let preflight = |origin| {
        [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "authorization,content-type",
            ),
        ]
    };
    let path = "/api/executions";
    let told = asked(&server, Method::OPTIONS, path, &preflight(FRIEND)).await;
    assert_eq!(told.status(), 200);
    let headers = told.headers();
    assert_eq!(text(headers, "access-control-allow-origin"), FRIEND);
    assert!(text(headers, "access-control-allow-methods").contains("POST"));
    assert!(text(headers, "access-control-allow-headers").contains("authorization"));
    let evil = preflight("https://evil.example");
    let refused = asked(&server, Method::OPTIONS, path, &evil).await;
    assert_eq!(refused.status(), 403);
    server.stop().await;
}

#[tokio::test]
async fn every_response_forbids_sniffing_framing_and_telling_where_one_came_from() {
    let server = Server::start().await;
    let _run = server.execution("run", Budget::default());
    let paths = [
        "/",
        "/runs",
        "/no-such.js",
        "/api/executions",
        "/api/executions/none",
        "/api/nothing",
        "/stream/pipeline/run",
    ];
    for path in paths {
        let response = asked(&server, Method::GET, path, &[]).await;
        let headers = response.headers();
        assert_eq!(text(headers, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(text(headers, "x-frame-options"), "DENY", "{path}");
        assert_eq!(text(headers, "referrer-policy"), "no-referrer", "{path}");
        assert!(text(headers, "permissions-policy").contains("camera=()"));
        let policy = text(headers, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe-inline"), "{path}: {policy}");
        assert!(!policy.contains("'unsafe-eval'"), "{path}: {policy}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_form_of_another_site_starts_nothing() {
    let server = Server::start().await;
    let body = json!({ "definition": {
        "name": "x",
        "steps": [{ "id": "a", "type": "set", "config": { "values": { "a": 1 } } }],
        "flow": { "start_at": "a" }
    } });
    // what a form can send without a preflight
    let sent = server
        .client
        .post(server.url("/api/executions"))
        .header("origin", "https://evil.example")
        .header("content-type", "text/plain")
        .body(body.to_string());
    assert_eq!(sent.send().await.unwrap().status(), 403);
    let (_, listed) = server.get("/api/executions").await;
    assert!(!listed.to_string().contains("\"pipeline\""), "{listed}");
    server.stop().await;
}
