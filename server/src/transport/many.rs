//! `WS /ws/executions` and `GET /stream/executions`: many executions on one connection.

use axum::Extension;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use stepcast_core::fidelity::Manner;
use stepcast_core::filter::Filter;
use stepcast_core::id::{ExecutionId, Position};
use stepcast_core::pattern::{Pattern, Since};

use super::dialect::Dialect;
use super::feed::{Choice, Feed};
use super::live::Live;
use super::parameters::{bad, cursor, filter, last_event_id, manner};
use super::places::Places;
use super::sse::{self, Parameters};
use super::websocket;
use super::websocket::handshake::Handshake;
use crate::access::{Action, Caller, Identity, On, decide};
use crate::api::parts::Query;
use crate::error::Problem;
use crate::executions::Executions;
use crate::log::{ExecutionRow, FollowingQuery, RowKey};
use crate::socket::Handover;

/// Accepts a WebSocket on which a client subscribes to what it wants.
pub(crate) async fn web_socket(
    State(executions): State<Executions>,
    caller: Caller,
    Query(websocket::Parameters { batch }): Query<websocket::Parameters>,
    handshake: Result<Handshake, Problem>,
) -> Result<Response, Problem> {
    let (handshake, encoding) = handshake?.encoded();
    let (handshake, coding) = handshake.compressed(executions.config().compression.streams);
    let feed = Feed::many(executions.clone(), caller).encoded(encoding);
    Ok(handshake.accept(move |socket, read| {
        let dialect = Dialect::WebSocket {
            encoding,
            batched: batch,
            coding,
        };
        Live::new(executions, socket, dialect, true).run(Box::new(feed), read)
    }))
}

/// Opens a stream of what its URL asks for. Where all of that has ended and was seen, there is no more: 204.
pub(crate) async fn stream(
    State(executions): State<Executions>,
    caller: Caller,
    Query(Parameters { format }): Query<Parameters>,
    asked: Asked,
    http: sse::Http,
    handover: Option<Extension<Handover>>,
) -> Result<Response, Problem> {
    let Some(choice) = asked.choice(&executions, &caller.identity)? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let feed = Feed::chosen(executions.clone(), caller, choice);
    Ok(sse::respond(executions, feed, format, http, handover))
}

/// What a URL asks for: `?execution_id=` as often as wanted, and a watch where one of `pipeline`, `mine` and `since` is
/// given.
#[derive(Debug)]
pub(crate) struct Asked {
    executions: Vec<ExecutionId>,
    watch: Option<(Pattern, Since)>,
    filter: Filter,
    manner: Manner,
    places: Places,
}

impl FromRequestParts<Executions> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        executions: &Executions,
    ) -> Result<Self, Problem> {
        let most = executions.config().limits.subscriptions_per_connection;
        let mut executions = Vec::new();
        let (mut pattern, mut since, mut watches) = (Pattern::default(), Since::Now, false);
        let query = parts.uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "execution_id" => executions.push(value.parse()?),
                "pipeline" => pattern.pipelines.push(value.into_owned()),
                "mine" => {
                    pattern.mine = value
                        .parse()
                        .map_err(|_error| bad("`mine` is true or false"))?
                }
                "since" => since = value.parse().map_err(bad)?,
                _ => continue,
            }
            watches |= name != "execution_id";
        }
        if executions.is_empty() && !watches {
            return Err(bad(
                "Say what to follow: `execution_id`, as often as you like, or `since=now` or `since=under_way` for the runs to come, with `pipeline` or `mine` for some of them.",
            ));
        }
        if executions.len() > most {
            return Err(bad(format!("A stream follows at most {most} executions.")));
        }
        let places: Places = cursor(last_event_id(parts), query).parse().map_err(bad)?;
        if places.at.len() > 2 * most {
            return Err(bad("`id` names more executions than a stream follows"));
        }
        Ok(Self {
            executions,
            watch: watches.then_some((pattern, since)),
            filter: filter(query)?,
            manner: manner(query)?,
            places,
        })
    }
}

impl Asked {
    /// What that is with where its reader stands; none where there is nothing left of it.
    ///
    /// The place is the reader's word: what it names and the reader may not open is treated as what is not there.
    fn choice(
        self,
        executions: &Executions,
        identity: &Identity,
    ) -> Result<Option<Choice>, Problem> {
        let may_open =
            |row: &ExecutionRow| decide(identity, Action::Open, On::Execution(Some(row))).is_ok();
        let Self {
            executions: named,
            watch,
            filter,
            manner,
            mut places,
        } = self;
        let watch =
            watch.map(|(pattern, since)| (pattern, places.mark.map_or(since, Since::After)));
        let mut left = watch.is_some();
        let mut followed = Vec::with_capacity(named.len());
        let mut gone = 0;
        let mut known = Vec::with_capacity(named.len());
        for execution_id in named {
            let mut after = Position::Earliest;
            if let Some(row) = executions.find(&execution_id)?.filter(may_open) {
                let RowKey { key, epoch } = row.key;
                known.push(key);
                if let Some(cursor) = places.at.get(&key) {
                    after = Position::After(*cursor);
                    left |= row.ended_at.is_none()
                        || cursor.seq < row.last_seq
                        || cursor.epoch != epoch;
                } else {
                    left = true;
                }
            } else {
                left = true;
            }
            followed.push((execution_id, after));
        }
        // the rest of what the reader has seen was found by the watch
        let found: Vec<i64> = places
            .at
            .keys()
            .copied()
            .filter(|key| !known.contains(key))
            .collect();
        for key in found {
            let cursor = places.at.remove(&key).filter(|_| watch.is_some());
            let row = executions.log().store().following(&FollowingQuery {
                after: key - 1,
                limit: 1,
                ..FollowingQuery::default()
            })?;
            let mut row = row.into_iter().filter(|row| row.key.key == key);
            let row = row.next().filter(may_open);
            match (row, cursor) {
                (Some(row), Some(cursor)) => {
                    places.restore(row.id.clone());
                    followed.push((row.id, Position::After(cursor)));
                }
                (None, Some(_)) => gone += 1,
                (_, None) => {}
            }
        }
        Ok(left.then_some(Choice {
            executions: followed,
            watch,
            filter,
            manner,
            places,
            gone,
        }))
    }
}
