//! What is followed, and runs as agents.

use axum::http::Method;
use serde_json::json;

use super::book::{Book, Entry};
use super::parameters::{Asked, LastEventId, Paced, Selected, Told};
use super::security::OFTEN;
use super::{AGENTS, CHATS, FILES, GRAPHQL, STREAMS};
use crate::agui::input::RunAgentInput;
use crate::aisdk::input::ChatRequest;
use crate::transport::sse;
use crate::transport::websocket::{self, artifact};

pub(super) fn describe(book: &mut Book) {
    web_sockets(book);
    event_streams(book);
    agents(book);
    chats(book);
    graph_ql(book);
}

fn web_sockets(book: &mut Book) {
    let about = "What travels is in `asyncapi.json`. What is refused is refused in band, with an `error` frame and a close code, since a page sees no status of a handshake.";
    upgrade(book.entry(
        Method::GET,
        "/ws/pipeline/{execution_id}",
        STREAMS,
        ("followByWebSocket", "Follow a run over a WebSocket"),
    ))
    .about(about)
    .query::<Selected>()
    .query::<Paced>()
    .query::<Told>()
    .query::<websocket::Parameters>()
    .write();
    upgrade(book.entry(
        Method::GET,
        "/ws/executions",
        STREAMS,
        (
            "followManyByWebSocket",
            "Follow many runs over one WebSocket",
        ),
    ))
    .about(about)
    .query::<websocket::Parameters>()
    .write();
    upgrade(book.entry(
        Method::GET,
        "/ws/executions/{execution_id}/artifacts/{sha256}",
        FILES,
        ("getArtifactByWebSocket", "A file over a WebSocket"),
    ))
    .about(about)
    .query::<artifact::From>()
    .write();
}

fn upgrade(entry: Entry<'_>) -> Entry<'_> {
    entry
        .empty(101, "Frames follow.")
        .problem(400, "The handshake is none.")
        .problem(426, "The request does not ask for a WebSocket.")
}

fn event_streams(book: &mut Book) {
    sends_events(book.entry(
        Method::GET,
        "/stream/pipeline/{execution_id}",
        STREAMS,
        ("followByEventStream", "Follow a run by server-sent events"),
    ))
    .query::<Selected>()
    .query::<Paced>()
    .query::<Told>()
    .query::<sse::Parameters>()
    .headers::<LastEventId>()
    .write();
    sends_events(book.entry(
        Method::GET,
        "/stream/executions",
        STREAMS,
        (
            "followManyByEventStream",
            "Follow many runs by server-sent events",
        ),
    ))
    .query::<Asked>()
    .query::<Told>()
    .query::<sse::Parameters>()
    .headers::<LastEventId>()
    .write();
}

fn sends_events(entry: Entry<'_>) -> Entry<'_> {
    entry
        .sends(
            200,
            "Events as they happen, to the end.",
            "text/event-stream",
            json!({}),
        )
        .empty(204, "There is no more: all has ended, and was seen.")
}

fn agents(book: &mut Book) {
    let path = "/api/agui/executions/{id}";
    sends_events(book.entry(
        Method::POST,
        "/api/agui/{name}",
        AGENTS,
        ("runAgent", "Run a stored pipeline as an agent"),
    ))
    .about("Or answer what one of its runs asks, where `resume` is given.")
    .body::<RunAgentInput>(true)
    .problem(404, "There is no such pipeline or run.")
    .problem(
        409,
        "There is another execution of this id, or another answer came first.",
    )
    .problem(410, "The deadline of the question has passed.")
    .problem(
        422,
        "The input does not validate, or an answer does not fit the form.",
    )
    .problem(429, "Too many executions have not ended.")
    .problem(507, "The disk is full.")
    .write();
    sends_events(book.entry(
        Method::GET,
        path,
        AGENTS,
        ("joinAgent", "Follow a run as an agent"),
    ))
    .headers::<LastEventId>()
    .write();
    sends_events(book.entry(
        Method::POST,
        path,
        AGENTS,
        ("resumeAgent", "Answer what a run asks, as of an agent"),
    ))
    .body::<RunAgentInput>(true)
    .problem(409, "Another answer came first, or the run has ended.")
    .problem(410, "The deadline of the question has passed.")
    .problem(422, "An answer does not fit the form.")
    .problem(429, OFTEN)
    .problem(507, "The disk is full.")
    .write();
}

fn chats(book: &mut Book) {
    sends_events(book.entry(
        Method::POST,
        "/api/aisdk/{name}",
        CHATS,
        (
            "sendChat",
            "Start a stored pipeline for a chat's last message",
        ),
    ))
    .body::<ChatRequest>(true)
    .problem(404, "There is no such pipeline.")
    .problem(409, "There is another execution of this id.")
    .problem(422, "The input does not validate.")
    .problem(429, "Too many executions have not ended.")
    .problem(507, "The disk is full.")
    .write();
    sends_events(book.entry(
        Method::GET,
        "/api/aisdk/{name}/{chat}/stream",
        CHATS,
        ("resumeChat", "Follow the run of a chat that is under way"),
    ))
    .headers::<LastEventId>()
    .problem(404, "There is no such execution, or it is somebody else's.")
    .problem(429, OFTEN)
    .write();
    sends_events(book.entry(
        Method::GET,
        "/api/aisdk/executions/{id}",
        CHATS,
        ("joinChat", "Follow any run as one message of a chat"),
    ))
    .headers::<LastEventId>()
    .write();
}

/// Its own language says what it is: a server gives its schema to who asks for it in it.
fn graph_ql(book: &mut Book) {
    let path = "/graphql";
    let answer = || json!({ "type": "object" });
    book.entry(
        Method::GET,
        path,
        GRAPHQL,
        ("lookByGraphQl", "Ask in GraphQL, by the address"),
    )
    .query::<GraphQlParameters>()
    .sends(200, "What was asked for.", "application/json", json!({}))
    .sends(
        200,
        "What was asked for.",
        "application/graphql-response+json",
        answer(),
    )
    .sends(200, "What was asked for.", "text/event-stream", json!({}))
    .sends(200, "What was asked for.", "text/html", json!({}))
    .write();
    book.entry(
        Method::POST,
        path,
        GRAPHQL,
        ("askByGraphQl", "Ask in GraphQL, or follow a subscription"),
    )
    .raw_body("application/json", answer())
    .sends(200, "What was asked for.", "application/json", json!({}))
    .sends(
        200,
        "What was asked for.",
        "application/graphql-response+json",
        answer(),
    )
    .sends(200, "What was asked for.", "text/event-stream", json!({}))
    .problem(400, "The request is none.")
    .problem(
        413,
        "The body is larger than the setting `max_body_bytes` allows.",
    )
    .problem(415, "The body is not said to be `application/json`.")
    .write();
    upgrade(book.entry(
        Method::GET,
        "/ws/graphql",
        GRAPHQL,
        (
            "followByGraphQl",
            "Subscriptions in GraphQL over a WebSocket",
        ),
    ))
    .about("The subprotocol is `graphql-transport-ws`.")
    .write();
    let text = || json!({ "type": "string" });
    let elsewhere = "The browser is not on the server's own machine, or there is no such file.";
    book.entry(
        Method::GET,
        "/graphql/playground",
        GRAPHQL,
        (
            "getPlayground",
            "A page to try queries out, for browsers on the server's own machine",
        ),
    )
    .sends(200, "The page.", "text/html", text())
    .problem(404, elsewhere)
    .write();
    book.entry(
        Method::GET,
        "/graphql/playground/{asset}",
        GRAPHQL,
        ("getPlaygroundFile", "What that page loads"),
    )
    .sends(200, "The file.", "text/css", text())
    .sends(200, "The file.", "text/javascript", text())
    .problem(404, elsewhere)
    .write();
}

/// A request in an address, as GraphQL over HTTP has it.
#[derive(Debug, schemars::JsonSchema)]
#[expect(dead_code, reason = "read by the library, and described here")]
struct GraphQlParameters {
    /// What is asked for.
    query: Option<String>,
    /// Its variables, as JSON.
    variables: Option<String>,
    /// Which of its operations.
    #[schemars(rename = "operationName")]
    operation_name: Option<String>,
}
