//! A server with accounts, and people with tokens.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use stepcast::access::{NewToken, Register, Scopes};
use stepcast::config::Config;
use stepcast::step::StepRegistry;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::harness::{Server, Ws, soon};

/// Every scope but admin's.
pub(crate) const ALL: &str = "watch start ingest answer cancel";

/// A server that takes tokens of its own.
pub(crate) async fn closed() -> Server {
    closed_with(|_| {}).await
}

pub(crate) async fn closed_with(change: impl FnOnce(&mut Config)) -> Server {
    Server::with(|config| {
        config.access.tokens = true;
        change(config);
    })
    .await
}

/// The register of a server, opened as the command line does.
pub(crate) fn register(server: &Server) -> Register {
    Register::open(&server.directory.path().join("data")).unwrap()
}

/// A token of `user`, named after them.
pub(crate) fn token(server: &Server, user: &str, scopes: &str) -> String {
    let new = NewToken {
        name: user.into(),
        user: user.into(),
        scopes: Scopes::parse(scopes).unwrap(),
        expires: None,
    };
    let secret = register(server).make_token(&new).unwrap();
    secret.reveal().to_owned()
}

/// One more token of alice's.
pub(crate) fn weaker(server: &Server, scopes: &str) -> String {
    let new = NewToken {
        name: scopes.into(),
        user: "alice".into(),
        scopes: Scopes::parse(scopes).unwrap(),
        expires: None,
    };
    let secret = register(server).make_token(&new).unwrap();
    secret.reveal().to_owned()
}

pub(crate) fn ask(server: &Server, method: Method, path: &str, token: &str) -> RequestBuilder {
    let request = server.client.request(method, server.url(path));
    if token.is_empty() {
        return request;
    }
    request.bearer_auth(token)
}

pub(crate) async fn said(request: RequestBuilder) -> (u16, Value) {
    let response = soon(request.send()).await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (status, body)
}

pub(crate) async fn get(server: &Server, path: &str, token: &str) -> (u16, Value) {
    said(ask(server, Method::GET, path, token)).await
}

pub(crate) async fn post(server: &Server, path: &str, token: &str, body: Value) -> (u16, Value) {
    said(ask(server, Method::POST, path, token).json(&body)).await
}

/// Starts a run that goes on until somebody cancels it.
pub(crate) async fn start(server: &Server, id: &str, token: &str) {
    let body = json!({ "execution_id": id, "definition": {
        "name": "Long",
        "steps": [{ "id": "wait", "type": "delay", "config": { "seconds": 600 } }],
        "flow": { "start_at": "wait", "paths": [] },
    }});
    let (status, answer) = post(server, "/api/executions", token, body).await;
    assert_eq!(status, 201, "{answer}");
}

/// A WebSocket whose handshake carries these headers; the subprotocol that was chosen.
pub(crate) async fn ws(
    server: &Server,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<(Ws, Option<String>), u16> {
    let url = format!("ws://{}{path}", server.address);
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        let name: reqwest::header::HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    match soon(tokio_tungstenite::connect_async(request)).await {
        Ok((socket, response)) => {
            let chosen = response.headers().get("sec-websocket-protocol");
            let chosen = chosen.map(|it| it.to_str().unwrap().to_owned());
            Ok((Ws(socket), chosen))
        }
        Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
            Err(response.status().as_u16())
        }
        Err(error) => panic!("{error}"),
    }
}

/// The value of a cookie that a response sets, and all of its line.
pub(crate) fn cookie(response: &reqwest::Response, name: &str) -> (String, String) {
    let lines = response.headers().get_all("set-cookie").iter();
    let line = lines
        .map(|line| line.to_str().unwrap())
        .find(|line| line.starts_with(&format!("{name}=")))
        .unwrap();
    let pair = line.split(';').next().unwrap();
    (pair.to_owned(), line.to_owned())
}

/// Opens a server of these settings, or says why not.
pub(crate) async fn refused(config: Config) -> String {
    match stepcast::open(config, StepRegistry::builtin()).await {
        Ok(_) => panic!("opened"),
        Err(error) => error.to_string(),
    }
}
