//! `/api/session`: a browser signs in with a token, and has a cookie that no script reads from then on.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use stepcast_core::time::Timestamp;

use super::answer::Session;
use super::body::Body;
use crate::access::proof::{Proof, SESSION_COOKIE, SHARE_COOKIE, is_own_page};
use crate::access::{Caller, Closed, Credential, Deed, Identity, Known};
use crate::clock::unix_millis;
use crate::edge::Source;
use crate::error::Problem;
use crate::executions::Executions;

/// The body of `POST /api/session`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(description = "Who signs in.")]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// The token; it may stand in `Authorization` instead.
    token: Option<String>,
}

/// `GET /api/session`: who the server takes the caller for.
pub(crate) async fn show(State(executions): State<Executions>, caller: Caller) -> Json<Session> {
    Json(match caller.known() {
        Some(known) => described(known),
        None => Session::Unknown {
            accounts: executions.access().is_closed(),
            signed_in: false,
        },
    })
}

/// `POST /api/session`: 201 with a cookie.
pub(crate) async fn begin(
    State(executions): State<Executions>,
    request: Request,
) -> Result<Response, Response> {
    let closed = accounts(&executions).map_err(Problem::into_response)?;
    let (parts, body) = request.into_parts();
    let source = parts.extensions.get().copied().unwrap_or_default();
    if parts.headers.contains_key(header::ORIGIN) && !is_own_page(&parts) {
        let detail = "A page of another site cannot sign anybody in here.";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail).into_response());
    }
    let shown = match Proof::of(&parts) {
        Proof::Bearer(token) => Some(token.to_owned()),
        Proof::Nothing
        | Proof::Ticket(_)
        | Proof::Cookies(..)
        | Proof::ForeignPage
        | Proof::Unreadable => None,
    };
    let Body(SignIn { token }) =
        Body::from_request(Request::from_parts(parts, body), &executions).await?;
    let Some(token) = token.or(shown) else {
        let detail = "Give `token`: `stepcast token create` makes one.";
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail).into_response());
    };
    sign_in(closed, source, &token)
        .await
        .map_err(Problem::into_response)
}

async fn sign_in(closed: &Arc<Closed>, source: Source, token: &str) -> Result<Response, Problem> {
    let known = match closed.bearer(token.trim()).await {
        Ok(known) => known,
        Err(unproven) => {
            closed.note_failure(source).await;
            return Err(unproven.into());
        }
    };
    let now = unix_millis();
    let longest = now.saturating_add(closed.settings.session_seconds.saturating_mul(1_000));
    let until = known
        .expires
        .map_or(longest, |expires| expires.min(longest));
    let age = Duration::from_millis(until.saturating_sub(now));
    let secure = closed.secures_cookies(source);
    let cookie = match known.credential {
        // a link is a secret of its own, and goes beside a session that is there
        Credential::Share(_) => set_cookie(secure, SHARE_COOKIE, token.trim(), age),
        Credential::Token(_) | Credential::Jwt | Credential::Session(_) => {
            let session = closed.register.begin_session(&known, until)?;
            set_cookie(secure, SESSION_COOKIE, session.reveal(), age)
        }
    };
    let known = Known {
        expires: Some(until),
        ..known
    };
    let body = Json(described(&known));
    let identity = Identity::Known(Arc::new(known));
    closed
        .note(Deed::of(&identity, source, "sign_in", 201))
        .await;
    let mut response = (StatusCode::CREATED, body).into_response();
    add_cookie(response.headers_mut(), &cookie);
    Ok(response)
}

/// `PUT /api/session`: the session of the cookie goes on, for as long as one that begins now, within what its token and
/// the settings allow.
pub(crate) async fn renew(
    State(executions): State<Executions>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let closed = accounts(&executions)?;
    let (parts, _) = request.into_parts();
    let (Some(known), Proof::Cookies(Some(secret), _)) = (caller.known(), Proof::of(&parts)) else {
        return Err(Problem::new(StatusCode::BAD_REQUEST, NO_SESSION));
    };
    let Credential::Session(number) = known.credential else {
        return Err(Problem::new(StatusCode::BAD_REQUEST, NO_SESSION));
    };
    let settings = &closed.settings;
    let millis = |seconds: u64| seconds.saturating_mul(1_000);
    let now = unix_millis();
    let wanted = now.saturating_add(millis(settings.session_seconds));
    let longest = millis(settings.longest_session_seconds);
    let until = closed.register.renew_session(number, wanted, longest)?;
    let until = until.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, NO_SESSION))?;
    let age = Duration::from_millis(until.saturating_sub(now));
    let secure = closed.secures_cookies(caller.source);
    let cookie = set_cookie(secure, SESSION_COOKIE, secret, age);
    let known = Known {
        expires: Some(until),
        ..known.clone()
    };
    let mut response = Json(described(&known)).into_response();
    add_cookie(response.headers_mut(), &cookie);
    Ok(response)
}

/// `DELETE /api/session`: the cookies are void, and the streams that were opened with them end.
pub(crate) async fn end(
    State(executions): State<Executions>,
    caller: Caller,
) -> Result<Response, Problem> {
    let closed = accounts(&executions)?;
    if let Some(Credential::Session(number)) = caller.known().map(|known| known.credential) {
        closed.register.end_session(number)?;
        closed.end(Credential::Session(number));
        closed
            .note(Deed::of(&caller.identity, caller.source, "sign_out", 204))
            .await;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    for name in [SESSION_COOKIE, SHARE_COOKIE] {
        let cookie = set_cookie(
            closed.secures_cookies(caller.source),
            name,
            "",
            Duration::ZERO,
        );
        add_cookie(response.headers_mut(), &cookie);
    }
    Ok(response)
}

/// The accounts; 404 where there are none.
pub(super) fn accounts(executions: &Executions) -> Result<&Arc<Closed>, Problem> {
    executions.access().closed().ok_or_else(|| {
        let detail = "This server has no accounts: nobody has to say who they are. docs/security.md says how to have some.";
        Problem::new(StatusCode::NOT_FOUND, detail)
    })
}

fn described(known: &Known) -> Session {
    let scopes = known.scopes.iter().map(|scope| scope.as_str()).collect();
    let shared = known
        .grants
        .iter()
        .map(|grant| grant.execution_id.to_string())
        .collect();
    Session::Known {
        accounts: true,
        signed_in: true,
        user: known.user.clone(),
        scopes,
        shared,
        expires_at: known.expires.map(Timestamp::from_unix_millis),
    }
}

fn set_cookie(secure: bool, name: &str, value: &str, age: Duration) -> String {
    let secure = if secure { "; Secure" } else { "" };
    let age = age.as_secs();
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}")
}

fn add_cookie(headers: &mut HeaderMap, cookie: &str) {
    if let Ok(mut value) = HeaderValue::from_str(cookie) {
        value.set_sensitive(true);
        headers.append(header::SET_COOKIE, value);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

const NO_SESSION: &str = "There is no session to renew: POST /api/session begins one.";
