//! The API is what its documents say.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stepcast::spec::Document;
use stepcast::{Ask, routes};

use crate::harness::Server;
use crate::pipeline_harness::pipeline;

fn document(document: Document) -> Value {
    serde_json::from_str(document.text()).unwrap()
}

fn operation<'a>(document: &'a Value, method: &str, path: &str) -> &'a Value {
    &document["paths"][path][method.to_lowercase()]
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let document = document(Document::OpenApi);
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            described.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let routed: BTreeSet<String> = routes()
        .iter()
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let missing: Vec<_> = routed.difference(&described).collect();
    let made_up: Vec<_> = described.difference(&routed).collect();
    assert!(
        missing.is_empty() && made_up.is_empty(),
        "describe these in server/src/spec/openapi/: {missing:?}; these are no routes: {made_up:?}"
    );
}

#[test]
fn what_a_route_asks_is_what_it_is_said_to_ask() {
    let document = document(Document::OpenApi);
    for route in routes() {
        let operation = operation(&document, route.method.as_str(), route.path);
        let ways = operation["security"].as_array().map_or(0, Vec::len);
        let answers = operation["responses"].as_object().unwrap();
        let has = |status: &str| answers.contains_key(status);
        match route.ask {
            Ask::Nothing => assert_eq!(ways, 0, "{route:?}"),
            Ask::Handshake => assert!(ways >= 2 && has("101"), "{route:?}"),
            Ask::Name | Ask::May(_) => assert!(ways >= 2 && has("401") && has("403"), "{route:?}"),
            Ask::Of(_) => assert!(ways >= 2 && has("401") && has("404"), "{route:?}"),
        }
        assert!(answers.keys().any(|it| it < &"400".to_owned()), "{route:?}");
    }
}

#[test]
fn who_asks_too_often_is_told_so_wherever_that_is_counted() {
    let document = document(Document::OpenApi);
    let refusal = |method: &str, path: &str| {
        let responses = &operation(&document, method, path)["responses"];
        responses["429"]["description"]
            .as_str()
            .unwrap_or_default()
            .contains("`[limits]`")
    };
    for (method, path) in [
        ("GET", "/stream/pipeline/{execution_id}"),
        ("GET", "/api/executions/{id}/events"),
        ("GET", "/api/agui/executions/{id}"),
        ("POST", "/api/agui/executions/{id}"),
        ("GET", "/api/aisdk/executions/{id}"),
        ("GET", "/api/aisdk/{name}/{chat}/stream"),
        ("POST", "/api/executions"),
        ("POST", "/api/executions/{id}/start"),
        ("POST", "/api/executions/{id}/resume"),
        ("POST", "/api/agui/{name}"),
        ("POST", "/api/aisdk/{name}"),
    ] {
        assert!(refusal(method, path), "{method} {path}");
    }
    assert!(!refusal("GET", "/api/executions"));
}

#[test]
fn every_operation_has_a_name_of_its_own_and_every_reference_leads_somewhere() {
    let document = document(Document::OpenApi);
    let mut names = BTreeSet::new();
    for route in routes() {
        let operation = operation(&document, route.method.as_str(), route.path);
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{name}");
    }
    let mut found = 0;
    references(&document, &mut |reference| {
        let place = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(place).is_some(), "{reference}");
        found += 1;
    });
    assert!(found > 100, "{found}");
}

fn references(value: &Value, see: &mut impl FnMut(&str)) {
    if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
        see(reference);
    }
    match value {
        Value::Object(members) => members.values().for_each(|it| references(it, see)),
        Value::Array(items) => items.iter().for_each(|it| references(it, see)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Holds an answer against the document.
fn fits(document: &Value, (method, path): (&str, &str), (status, body): (u16, &Value)) {
    let answer = &operation(document, method, path)["responses"][status.to_string()];
    assert!(
        answer.is_object(),
        "{method} {path} {status} is not described: {body}"
    );
    let media_type = if status < 400 {
        "application/json"
    } else {
        "application/problem+json"
    };
    let schema = &answer["content"][media_type]["schema"];
    assert!(schema.is_object(), "{method} {path} {status}");
    let whole = json!({ "components": document["components"], "allOf": [schema] });
    let validator = jsonschema::draft202012::new(&whole).unwrap();
    let flaws: Vec<String> = validator
        .iter_errors(body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(
        flaws.is_empty(),
        "{method} {path} {status} {body:#}\n{flaws:#?}"
    );
}

#[tokio::test]
async fn answers_are_as_described() {
    let server = Server::with(|config| {
        std::fs::create_dir_all(&config.pipelines).unwrap();
        let whole = pipeline(
            json!([{ "id": "a", "type": "set", "config": { "values": {} } }]),
            json!([]),
        );
        std::fs::write(config.pipelines.join("whole.json"), whole.to_string()).unwrap();
        std::fs::write(config.pipelines.join("broken.json"), "{\"name\": 7}").unwrap();
        std::fs::write(config.pipelines.join("torn.json"), "{").unwrap();
    })
    .await;
    let document = document(Document::OpenApi);
    let run = json!({ "pipeline": "whole", "execution_id": "r", "mode": "create" });
    let external =
        json!({ "pipeline": "x", "execution_id": "e", "mode": "external", "steps": ["a"] });
    let event = json!({ "event_type": "step_start", "step_id": "a" });
    let file = "0".repeat(64);
    for (method, path, at, body) in [
        ("GET", "/healthz", "/healthz", json!(null)),
        ("GET", "/readyz", "/readyz", json!(null)),
        ("GET", "/api/session", "/api/session", json!(null)),
        (
            "POST",
            "/api/session",
            "/api/session",
            json!({ "token": "x" }),
        ),
        ("GET", "/api/audit", "/api/audit", json!(null)),
        ("GET", "/api/metrics", "/api/metrics", json!(null)),
        ("GET", "/api/metrics", "/api/metrics?by=no", json!(null)),
        (
            "GET",
            "/api/metrics/definitions",
            "/api/metrics/definitions",
            json!(null),
        ),
        ("GET", "/api/pipelines", "/api/pipelines", json!(null)),
        (
            "GET",
            "/api/pipelines/{name}",
            "/api/pipelines/whole",
            json!(null),
        ),
        (
            "GET",
            "/api/pipelines/{name}",
            "/api/pipelines/torn",
            json!(null),
        ),
        (
            "GET",
            "/api/pipelines/{name}",
            "/api/pipelines/none",
            json!(null),
        ),
        (
            "POST",
            "/api/pipelines/validate",
            "/api/pipelines/validate",
            json!({ "name": 7 }),
        ),
        ("POST", "/api/executions", "/api/executions", run.clone()),
        ("POST", "/api/executions", "/api/executions", run),
        (
            "POST",
            "/api/executions",
            "/api/executions",
            json!({ "pipeline": "whole", "mode": "blocking" }),
        ),
        (
            "POST",
            "/api/executions",
            "/api/executions",
            json!({ "pipeline": "whole", "colour": 1 }),
        ),
        (
            "POST",
            "/api/executions",
            "/api/executions",
            external.clone(),
        ),
        ("POST", "/api/executions", "/api/executions", external),
        (
            "GET",
            "/api/executions",
            "/api/executions?limit=2",
            json!(null),
        ),
        (
            "GET",
            "/api/executions/{id}",
            "/api/executions/r",
            json!(null),
        ),
        (
            "POST",
            "/api/executions/{id}/start",
            "/api/executions/r/start",
            json!({}),
        ),
        (
            "POST",
            "/api/executions/{id}/start",
            "/api/executions/r/start",
            json!({}),
        ),
        (
            "GET",
            "/api/executions/{id}/events",
            "/api/executions/r/events?wait_ms=5000",
            json!(null),
        ),
        (
            "GET",
            "/api/executions/{id}",
            "/api/executions/r?view=true",
            json!(null),
        ),
        (
            "GET",
            "/api/executions/{id}",
            "/api/executions/none",
            json!(null),
        ),
        (
            "POST",
            "/api/executions/{id}/events",
            "/api/executions/e/events",
            event,
        ),
        (
            "POST",
            "/api/executions/{id}/events",
            "/api/executions/e/events",
            json!([]),
        ),
        (
            "POST",
            "/api/executions/{id}/heartbeat",
            "/api/executions/e/heartbeat",
            json!({}),
        ),
        (
            "GET",
            "/api/executions/{id}",
            "/api/executions/e?view=true",
            json!(null),
        ),
        (
            "DELETE",
            "/api/executions/{id}",
            "/api/executions/e",
            json!(null),
        ),
        (
            "POST",
            "/api/executions/{id}/cancel",
            "/api/executions/e/cancel",
            json!({}),
        ),
        ("GET", "/api/waits", "/api/waits", json!(null)),
        (
            "GET",
            "/api/executions/{id}/waits",
            "/api/executions/r/waits",
            json!(null),
        ),
        (
            "POST",
            "/api/executions/{id}/waits/{wait_id}/answer",
            "/api/executions/r/waits/a.1/answer",
            json!({ "answer": {} }),
        ),
        (
            "GET",
            "/api/executions/{id}/artifacts",
            "/api/executions/r/artifacts",
            json!(null),
        ),
        (
            "GET",
            "/api/executions/{id}/artifacts/{sha256}",
            &format!("/api/executions/r/artifacts/{file}"),
            json!(null),
        ),
        (
            "GET",
            "/api/executions/{id}/shares",
            "/api/executions/r/shares",
            json!(null),
        ),
        (
            "GET",
            "/stream/pipeline/{execution_id}",
            "/stream/pipeline/none",
            json!(null),
        ),
        (
            "GET",
            "/ws/pipeline/{execution_id}",
            "/ws/pipeline/r",
            json!(null),
        ),
        ("GET", "/api/spec/{document}", "/api/spec/none", json!(null)),
    ] {
        let method_is = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = server.client.request(method_is, server.url(at));
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let said: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        fits(&document, (method, path), (status, &said));
    }
    server.stop().await;
}

#[test]
fn the_streams_are_described_with_every_frame() {
    let streams = document(Document::AsyncApi);
    let schema = document(Document::Events);
    let addresses: BTreeSet<&str> = streams["channels"]
        .as_object()
        .unwrap()
        .values()
        .map(|channel| channel["address"].as_str().unwrap())
        .collect();
    let routes = routes();
    let routed: BTreeSet<&str> = routes
        .iter()
        .map(|route| route.path)
        .filter(|path| path.starts_with("/ws/") || path.starts_with("/stream/"))
        // a protocol with a schema language of its own
        .filter(|path| *path != "/ws/graphql")
        .collect();
    assert_eq!(addresses, routed);
    let mut frames = BTreeSet::new();
    references(
        &streams,
        &mut |reference| match reference.strip_prefix('#') {
            Some(place) => assert!(streams.pointer(place).is_some(), "{reference}"),
            None => {
                let place = reference.strip_prefix("events.schema.json#").unwrap();
                assert!(schema.pointer(place).is_some(), "{reference}");
                frames.insert(place.to_owned());
            }
        },
    );
    for frame in ["Event", "ControlFrame", "ClientFrame"] {
        let ways = schema["$defs"][frame]["oneOf"].as_array().unwrap();
        for way in ways {
            let place = way["$ref"].as_str().unwrap().trim_start_matches('#');
            assert!(frames.contains(place), "{place} travels nowhere");
        }
    }
}
