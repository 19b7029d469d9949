//! `/api/slos`: how objectives stand, and their alerts as they change.

use std::convert::Infallible;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde_json::{Value, json};
use stepcast_core::wire::sse::write_event;

use crate::access::Caller;
use crate::edge;
use crate::executions::Executions;
use crate::slo::Alarm;

/// `GET /api/slos`
pub(crate) async fn list(State(executions): State<Executions>) -> Json<Value> {
    Json(json!({ "slos": executions.slos().reports() }))
}

/// `GET /api/slos/alerts`: server-sent events, each a change of an alert. Who says the number of the last one that it
/// has seen gets those after it; anybody else those that stand.
pub(crate) async fn alerts(
    State(executions): State<Executions>,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let seen = headers.get("last-event-id");
    let seen = seen.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let alarms = executions.slos().alarms();
    let mut changes = alarms.watch();
    let last = *changes.borrow_and_update();
    let first = match seen {
        // of a former process, whose numbers were others
        Some(seen) if seen > last => alarms.standing(),
        Some(seen) => alarms.after(seen),
        None => alarms.standing(),
    };
    let lease = executions.access().lease(&caller.pass);
    let heartbeat = std::time::Duration::from_millis(executions.config().heartbeat_ms);
    let begun = format!(
        "retry: {}\n\n{}",
        executions.config().retry_ms,
        written(&first)
    );
    let state = (Some(begun), last);
    let body = stream::unfold(state, move |(begun, last)| {
        let (executions, lease, mut changes) = (executions.clone(), lease.clone(), changes.clone());
        async move {
            if let Some(begun) = begun {
                return Some((Ok::<_, Infallible>(begun), (None, last)));
            }
            let text = tokio::select! {
                () = executions.stopping().cancelled() => return None,
                () = lease.over() => return None,
                changed = changes.wait_for(|now| *now > last) => {
                    changed.ok()?;
                    None
                }
                () = tokio::time::sleep(heartbeat) => Some(": ping\n\n".to_owned()),
            };
            if let Some(ping) = text {
                return Some((Ok(ping), (None, last)));
            }
            let later = executions.slos().alarms().after(last);
            let last = later.last().map_or(last, |alarm| alarm.id);
            Some((Ok(written(&later)), (None, last)))
        }
    });
    let mut response = Body::from_stream(body).into_response();
    edge::event_stream(response.headers_mut());
    response
}

fn written(alarms: &[Alarm]) -> String {
    let mut text = String::new();
    for alarm in alarms {
        let json = serde_json::to_string(alarm).unwrap_or_default();
        let id = alarm.id.to_string();
        write_event(&mut text, Some("slo_alert"), &json, Some(&id));
    }
    text
}
