//! Peers that are not there any more, and more of them than there is room for.

use std::time::Duration;

use stepcast::config::Config;
use stepcast::log::Budget;
use tokio::net::TcpSocket;
use tokio::time::{Instant, sleep};

use crate::attack_harness::{Raw, lives, responses};
use crate::harness::{Server, complete, progress, soon};
use crate::tls_harness::Secured;

fn upgrade(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

#[tokio::test]
async fn half_open_websockets_that_answer_no_ping_are_closed_and_others_stay() {
    let server = Server::with(|config| {
        config.heartbeat_ms = 200;
        config.limits.silent_peer_ms = 1_000;
    })
    .await;
    let context = server.execution("e", Budget::default());
    context.emit(progress(1)).await.unwrap();
    let mut answering = server.ws("/ws/pipeline/e").await;
    assert_eq!(answering.frame().await.unwrap()["control"], "hello");
    let paths = [
        "/ws/pipeline/e",
        // these two never sit at the tail with the others
        "/ws/pipeline/e?type=step_error",
        "/ws/executions",
    ];
    let silent = paths.map(|path| {
        let server = &server;
        async move {
            let since = Instant::now();
            let mut raw = Raw::sent(server, upgrade(path)).await;
            let said = raw.rest().await;
            (path, since.elapsed(), said)
        }
    });
    let answers = tokio::spawn(async move {
        let until = Instant::now() + Duration::from_secs(4);
        let mut pings = 0;
        while Instant::now() < until {
            let frame = answering.frame().await.unwrap();
            pings += usize::from(frame["control"] == "ping");
        }
        (answering, pings)
    });
    for (path, took, said) in futures_util::future::join_all(silent).await {
        assert!(said.contains("\"control\":\"ping\""), "{path}: {said}");
        // 3000, in a frame of two bytes
        assert!(
            said.ends_with('\u{fffd}') || said.contains("\u{2}\u{b}"),
            "{path}: {said}"
        );
        assert!(
            took > Duration::from_secs(1) && took < Duration::from_secs(8),
            "{path}: {took:?}"
        );
    }
    let (mut answering, pings) = soon(answers).await.unwrap();
    assert!(pings >= 5, "{pings}");
    context.emit(complete()).await.unwrap();
    assert_eq!(answering.but_pings().await["seq"], 2);
    server.stop().await;
}

#[tokio::test]
async fn a_flood_of_connections_is_told_to_come_back_and_those_that_are_open_stay() {
    let server = Server::with(|config| config.limits.connections = 6).await;
    let context = server.execution("e", Budget::default());
    let mut open = vec![
        Raw::sent(
            &server,
            "GET /stream/pipeline/e HTTP/1.1\r\nHost: localhost\r\n\r\n",
        )
        .await,
        Raw::sent(&server, upgrade("/ws/pipeline/e")).await,
    ];
    for raw in &mut open {
        raw.until("hello").await;
    }
    let idle: Vec<Raw> =
        futures_util::future::join_all((0..4).map(|_| Raw::connect(&server))).await;
    for _ in 0..20 {
        let mut refused =
            Raw::sent(&server, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let said = refused.rest().await;
        assert_eq!(responses(&said), (503, 1), "{said}");
        assert!(said.contains("retry-after: 5\r\n"), "{said}");
    }
    drop(idle);
    let again = async {
        loop {
            let get = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            if responses(&Raw::sent(&server, get).await.rest().await).0 == 200 {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    soon(again).await;
    // the streams hold their places although they have left HTTP, and give them back at their end
    context.emit(complete()).await.unwrap();
    for raw in &mut open {
        assert!(raw.until("closed").await.contains("\"seq\":1"));
    }
    server.stop().await;
}

#[tokio::test]
async fn connections_of_one_address_are_counted_and_those_of_a_proxy_are_not() {
    let few = |config: &mut Config| config.limits.connections_per_address = 2;
    let server = Server::with(few).await;
    let from = |address: &'static str| {
        let server = &server;
        async move {
            let socket = TcpSocket::new_v4().unwrap();
            socket
                .bind(format!("{address}:0").parse().unwrap())
                .unwrap();
            let stream = socket
                .connect(server.address.parse().unwrap())
                .await
                .unwrap();
            let mut raw = Raw(stream);
            raw.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .await;
            let said = raw.until("\r\n\r\n").await;
            (raw, responses(&said).0)
        }
    };
    let (_one, first) = from("127.0.0.1").await;
    let (_two, second) = from("127.0.0.1").await;
    let (_three, third) = from("127.0.0.1").await;
    let (_other, other) = from("127.0.0.2").await;
    assert_eq!([first, second, third, other], [200, 200, 503, 200]);
    server.stop().await;
    let server = Server::with(|config| {
        few(config);
        config.edge.trusted_proxies = vec!["127.0.0.1".into()];
    })
    .await;
    let open: Vec<Raw> =
        futures_util::future::join_all((0..5).map(|_| Raw::connect(&server))).await;
    lives(&server).await;
    drop(open);
    server.stop().await;
}

#[tokio::test]
async fn a_flood_of_connections_under_tls_is_closed_without_a_handshake() {
    let secured = Secured::with(|config| config.limits.connections = 2).await;
    let _one = secured.connect(&[]).await;
    let _two = secured.connect(&[]).await;
    let mut refused = Raw::connect(&secured.server).await;
    assert_eq!(refused.rest().await, "");
    secured.stop().await;
}
