//! GraphQL: who may ask what, and how much. What its clients make of it is in `e2e`.

use futures_util::SinkExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::access_harness::{
    ALL, ask, closed, closed_with, post, register, said, start, token, weaker, ws,
};
use crate::harness::{Server, Ws, soon};

async fn asked(server: &Server, token: &str, query: &str, variables: Value) -> Value {
    let body = json!({ "query": query, "variables": variables });
    let (status, answer) = post(server, "/graphql", token, body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"]
        .as_str()
        .unwrap_or_default()
}

/// What a stream says at its first, then the client leaves.
async fn first_said(server: &Server, token: &str, query: &str, variables: Value) -> Value {
    let body = json!({ "query": query, "variables": variables });
    let request =
        ask(server, Method::POST, "/graphql", token).header("accept", "text/event-stream");
    let mut response = soon(request.json(&body).send()).await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    let mut text = String::new();
    loop {
        let chunk = soon(response.chunk()).await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
        if let Some(whole) = text.strip_suffix("\n\n") {
            let line = whole.lines().find_map(|line| line.strip_prefix("data: "));
            if let Some(line) = line.filter(|line| !line.is_empty()) {
                return serde_json::from_str(line).unwrap();
            }
        }
    }
}

async fn send(ws: &mut Ws, message: &Value) {
    ws.0.send(Message::text(message.to_string())).await.unwrap();
}

async fn heard(ws: &mut Ws) -> Value {
    ws.frame().await.unwrap()
}

async fn closed_with_code(ws: &mut Ws) -> u16 {
    loop {
        if let Err(code) = ws.frame().await {
            return code;
        }
    }
}

const ONE: &str =
    "query ($id: ID!) { execution(id: $id) { id status events(first: 1) { events { type } } } }";
const CANCEL: &str = "mutation ($id: ID!) { cancelExecution(id: $id) { id } }";
const ANSWER: &str =
    "mutation ($id: ID!) { answerWait(executionId: $id, waitId: \"w\", answer: {}) { id } }";
const FOLLOW: &str =
    "subscription ($id: ID!) { executionEvents(id: $id) { cursor events { type } } }";

#[tokio::test]
async fn anothers_run_is_as_unknown_as_one_that_is_not_there_whatever_is_asked_of_it() {
    let server = closed().await;
    let (alice, mallory) = (token(&server, "alice", ALL), token(&server, "mallory", ALL));
    start(&server, "alices", &alice).await;
    let id = json!({ "id": "alices" });
    let hers = asked(&server, &alice, ONE, id.clone()).await;
    assert_eq!(
        hers["data"]["execution"]["events"]["events"][0]["type"],
        "pipeline_start"
    );
    let followed = first_said(&server, &alice, FOLLOW, id.clone()).await;
    assert_eq!(
        followed["data"]["executionEvents"]["events"][0]["type"],
        "pipeline_start"
    );
    for query in [ONE, CANCEL, ANSWER] {
        let foreign = asked(&server, &mallory, query, id.clone()).await;
        let absent = asked(&server, &mallory, query, json!({ "id": "nobody" })).await;
        assert_eq!(foreign, absent, "{query}");
        assert!(query == ONE || code(&foreign) == "NOT_FOUND", "{foreign}");
    }
    let foreign = first_said(&server, &mallory, FOLLOW, id.clone()).await;
    let absent = first_said(&server, &mallory, FOLLOW, json!({ "id": "nobody" })).await;
    assert_eq!(foreign, absent);
    assert_eq!(code(&foreign), "NOT_FOUND");
    let listed = asked(
        &server,
        &mallory,
        "{ executions { executions { id } } waits { id } }",
        json!({}),
    )
    .await;
    assert_eq!(
        listed["data"],
        json!({ "executions": { "executions": [] }, "waits": [] })
    );
    let listed = asked(
        &server,
        &alice,
        "{ executions(status: [RUNNING], pipeline: [\"Long\"]) { executions { id } next } }",
        json!({}),
    )
    .await;
    assert_eq!(
        listed["data"]["executions"]["executions"],
        json!([{ "id": "alices" }])
    );
    let listed = asked(
        &server,
        &alice,
        "{ executions(pipeline: [\"Short\"]) { executions { id } } }",
        json!({}),
    )
    .await;
    assert_eq!(listed["data"]["executions"]["executions"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn each_deed_takes_its_scope_and_is_told_to_the_audit_log() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    start(&server, "run", &alice).await;
    let id = json!({ "id": "run" });
    let started = "mutation { startExecution(pipeline: \"x\") { id } }";
    let watcher = weaker(&server, "watch");
    for query in [CANCEL, ANSWER, started] {
        let variables = if query == started {
            json!({})
        } else {
            id.clone()
        };
        assert_eq!(
            code(&asked(&server, &watcher, query, variables).await),
            "FORBIDDEN",
            "{query}"
        );
    }
    let starter = weaker(&server, "start");
    assert_eq!(
        code(&asked(&server, &starter, ONE, id.clone()).await),
        "FORBIDDEN"
    );
    assert_eq!(
        code(&first_said(&server, &starter, FOLLOW, id.clone()).await),
        "FORBIDDEN"
    );
    for query in ["{ executions { next } }", "{ waits { id } }", "{ metrics }"] {
        assert_eq!(
            code(&asked(&server, &starter, query, json!({})).await),
            "FORBIDDEN",
            "{query}"
        );
    }
    assert_eq!(
        code(&asked(&server, &watcher, "{ pipelines { name } }", json!({})).await),
        "FORBIDDEN"
    );
    let cancelled = asked(&server, &alice, CANCEL, id.clone()).await;
    assert_eq!(cancelled["data"]["cancelExecution"]["id"], "run");
    // nobody, and somebody whose token is not valid
    let body = json!({ "query": "{ __typename }" });
    for nobody in ["", "sct_wrong"] {
        assert_eq!(post(&server, "/graphql", nobody, body.clone()).await.0, 401);
    }
    let admin = token(&server, "root", "admin");
    let (_, audit) = said(ask(
        &server,
        Method::GET,
        "/api/audit?execution_id=run",
        &admin,
    ))
    .await;
    let deeds: Vec<(&str, u64)> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["action"].as_str().unwrap(),
                it["status"].as_u64().unwrap(),
            )
        })
        .collect();
    for deed in [
        ("cancel", 200),
        ("cancel", 403),
        ("answer", 403),
        ("open", 403),
        ("watch", 403),
    ] {
        assert!(deeds.contains(&deed), "{deed:?} in {deeds:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_request_is_bounded_in_depth_breadth_length_and_kind() {
    let server = Server::start().await;
    let refused = |query: String| {
        let server = &server;
        async move {
            let answer = asked(server, "", &query, json!({})).await;
            assert_eq!(answer["data"], Value::Null, "{query}");
            answer["errors"][0]["message"].as_str().unwrap().to_owned()
        }
    };
    let mut deep = "name".to_owned();
    for _ in 0..16 {
        deep = format!("ofType {{ {deep} }}");
    }
    let deep = format!("{{ __type(name: \"Query\") {{ {deep} }} }}");
    assert!(refused(deep).await.contains("nested too deep"));
    let mut round = "id".to_owned();
    for _ in 0..6 {
        round = format!("waits {{ execution {{ {round} }} }}");
    }
    let round = format!("{{ execution(id: \"x\") {{ {round} }} }}");
    assert!(refused(round).await.contains("too complex"));
    // a page of pages
    let wide =
        "{ executions(first: 500) { executions { events(first: 1000) { events { seq } } } } }";
    assert!(refused(wide.to_owned()).await.contains("too complex"));
    // the same many times over
    let many: String = (0..100)
        .map(|at| format!("a{at}: executions(first: 500) {{ next }} "))
        .collect();
    assert!(
        refused(format!("{{ {many} }}"))
            .await
            .contains("too complex")
    );
    let starts: String = (0..50)
        .map(|at| format!("a{at}: startExecution(pipeline: \"x\") {{ id }} "))
        .collect();
    assert!(
        refused(format!("mutation {{ {starts} }}"))
            .await
            .contains("too complex")
    );
    // fragments that go round, and directives without end
    let round = "query { ...a } fragment a on Query { ...b } fragment b on Query { ...a }";
    refused(round.to_owned()).await;
    refused(format!(
        "{{ __typename {} }}",
        "@include(if: true) ".repeat(50)
    ))
    .await;
    // negative and huge pages are brought into bounds
    let listed = asked(
        &server,
        "",
        "{ executions(first: -5) { next } waits(first: 2147483647) { id } }",
        json!({}),
    )
    .await;
    assert!(code(&listed).is_empty(), "{listed}");

    let long = json!({ "query": format!("{{ __typename }} #{}", "x".repeat(40_000)) });
    assert_eq!(post(&server, "/graphql", "", long).await.0, 413);
    let many = json!([{ "query": "{ __typename }" }]);
    assert_eq!(post(&server, "/graphql", "", many).await.0, 400);
    let follow = json!({ "query": "subscription { executionEvents(id: \"x\") { cursor } }" });
    assert_eq!(post(&server, "/graphql", "", follow).await.0, 406);
    let get = |query: &str| ask(&server, Method::GET, &format!("/graphql?query={query}"), "");
    for mutation in [
        "mutation{cancelExecution(id:\"x\"){id}}",
        "mutation a{cancelExecution(id:\"x\"){id}}",
        "mutation a{cancelExecution(id:\"x\"){...f}} fragment f on Execution{id}",
        "query b{__typename} mutation a{cancelExecution(id:\"x\"){id}}&operationName=a",
    ] {
        assert_eq!(said(get(mutation)).await.0, 405, "{mutation}");
    }
    assert_eq!(
        said(get("{__typename}")).await,
        (200, json!({ "data": { "__typename": "Query" } }))
    );
    assert_eq!(said(get("")).await.0, 200);
    assert_eq!(said(ask(&server, Method::GET, "/graphql", "")).await.0, 400);
    assert_eq!(
        said(get("{__typename}").header("accept", "text/html"))
            .await
            .0,
        406
    );
    // a request that is wrong is 400 for who knows of such answers
    let strict = get("{nothing}").header("accept", "application/graphql-response+json");
    assert_eq!(said(strict).await.0, 400);
    let text = ask(&server, Method::POST, "/graphql", "").body("{\"query\":\"{__typename}\"}");
    assert_eq!(said(text.header("content-type", "text/plain")).await.0, 415);
    server.stop().await;
}

#[tokio::test]
async fn the_schema_is_shown_where_there_are_no_accounts_or_the_settings_say_so() {
    let query = "{ __schema { queryType { name } } }";
    let open = Server::start().await;
    let shown = asked(&open, "", query, json!({})).await;
    assert_eq!(shown["data"]["__schema"]["queryType"]["name"], "Query");
    open.stop().await;
    for (introspection, is_shown) in [(None, false), (Some(true), true)] {
        let server = closed_with(|config| config.graphql.introspection = introspection).await;
        let alice = token(&server, "alice", ALL);
        let answer = asked(&server, &alice, query, json!({})).await;
        assert_eq!(answer["data"]["__schema"].is_object(), is_shown, "{answer}");
        let misspelt = asked(&server, &alice, "{ execution2(id: 1) { id } }", json!({})).await;
        let message = misspelt["errors"][0]["message"].as_str().unwrap();
        assert_eq!(message.contains("Did you mean"), is_shown, "{message}");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_connection_says_who_it_is_by_its_handshake_or_by_its_first_message() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    start(&server, "run", &alice).await;
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    let bearer = format!("graphql-transport-ws, stepcast.bearer.{alice}");
    let header = format!("Bearer {alice}");
    let init = |payload: Value| json!({ "type": "connection_init", "payload": payload });
    for (headers, payload) in [
        (vec![("sec-websocket-protocol", bearer.as_str())], json!({})),
        (
            vec![protocol, ("authorization", header.as_str())],
            json!({}),
        ),
        (vec![protocol], json!({ "token": alice })),
        (vec![protocol], json!({ "Authorization": header })),
    ] {
        let (mut ws, chosen) = ws(&server, "/ws/graphql", &headers).await.unwrap();
        assert_eq!(chosen.as_deref(), Some("graphql-transport-ws"));
        send(&mut ws, &init(payload)).await;
        assert_eq!(heard(&mut ws).await["type"], "connection_ack");
        send(&mut ws, &json!({ "id": "1", "type": "subscribe", "payload": { "query": ONE, "variables": { "id": "run" } } })).await;
        let next = heard(&mut ws).await;
        assert_eq!(next["payload"]["data"]["execution"]["id"], "run", "{next}");
        assert_eq!(
            heard(&mut ws).await,
            json!({ "type": "complete", "id": "1" })
        );
    }
    // nobody is let in, nor is another protocol spoken
    for payload in [
        json!({}),
        json!({ "token": "sct_wrong" }),
        json!({ "Authorization": "Basic x" }),
    ] {
        let (mut ws, _) = ws(&server, "/ws/graphql", &[protocol]).await.unwrap();
        send(&mut ws, &init(payload)).await;
        assert_eq!(closed_with_code(&mut ws).await, 4403);
    }
    let (mut other, _) = ws(&server, "/ws/graphql", &[]).await.unwrap();
    assert_eq!(closed_with_code(&mut other).await, 4406);
    // pages of other sites are kept out as everywhere
    let foreign = ws(
        &server,
        "/ws/graphql",
        &[protocol, ("origin", "http://evil.example")],
    )
    .await;
    assert_eq!(foreign.err(), Some(403));
    // a token that is revoked ends what it opened
    let (mut ws, _) = ws(&server, "/ws/graphql", &[protocol]).await.unwrap();
    send(&mut ws, &init(json!({ "token": alice }))).await;
    assert_eq!(heard(&mut ws).await["type"], "connection_ack");
    send(&mut ws, &json!({ "id": "1", "type": "subscribe", "payload": { "query": FOLLOW, "variables": { "id": "run" } } })).await;
    assert_eq!(heard(&mut ws).await["type"], "next");
    assert!(register(&server).revoke_token("alice").unwrap());
    assert_eq!(closed_with_code(&mut ws).await, 3001);
    server.stop().await;
}

#[tokio::test]
async fn a_connection_that_breaks_the_protocol_is_closed_with_its_code() {
    let server = Server::start().await;
    let protocol = [("sec-websocket-protocol", "graphql-transport-ws")];
    let init = json!({ "type": "connection_init" });
    let follow = |id: &str| {
        let payload = json!({ "query": FOLLOW, "variables": { "id": "run" } });
        json!({ "id": id, "type": "subscribe", "payload": payload })
    };
    let (_, started) = post(
        &server,
        "/api/executions",
        "",
        json!({ "execution_id": "run", "definition": {
            "name": "Long",
            "steps": [{ "id": "wait", "type": "delay", "config": { "seconds": 600 } }],
            "flow": { "start_at": "wait", "paths": [] },
        }}),
    )
    .await;
    assert_eq!(started["execution_id"], "run");
    for (messages, code) in [
        (vec![json!({ "type": "nonsense" })], 4400),
        (vec![json!([])], 4400),
        (vec![follow("1")], 4401),
        (vec![init.clone(), init.clone()], 4429),
        (vec![init.clone(), follow("1"), follow("1")], 4409),
    ] {
        let (mut ws, _) = ws(&server, "/ws/graphql", &protocol).await.unwrap();
        for message in &messages {
            send(&mut ws, message).await;
        }
        assert_eq!(closed_with_code(&mut ws).await, code, "{messages:?}");
    }
    // what is wrong with one operation concerns no other, and an id may be used again
    let (mut ws, _) = ws(&server, "/ws/graphql", &protocol).await.unwrap();
    send(&mut ws, &init).await;
    assert_eq!(heard(&mut ws).await["type"], "connection_ack");
    send(&mut ws, &json!({ "type": "ping", "payload": { "x": 1 } })).await;
    assert_eq!(
        heard(&mut ws).await,
        json!({ "type": "pong", "payload": { "x": 1 } })
    );
    send(
        &mut ws,
        &json!({ "id": "2", "type": "subscribe", "payload": { "query": "{ nothing }" } }),
    )
    .await;
    let error = heard(&mut ws).await;
    assert_eq!(
        (&error["type"], &error["id"]),
        (&json!("error"), &json!("2"))
    );
    for _ in 0..3 {
        send(&mut ws, &follow("1")).await;
        let next = heard(&mut ws).await;
        assert_eq!(
            next["payload"]["data"]["executionEvents"]["events"][0]["type"],
            "pipeline_start"
        );
        send(&mut ws, &json!({ "id": "1", "type": "complete" })).await;
    }
    // a server that stops says so
    let stopping = tokio::spawn(server.stop());
    assert_eq!(closed_with_code(&mut ws).await, 1012);
    stopping.await.unwrap();
}

#[tokio::test]
async fn the_playground_is_for_browsers_on_the_machine_itself() {
    let server = Server::start().await;
    let look = |path: &str, headers: &[(&'static str, &str)]| {
        let mut request = server.client.get(server.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send()
    };
    for file in ["", "/page.css", "/page.js", "/ask.js", "/examples.js"] {
        let path = format!("/graphql/playground{file}");
        let response = look(&path, &[]).await.unwrap();
        assert_eq!(response.status().as_u16(), 200, "{path}");
        assert!(response.headers().contains_key("content-security-policy"));
        // a proxy on the machine brings strangers from loopback too
        for header in ["forwarded", "x-forwarded-for", "via"] {
            let response = look(&path, &[(header, "for=192.0.2.1")]).await.unwrap();
            assert_eq!(response.status().as_u16(), 404, "{path} {header}");
        }
    }
    let missing = look("/graphql/playground/other.js", &[]).await.unwrap();
    assert_eq!(missing.status().as_u16(), 404);
    server.stop().await;
    // whom a trusted proxy names
    let trusted = vec!["127.0.0.1".to_owned()];
    let server = closed_with(|config| config.edge.trusted_proxies = trusted).await;
    let request = server.client.get(server.url("/graphql/playground"));
    let request = request.header("x-forwarded-for", "192.0.2.1");
    assert_eq!(request.send().await.unwrap().status().as_u16(), 404);
    server.stop().await;
}
