//! The audit log, route by route.

use stepcast::Ask;
use stepcast::access::Action;

use crate::access_harness::{ALL, ask, closed, get, start, token};
use crate::harness::soon;

/// How the audit log calls it; none for what it does not tell.
fn word(action: Action) -> Option<&'static str> {
    match action {
        Action::List | Action::Browse | Action::Measure | Action::Observe => None,
        Action::Watch | Action::WatchAll => Some("watch"),
        Action::Open | Action::OpenAll => Some("open"),
        Action::Start => Some("start"),
        Action::Resume => Some("resume"),
        Action::Ingest => Some("ingest"),
        Action::Answer => Some("answer"),
        Action::Cancel => Some("cancel"),
        Action::Delete => Some("delete"),
        Action::Share => Some("share"),
        Action::Audit => Some("administer"),
    }
}

#[tokio::test]
async fn the_audit_log_tells_of_every_route_what_was_done_and_what_came_of_it() {
    let mut told_of = 0;
    for route in stepcast::routes() {
        let (Ask::Of(action) | Ask::May(action)) = route.ask else {
            continue;
        };
        let server = closed().await;
        let alice = token(&server, "alice", ALL);
        let (admin, reader) = (
            token(&server, "ann", "admin"),
            token(&server, "root", "admin"),
        );
        start(&server, "run", &alice).await;
        let path = route
            .path
            .replace("{id}", "run")
            .replace("{execution_id}", "run");
        let path = path.replace("{sha256}", &"0".repeat(64));
        let path = path.replace("{wait_id}", "w.1").replace("{share}", "1");
        let path = path.replace("{name}", "nothing").replace("{chat}", "chat");
        let request = ask(&server, route.method.clone(), &path, &admin);
        // some answers have no end
        let status = soon(request.send()).await.unwrap().status().as_u16();
        let (_, list) = get(&server, "/api/audit?user=ann", &reader).await;
        let entries = list["entries"].as_array().unwrap().iter();
        let entries: Vec<(String, u64)> = entries
            .map(|it| {
                let action = it["action"].as_str().unwrap().to_owned();
                (action, it["status"].as_u64().unwrap())
            })
            .collect();
        let expected: Vec<(String, u64)> = word(action)
            .map(|word| (word.to_owned(), u64::from(status)))
            .into_iter()
            .collect();
        assert_eq!(entries, expected, "{} {}", route.method, route.path);
        told_of += expected.len();
        server.stop().await;
    }
    assert!(told_of > 20, "{told_of}");
}
