//! What a request says of where it comes from counts from trusted proxies only.

use serde_json::{Value, json};
use stepcast::edge::Forwarding;

use crate::access_harness::{closed_with, cookie, get, token};
use crate::harness::{Server, soon};

/// What a client may claim of itself, with the headers of both kinds.
const CLAIMS: [(&str, &str); 3] = [
    ("x-forwarded-for", "203.0.113.9"),
    ("x-forwarded-proto", "https"),
    ("forwarded", "for=198.51.100.7;proto=https"),
];

async fn sign_in(server: &Server, token: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    let mut request = server.client.post(server.url("/api/session"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    soon(request.json(&json!({ "token": token })).send())
        .await
        .unwrap()
}

/// From where the newest of these things was done, as the audit log has it.
async fn noted(server: &Server, admin: &str, action: &str) -> Value {
    let (_, list) = get(server, "/api/audit", admin).await;
    let entries = list["entries"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["action"] == action);
    entry.unwrap()["address"].clone()
}

#[tokio::test]
async fn spoofed_headers_of_a_client_are_not_believed() {
    let server = closed_with(|_| {}).await;
    let (ann, admin) = (
        token(&server, "ann", "watch"),
        token(&server, "root", "admin"),
    );
    let answer = sign_in(&server, &ann, &CLAIMS).await;
    assert_eq!(answer.status(), 201);
    let (_, line) = cookie(&answer, "stepcast_session");
    assert!(!line.contains("Secure"), "{line}");
    assert_eq!(noted(&server, &admin, "sign_in").await, "127.0.0.1");
    assert_eq!(
        sign_in(&server, "stepcast_token_x", &CLAIMS).await.status(),
        401
    );
    assert_eq!(noted(&server, &admin, "sign_in").await, "127.0.0.1");
    server.stop().await;
}

#[tokio::test]
async fn a_proxy_that_is_not_among_the_trusted_is_a_client_like_any() {
    let trusted = vec!["10.0.0.0/8".to_owned(), "::1".to_owned()];
    let server = closed_with(|config| config.edge.trusted_proxies = trusted).await;
    let (ann, admin) = (
        token(&server, "ann", "watch"),
        token(&server, "root", "admin"),
    );
    assert_eq!(sign_in(&server, &ann, &CLAIMS).await.status(), 201);
    assert_eq!(noted(&server, &admin, "sign_in").await, "127.0.0.1");
    server.stop().await;
}

#[tokio::test]
async fn a_trusted_proxy_says_whom_it_asks_for_in_the_headers_that_are_its_own() {
    for (forwarding, address) in [
        (Forwarding::XForwarded, "203.0.113.9"),
        (Forwarding::Forwarded, "198.51.100.7"),
    ] {
        let server = closed_with(|config| {
            config.edge.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
            config.edge.forwarding = forwarding;
        })
        .await;
        let (ann, admin) = (
            token(&server, "ann", "watch"),
            token(&server, "root", "admin"),
        );
        let answer = sign_in(&server, &ann, &CLAIMS).await;
        let (_, line) = cookie(&answer, "stepcast_session");
        assert!(line.ends_with("; Secure"), "{line}");
        assert_eq!(noted(&server, &admin, "sign_in").await, address);
        // one that speaks for itself
        let answer = sign_in(&server, &ann, &[]).await;
        let (_, line) = cookie(&answer, "stepcast_session");
        assert!(!line.contains("Secure"), "{line}");
        assert_eq!(noted(&server, &admin, "sign_in").await, "127.0.0.1");
        server.stop().await;
    }
}

#[tokio::test]
async fn under_tls_of_a_proxy_a_page_in_clear_is_another_site() {
    let trusted = vec!["127.0.0.1".to_owned()];
    let server = closed_with(|config| config.edge.trusted_proxies = trusted).await;
    let ann = token(&server, "ann", "watch");
    for (scheme, proto, status) in [
        ("https", "https", 201),
        ("http", "https", 403),
        ("http", "http", 201),
    ] {
        let origin = format!("{scheme}://{}", server.address);
        let headers = [
            ("origin", origin.as_str()),
            ("x-forwarded-for", "203.0.113.9"),
        ];
        let headers = [&headers[..], &[("x-forwarded-proto", proto)]].concat();
        let answer = sign_in(&server, &ann, &headers).await;
        assert_eq!(answer.status().as_u16(), status, "{scheme} under {proto}");
    }
    server.stop().await;
}
