//! Every request passes here on a server with accounts: who sends it, whether they may, and what became of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{FromRequestParts as _, MatchedPath, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use stepcast_core::id::ExecutionId;
use tokio::time::Instant;

use super::caller::Caller;
use super::counting::{CROWDS, TOO_MANY};
use super::decision::{Action, On, Pass, decide};
use super::identity::Identity;
use super::ticket::Purpose;
use super::{Closed, Deed, Unproven};
use crate::edge::Source;
use crate::error::Problem;
use crate::executions::Executions;
use crate::limits::StreamPlace;
use crate::router::{Ask, Rules};

/// What the gate knows.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    executions: Executions,
    closed: Arc<Closed>,
    rules: Arc<Rules>,
}

/// A request that was let through.
struct Passed {
    caller: Caller,
    action: Option<Action>,
    execution_id: Option<ExecutionId>,
    /// What comes of it, where the response does not say so.
    status: Option<u16>,
}

impl Gate {
    pub(crate) fn new(executions: Executions, closed: Arc<Closed>, rules: Rules) -> Self {
        Self {
            executions,
            closed,
            rules: Arc::new(rules),
        }
    }

    async fn look(&self, parts: &mut Parts, path: &str) -> Result<Passed, Problem> {
        let ask = self
            .rules
            .ask(path, &parts.method)
            .ok_or_else(|| self.closed_to_all(path))?;
        let execution_id = named(parts).await?;
        let id = execution_id.as_ref().map(ExecutionId::as_str);
        let identity = self.closed.identify(parts, id, Purpose::of(path)).await;
        let source = parts.extensions.get().copied().unwrap_or_default();
        let passed = |identity, pass, action| {
            Passed::of(identity, source, pass, action, execution_id.clone())
        };
        match ask {
            Ask::Nothing => {
                let identity = identity.unwrap_or(Identity::Stranger);
                Ok(passed(identity, Pass::default(), None))
            }
            // a page sees no status of a handshake: the stream itself refuses, with a close code
            Ask::Handshake => {
                let identity = match identity {
                    Err(Unproven::Failed) => return Err(Unproven::Failed.into()),
                    Err(Unproven::Nothing | Unproven::Invalid(_)) => Identity::Stranger,
                    Ok(identity) => identity,
                };
                self.handshake(identity, source, execution_id)
            }
            Ask::Name => Ok(passed(identity?, Pass::default(), None)),
            Ask::May(action) => {
                let identity = identity?;
                let place = self.closed.counted(&identity, source, action, None).await?;
                let pass = decide(&identity, action, On::Nothing);
                self.turned(&identity, source, action, None, &pass).await;
                Ok(passed(identity, pass?, Some(action)).at(place))
            }
            Ask::Of(action) => {
                let identity = identity?;
                let id = execution_id.as_ref();
                let place = self.closed.counted(&identity, source, action, id).await?;
                let row = match &execution_id {
                    Some(id) => self.executions.find(id)?,
                    None => None,
                };
                let pass = decide(&identity, action, On::Execution(row.as_ref()));
                self.turned(&identity, source, action, execution_id.as_ref(), &pass)
                    .await;
                Ok(passed(identity, pass?, Some(action)).at(place))
            }
        }
    }

    /// Lets a handshake through: what is wrong is said by the stream that it opens.
    fn handshake(
        &self,
        identity: Identity,
        source: Source,
        execution_id: Option<ExecutionId>,
    ) -> Result<Passed, Problem> {
        let open = Some(Action::Open);
        let place = match self.closed.count(&identity, source, Action::Open) {
            Ok(place) => place,
            Err(later) => {
                let mut passed = Passed::of(identity, source, Pass::default(), open, execution_id);
                passed.caller.later = Some(later);
                passed.status = Some(TOO_MANY);
                return Ok(passed);
            }
        };
        let Some(id) = execution_id else {
            // each subscription is decided upon, and told of, by itself
            let own = decide(&identity, Action::List, On::Nothing);
            let passed = Passed::of(identity, source, own.unwrap_or_default(), None, None);
            return Ok(passed.at(place));
        };
        let row = self.executions.find(&id)?;
        let (pass, status) = match decide(&identity, Action::Open, On::Execution(row.as_ref())) {
            Ok(pass) => (pass, None),
            Err(denied) => (Pass::default(), Some(denied.told().0)),
        };
        let passed = Passed {
            status,
            ..Passed::of(identity, source, pass, open, Some(id))
        };
        Ok(passed.at(place))
    }

    /// Refuses what no rule names: a method that a route does not have, or a route that asks for nothing by name.
    fn closed_to_all(&self, path: &str) -> Problem {
        let methods = self.rules.methods(path);
        match methods.and_then(|methods| HeaderValue::try_from(methods).ok()) {
            Some(methods) => {
                let detail = "The resource does not have this method; `Allow` names those it has.";
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).header(header::ALLOW, methods)
            }
            None => Problem::new(StatusCode::NOT_FOUND, "There is no such resource."),
        }
    }

    /// Notes that somebody was turned away.
    async fn turned(
        &self,
        identity: &Identity,
        source: Source,
        action: Action,
        execution_id: Option<&ExecutionId>,
        pass: &Result<Pass, super::Denied>,
    ) {
        let execution = execution_id.map(ToString::to_string);
        if let (Err(denied), Some(word)) = (pass, action.word())
            && self
                .closed
                .told
                .is_news(identity, word, execution.as_deref())
        {
            let deed = Deed {
                execution,
                ..Deed::of(identity, source, word, denied.told().0)
            };
            self.closed.note(deed).await;
        }
    }

    /// Notes what came of a request.
    async fn note(&self, passed: Passed, status: StatusCode, located: Option<String>) {
        let identity = &passed.caller.identity;
        let Some(word) = passed.action.and_then(Action::word) else {
            return;
        };
        let execution = passed.execution_id.map(|id| id.to_string()).or(located);
        let status = passed.status.unwrap_or_else(|| status.as_u16());
        let told = &self.closed.told;
        // one who asks without end could push others out of the audit log
        if status == TOO_MANY && !told.is_news(identity, CROWDS, None) {
            return;
        }
        let is_stranger = matches!(identity, Identity::Stranger);
        if (is_stranger || is_frequent(passed.action))
            && !told.is_news(identity, word, execution.as_deref())
        {
            return;
        }
        let deed = Deed {
            execution,
            ..Deed::of(identity, passed.caller.source, word, status)
        };
        self.closed.note(deed).await;
    }
}

impl Passed {
    fn of(
        identity: Identity,
        source: Source,
        pass: Pass,
        action: Option<Action>,
        execution_id: Option<ExecutionId>,
    ) -> Self {
        Self {
            caller: Caller {
                identity,
                pass,
                source,
                place: None,
                later: None,
                trace: None,
                wire: source.wire,
            },
            action,
            execution_id,
            status: None,
        }
    }

    /// With the place of the stream that is opened.
    fn at(mut self, place: Option<StreamPlace>) -> Self {
        self.caller.place = place;
        self
    }
}

/// Lets through who may, and tells the audit log of it.
pub(crate) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    // the page itself is for everybody, or nobody could sign in
    let path = match parts.extensions.get::<MatchedPath>() {
        Some(matched) => matched.as_str().to_owned(),
        None => return next.run(Request::from_parts(parts, body)).await,
    };
    let passed = match gate.look(&mut parts, &path).await {
        Ok(passed) => passed,
        Err(problem) => return problem.into_response(),
    };
    parts.extensions.insert(passed.caller.clone());
    let response = next.run(Request::from_parts(parts, body)).await;
    let (status, located) = (response.status(), located(response.headers()));
    gate.note(passed, status, located).await;
    response
}

/// The execution that a path names.
async fn named(parts: &mut Parts) -> Result<Option<ExecutionId>, Problem> {
    let Ok(params) = RawPathParams::from_request_parts(parts, &()).await else {
        return Ok(None);
    };
    let mut named = params
        .iter()
        .filter(|(name, _)| matches!(*name, "id" | "execution_id"));
    Ok(named.next().map(|(_, text)| text.parse()).transpose()?)
}

/// The execution that a response says it has made.
fn located(headers: &HeaderMap) -> Option<String> {
    let location = headers.get(header::LOCATION)?.to_str().ok()?;
    let id = location.strip_prefix("/api/executions/")?;
    Some(id.to_owned())
}

/// Whether it comes many times for one thing that somebody does.
fn is_frequent(action: Option<Action>) -> bool {
    matches!(
        action,
        Some(Action::Watch | Action::WatchAll | Action::Ingest)
    )
}

/// What was told of lately: a page that polls is told of once in a while.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<HashMap<(String, &'static str, String), Instant>>);

impl Told {
    pub(crate) fn is_news(
        &self,
        identity: &Identity,
        word: &'static str,
        execution: Option<&str>,
    ) -> bool {
        let who = match identity {
            Identity::Known(known) => match &known.user {
                Some(user) => user.clone(),
                None => format!("{:?}", known.credential),
            },
            Identity::Local | Identity::Stranger => String::new(),
        };
        // there is no end of what strangers can make up
        let execution = execution.filter(|_| !matches!(identity, Identity::Stranger));
        let key = (who, word, execution.unwrap_or_default().to_owned());
        let now = Instant::now();
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= MOST {
            told.retain(|_, at| now.duration_since(*at) < LATELY);
        }
        if told.len() >= MOST {
            told.clear();
        }
        let before = told.insert(key.clone(), now);
        match before {
            Some(at) if now.duration_since(at) < LATELY => {
                // counted from the first
                told.insert(key, at);
                false
            }
            Some(_) | None => true,
        }
    }
}

/// What `HEAD` asks is what `GET` asks.
pub(crate) fn asked(method: &Method) -> &Method {
    if *method == Method::HEAD {
        &Method::GET
    } else {
        method
    }
}

/// What happens again within this time is not told again.
const LATELY: Duration = Duration::from_secs(600);

/// What is remembered of it.
const MOST: usize = 10_000;
