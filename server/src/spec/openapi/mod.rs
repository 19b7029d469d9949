//! OpenAPI 3.1 of every route: what the handlers take and give comes from their types, who may ask from the router.

mod book;
mod durable;
mod executions;
mod parameters;
mod people;
mod process;
mod producers;
mod security;
mod streams;

use serde_json::Value;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, ContactBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder,
    ServerBuilder,
};

use self::book::Book;

/// The document.
pub(super) fn document() -> Value {
    let mut book = Book::new();
    process::describe(&mut book);
    executions::describe(&mut book);
    people::describe(&mut book);
    producers::describe(&mut book);
    streams::describe(&mut book);
    durable::describe(&mut book);
    let (paths, schemas) = book.close();
    let mut components = ComponentsBuilder::new();
    for (name, scheme) in security::schemes() {
        components = components.security_scheme(name, scheme);
    }
    let info = InfoBuilder::new()
        .title("Stepcast")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .contact(Some(ContactBuilder::new().name(Some("Stepcast")).build()))
        .license(Some(
            LicenseBuilder::new()
                .name("MIT OR Apache-2.0")
                .identifier(Some("MIT OR Apache-2.0"))
                .build(),
        ));
    let tags = TAGS.map(|(name, description)| {
        TagBuilder::new()
            .name(name)
            .description(Some(description))
            .build()
    });
    let document: OpenApi = OpenApiBuilder::new()
        .info(info)
        .servers(Some([ServerBuilder::new()
            .url("/")
            .description(Some("The server that gives this document."))
            .build()]))
        .paths(paths)
        .components(Some(components.build()))
        .tags(Some(tags))
        .build();
    // a schema is put in as it is: utoipa's own type does not know every keyword
    let mut document = serde_json::to_value(document).unwrap_or_default();
    if let Some(components) = document
        .get_mut("components")
        .and_then(Value::as_object_mut)
    {
        components.insert("schemas".to_owned(), schemas.into());
    }
    document
}

const ABOUT: &str = "Runs pipelines and agents, and streams every event of them live. Events over WebSocket and as server-sent events are in `asyncapi.json`, their shapes in `events.schema.json`. Refusals are problem documents (RFC 9457). On a server without accounts nobody is asked who they are.";

const RUNS: &str = "Runs";
const PIPELINES: &str = "Pipelines";
const PEOPLE: &str = "Questions to people";
const PRODUCERS: &str = "Producers elsewhere";
const FILES: &str = "Files";
const STREAMS: &str = "Streams";
const AGENTS: &str = "AG-UI";
const GRAPHQL: &str = "GraphQL";
const CHATS: &str = "AI SDK";
const DURABLE: &str = "Durable Streams";
const ACCOUNTS: &str = "Accounts";
const MEASURES: &str = "Metrics";
const PROCESS: &str = "The server";

const TAGS: [(&str, &str); 13] = [
    (RUNS, "Start, list, watch, cancel and resume runs."),
    (PIPELINES, "What can be started."),
    (PEOPLE, "What runs ask people, and their answers."),
    (
        PRODUCERS,
        "Programs that run something themselves, and post its events.",
    ),
    (FILES, "What steps have made."),
    (
        STREAMS,
        "Events as they happen. `asyncapi.json` says what travels.",
    ),
    (AGENTS, "Runs as agents of the AG-UI protocol."),
    (GRAPHQL, "The same in GraphQL, with subscriptions."),
    (CHATS, "Runs as messages of a chat that the AI SDK shows."),
    (
        DURABLE,
        "Executions as streams of the Durable Streams protocol.",
    ),
    (ACCOUNTS, "Who one is, and what one hands on."),
    (MEASURES, "Reliability over many runs."),
    (PROCESS, "The process itself, and these documents."),
];
