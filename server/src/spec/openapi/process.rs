//! The server itself, who calls it, and what it can start.

use axum::http::Method;
use serde_json::{Map, Value, json};
use stepcast_core::beacon::Report as Told;

use super::book::Book;
use super::{ACCOUNTS, MEASURES, PIPELINES, PROCESS};
use crate::api::answer::{
    Drawn, Entries, Health, Metrics, Pipelines, Ready, Session, ShownPipeline, Valid,
};
use crate::api::{audit, beacon, metrics, session, tickets};
use crate::metrics::Report;

const NO_ACCOUNTS: &str = "The server has no accounts.";

pub(super) fn describe(book: &mut Book) {
    process(book);
    scraped(book);
    objectives(book);
    beacon(book);
    renewal(book);
    accounts(book);
    pipelines(book);
}

fn process(book: &mut Book) {
    book.entry(
        Method::GET,
        "/healthz",
        PROCESS,
        ("getHealth", "Does the process live?"),
    )
    .answers::<Health>(200, "It does.")
    .write();
    book.entry(
        Method::GET,
        "/readyz",
        PROCESS,
        ("getReadiness", "Can it do its work?"),
    )
    .answers::<Ready>(200, "It can.")
    .problem(503, "The server stops, or its log cannot be read.")
    .write();
    let text = || json!({ "type": "string" });
    book.entry(
        Method::GET,
        "/api/spec/{document}",
        PROCESS,
        ("getDocument", "Documents like this one"),
    )
    .about(
        "JSON Schema of all events and frames, this OpenAPI document, AsyncAPI of the streams, and the schema of GraphQL.",
    )
    .sends(
        200,
        "The document.",
        "application/json",
        json!({ "type": "object" }),
    )
    .sends(
        200,
        "The document.",
        "application/schema+json",
        json!({ "type": "object" }),
    )
    .sends(200, "The document.", "text/plain", text())
    .problem(404, "There is no such document.")
    .write();
    book.entry(
        Method::GET,
        "/api/docs",
        PROCESS,
        ("getPage", "These documents, as a page for people"),
    )
    .sends(200, "The page.", "text/html", text())
    .write();
    book.entry(
        Method::GET,
        "/api/docs/{file}",
        PROCESS,
        ("getPageFile", "What that page loads"),
    )
    .sends(200, "The file.", "text/css", text())
    .sends(200, "The file.", "text/javascript", text())
    .problem(404, "The page has no such file.")
    .write();
    book.entry(
        Method::GET,
        "/api/metrics",
        MEASURES,
        ("getMetrics", "Reliability over the runs of a window"),
    )
    .query::<metrics::Parameters>()
    .answers::<Report>(200, "What was counted, and what is made of it.")
    .write();
    book.entry(
        Method::GET,
        "/api/metrics/definitions",
        MEASURES,
        ("getMetricDefinitions", "What is measured, and how"),
    )
    .answers::<Metrics>(200, "Each metric, with its formula and its target.")
    .write();
}

fn scraped(book: &mut Book) {
    let text = || json!({ "type": "string" });
    let scraped = "One line for each value.";
    book.entry(
        Method::GET,
        "/metrics",
        MEASURES,
        ("scrape", "What the process counts, for Prometheus"),
    )
    .sends(200, scraped, "text/plain", text())
    .sends(200, scraped, "application/openmetrics-text", text())
    .write();
}

fn objectives(book: &mut Book) {
    book.entry(
        Method::GET,
        "/api/slos",
        MEASURES,
        ("listObjectives", "How objectives stand"),
    )
    .sends(
        200,
        "Each objective.",
        "application/json",
        json!({ "type": "object" }),
    )
    .write();
    book.entry(
        Method::GET,
        "/api/slos/alerts",
        MEASURES,
        ("followAlerts", "Alerts of objectives as they change"),
    )
    .sends(
        200,
        "Changes as they happen.",
        "text/event-stream",
        json!({}),
    )
    .write();
}

fn beacon(book: &mut Book) {
    let path = "/api/beacon";
    book.entry(
        Method::GET,
        path,
        MEASURES,
        ("getBeacon", "How often are clients to report?"),
    )
    .answers::<beacon::Asked>(200, "Every so many seconds, or not at all.")
    .write();
    book.entry(
        Method::POST,
        path,
        MEASURES,
        ("reportDelivery", "Report how late events come to a client"),
    )
    .body::<Told>(true)
    .empty(204, "It is counted.")
    .problem(404, "The server asks for no reports.")
    .problem(413, "It tells of too many events.")
    .problem(429, "Too many reports come at present.")
    .write();
}

fn renewal(book: &mut Book) {
    book.entry(
        Method::PUT,
        "/api/session",
        ACCOUNTS,
        ("renewSession", "Keep a session going"),
    )
    .answers::<Session>(200, "It goes on.")
    .problem(400, "There is no session to go on.")
    .problem(404, NO_ACCOUNTS)
    .write();
}

fn accounts(book: &mut Book) {
    let path = "/api/session";
    book.entry(
        Method::GET,
        path,
        ACCOUNTS,
        ("getSession", "Who does the server take the caller for?"),
    )
    .answers::<Session>(200, "Somebody, or nobody.")
    .write();
    book.entry(
        Method::POST,
        path,
        ACCOUNTS,
        ("signIn", "Sign in, and have a cookie"),
    )
    .about("The token stands in the body or in `Authorization`.")
    .body::<session::SignIn>(false)
    .answers::<Session>(201, "Signed in.")
    .with_header(201, "Set-Cookie", "The session, which no script can read.")
    .problem(401, "The token is none, or not valid any more.")
    .problem(404, NO_ACCOUNTS)
    .write();
    book.entry(Method::DELETE, path, ACCOUNTS, ("signOut", "Sign out"))
        .empty(
            204,
            "The cookies are void, and the streams that were opened with them end.",
        )
        .with_header(204, "Set-Cookie", "Takes the cookies away.")
        .problem(404, NO_ACCOUNTS)
        .write();
    book.entry(
        Method::POST,
        "/api/tickets",
        ACCOUNTS,
        ("drawTicket", "Draw a ticket for one stream or file"),
    )
    .body::<tickets::Draw>(true)
    .answers::<Drawn>(201, "What to put into the address.")
    .problem(404, NO_ACCOUNTS)
    .problem(404, "There is no such execution, or it is somebody else's.")
    .problem(429, "Too many tickets have not been used.")
    .write();
    book.entry(
        Method::GET,
        "/api/audit",
        ACCOUNTS,
        ("listAudit", "Who did what"),
    )
    .query::<audit::Parameters>()
    .answers::<Entries>(200, "The newest first.")
    .problem(404, NO_ACCOUNTS)
    .write();
}

fn pipelines(book: &mut Book) {
    book.entry(
        Method::GET,
        "/api/pipelines",
        PIPELINES,
        ("listPipelines", "What can be started"),
    )
    .answers::<Pipelines>(200, "The stored pipelines, those that do not load too.")
    .write();
    book.entry(
        Method::GET,
        "/api/pipelines/{name}",
        PIPELINES,
        ("getPipeline", "One, with its definition"),
    )
    .answers::<ShownPipeline>(200, "The pipeline.")
    .problem(404, "There is no stored pipeline of this name.")
    .write();
    book.entry(
        Method::POST,
        "/api/pipelines/validate",
        PIPELINES,
        ("validatePipeline", "Would this definition load?"),
    )
    .body::<Map<String, Value>>(true)
    .answers::<Valid>(200, "It would.")
    .problem(422, "It would not; `errors` says what is wrong, and where.")
    .write();
}
