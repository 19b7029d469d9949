//! Runs, and the links to them.

use axum::http::Method;

use super::book::Book;
use super::parameters::{ProducerHeaders, Selected};
use super::{ACCOUNTS, RUNS};
use crate::api::answer::{
    Announced, Cancelling, Created, Finished, Listed, Resumed, Share, Shares, Shown, Started,
};
use crate::api::{events, executions, shares};
use stepcast_core::wire::page::Page;

pub(super) fn describe(book: &mut Book) {
    all(book);
    one(book);
    links(book);
}

fn all(book: &mut Book) {
    book.entry(
        Method::GET,
        "/api/executions",
        RUNS,
        ("listExecutions", "List runs"),
    )
    .query::<executions::ListParameters>()
    .answers::<Listed>(200, "The newest first.")
    .write();
    book.entry(Method::POST, "/api/executions", RUNS, ("startExecution", "Start a run"))
        .about("`mode` says what becomes of it: `stream` starts it, `create` waits for `…/start`, `blocking` runs it to its end and answers with its result, `external` makes it known for a program elsewhere that posts its events.")
        .headers::<ProducerHeaders>()
        .body::<executions::Start>(true)
        .answers_one_of::<Finished, Announced>(200, "It ran to its end, or the same request had made it known before.")
        .answers_one_of::<Created, Announced>(201, "It was made.")
        .with_header(201, "Location", "The execution.")
        .problem(404, "There is no stored pipeline of this name.")
        .problem(409, "There is an execution of this id.")
        .problem(422, "The pipeline or its input does not validate; `errors` says what is wrong, and where.")
        .problem(429, "Too many executions have not ended.")
        .problem(507, "The disk is full.")
        .write();
}

fn one(book: &mut Book) {
    book.entry(
        Method::GET,
        "/api/executions/{id}",
        RUNS,
        ("getExecution", "Show a run"),
    )
    .query::<executions::ShowParameters>()
    .answers::<Shown>(
        200,
        "The run; with `view=true`, everything that a page shows of it.",
    )
    .write();
    book.entry(
        Method::DELETE,
        "/api/executions/{id}",
        RUNS,
        ("deleteExecution", "Take a run away, with all its events"),
    )
    .empty(204, "It is gone.")
    .problem(409, "It has not ended.")
    .write();
    book.entry(
        Method::POST,
        "/api/executions/{id}/start",
        RUNS,
        ("startCreated", "Start what was created"),
    )
    .answers::<Started>(202, "It begins.")
    .problem(409, "It was started before.")
    .problem(422, "The pipeline or its input does not validate any more.")
    .problem(429, "Too many executions have not ended.")
    .problem(507, "The disk is full.")
    .write();
    book.entry(
        Method::POST,
        "/api/executions/{id}/cancel",
        RUNS,
        ("cancelExecution", "Cancel a run"),
    )
    .answers::<Cancelling>(202, "It is asked to end; every viewer sees its end.")
    .problem(409, "It has ended.")
    .problem(507, "The disk is full.")
    .write();
    book.entry(
        Method::POST,
        "/api/executions/{id}/resume",
        RUNS,
        ("resumeExecution", "Go on where an ended run stood"),
    )
    .answers::<Resumed>(
        201,
        "A new execution, whose log begins with a copy of the history.",
    )
    .with_header(201, "Location", "The new execution.")
    .problem(
        409,
        "It has not ended, ended well, or has no checkpoint that fits.",
    )
    .problem(410, "Its checkpoint or its history is gone.")
    .problem(422, "The pipeline does not validate any more.")
    .problem(429, "Too many executions have not ended.")
    .problem(507, "The disk is full.")
    .write();
    book.entry(Method::GET, "/api/executions/{id}/events", RUNS, ("getEvents", "Events by pages, and as a long poll"))
        .about("With `wait_ms` the answer is held until there is something to say, or that time has passed.")
        .query::<Selected>()
        .query::<events::PageParameters>()
        .answers_as_read::<Page>(200, "What comes after the cursor.")
        .sends(
            200,
            "What comes after the cursor.",
            "application/cloudevents-batch+json",
            serde_json::json!({ "type": "array", "items": { "type": "object" } }),
        )
        .with_header(200, "ETag", "What tells this page from others of the same address.")
        .empty(304, "The page is the one that the client has.")
        .problem(429, super::security::OFTEN)
        .write();
}

fn links(book: &mut Book) {
    let none = "The server has no accounts.";
    let path = "/api/executions/{id}/shares";
    book.entry(
        Method::GET,
        path,
        ACCOUNTS,
        ("listShares", "The links to a run"),
    )
    .answers::<Shares>(200, "The links, without their secrets.")
    .problem(404, none)
    .write();
    book.entry(
        Method::POST,
        path,
        ACCOUNTS,
        (
            "makeShare",
            "Make a link to a run, for people without an account",
        ),
    )
    .body::<shares::Make>(false)
    .answers::<Share>(201, "The link; its secret is shown this once.")
    .problem(404, none)
    .write();
    book.entry(
        Method::DELETE,
        "/api/executions/{id}/shares/{share}",
        ACCOUNTS,
        ("revokeShare", "Revoke a link"),
    )
    .empty(204, "It is void, and who watches by it is sent away.")
    .problem(404, none)
    .problem(404, "The execution has no such link.")
    .write();
}
