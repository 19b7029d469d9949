//! Who may come in, and what each may do.
//!
//! ```text
//! request ─Proof─▶ Access::identify ─Identity─▶ decide(identity, action, execution) ─Pass─▶ handler, stream
//! ```
//!
//! Without settings there are no accounts: the server listens on loopback, everybody is [`Identity::Local`], and
//! nothing here runs. With them, every route of [`crate::routes`] says what it asks, and one that says nothing is closed.

mod audit;
mod caller;
mod counting;
mod decision;
pub(crate) mod gate;
mod identity;
mod jwks;
mod jwt;
mod lease;
pub(crate) mod proof;
mod register;
mod scope;
mod secret;
mod session;
mod settings;
mod share;
pub(crate) mod ticket;
mod token;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::request::Parts;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio_util::sync::CancellationToken;

pub(crate) use self::audit::Deed;
pub use self::audit::{AuditQuery, AuditRow};
pub(crate) use self::caller::Caller;
pub use self::decision::{Action, Denied, On, Pass, decide};
use self::gate::Told;
pub(crate) use self::identity::is_name;
pub use self::identity::{Credential, Grant, Identity, Known};
use self::jwt::Verifier;
pub(crate) use self::lease::Lease;
use self::lease::Leases;
use self::proof::Proof;
pub use self::register::{Register, RegisterError};
pub use self::scope::{Scope, Scopes, UnknownScope};
pub use self::secret::Secret;
use self::secret::{SESSION, SHARE, TOKEN, hash};
pub use self::settings::{AccessSettings, Algorithm, JwtSettings};
pub use self::share::ShareRow;
use self::ticket::{Purpose, Tickets};
pub use self::token::{NewToken, TokenRow};
use crate::RunError;
use crate::clock::unix_millis;
use crate::config::Config;
use crate::edge::Source;
use crate::error::Problem;
use crate::limits::Rates;

/// Who may come in; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Access(Option<Arc<Closed>>);

/// A server with accounts.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) settings: AccessSettings,
    /// Whether cookies go over TLS only; where there is nothing, those that are asked for under it.
    secure_cookies: Option<bool>,
    pub(crate) register: Register,
    pub(crate) tickets: Tickets,
    verifier: Option<Verifier>,
    leases: Leases,
    /// What the audit log was told lately.
    pub(crate) told: Told,
    pub(crate) rates: Rates,
    /// Strangers who fail to sign in are told of this often: they cannot push others out of the audit log.
    failures: DefaultDirectRateLimiter,
}

/// Why nobody knows who sends a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Unproven {
    /// It shows nothing.
    Nothing,
    /// What it shows is not valid.
    Invalid(String),
    /// That could not be found out.
    Failed,
}

impl Access {
    /// What the settings ask for. Without accounts, nothing is opened.
    ///
    /// # Errors
    /// Where a key or the register cannot be read.
    pub fn open(config: &Config) -> Result<Self, RunError> {
        let settings = &config.access;
        if !settings.is_closed() {
            return Ok(Self::default());
        }
        let verifier = settings.jwt.as_ref().map(Verifier::new).transpose()?;
        let clear = config.listen.ip().is_loopback() && !config.tls.is_on();
        Ok(Self(Some(Arc::new(Closed {
            settings: settings.clone(),
            secure_cookies: settings.secure_cookies.or((!clear).then_some(true)),
            register: Register::open(&config.data_dir)?,
            tickets: Tickets::default(),
            verifier,
            leases: Leases::default(),
            told: Told::default(),
            rates: Rates::new(&config.limits, config.max_body_bytes),
            failures: RateLimiter::direct(Quota::per_minute(FAILURES)),
        }))))
    }

    /// Where there are accounts.
    pub(crate) fn closed(&self) -> Option<&Arc<Closed>> {
        self.0.as_ref()
    }

    /// Whether anybody has to say who it is.
    pub fn is_closed(&self) -> bool {
        self.0.is_some()
    }

    /// A lease as long as this pass is good.
    pub(crate) fn lease(&self, pass: &Pass) -> Lease {
        self.0
            .as_ref()
            .map_or_else(Lease::default, |closed| closed.leases.grant(pass))
    }

    /// Whether what a pass rests on is still valid: a connection asks for one long after it was opened.
    pub(crate) fn is_good(&self, pass: &Pass) -> bool {
        let Some(closed) = &self.0 else {
            return true;
        };
        let expired = pass.expires.is_some_and(|at| at <= unix_millis());
        let valid = pass.credential.map(|it| closed.register.is_valid(it));
        match valid {
            None | Some(Ok(true)) => !expired,
            Some(Ok(false)) => false,
            Some(Err(error)) => {
                tracing::error!(%error, "whether a token is valid is not known");
                false
            }
        }
    }

    /// Ends the streams of what was revoked, by another process too, until the server stops.
    pub(crate) fn watch(&self, stopping: CancellationToken) {
        let Some(closed) = self.0.clone() else {
            return;
        };
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = stopping.cancelled() => return,
                    () = tokio::time::sleep(LOOK) => {}
                }
                let closed = closed.clone();
                let looked = tokio::task::spawn_blocking(move || closed.end_revoked());
                if looked.await.is_err() {
                    tracing::error!("what was revoked could not be looked for");
                }
            }
        });
    }
}

impl Closed {
    /// Who sends this request, to an execution where there is one.
    pub(crate) async fn identify(
        &self,
        parts: &Parts,
        execution_id: Option<&str>,
        purpose: Option<Purpose>,
    ) -> Result<Identity, Unproven> {
        let known = match Proof::of(parts) {
            Proof::Nothing => return Err(Unproven::Nothing),
            Proof::Unreadable => {
                return Err(invalid("`Authorization` must be `Bearer` and one token."));
            }
            Proof::ForeignPage => {
                return Err(invalid(
                    "A session's cookie is taken from pages of this server alone.",
                ));
            }
            Proof::Bearer(token) => self.bearer(token).await?,
            Proof::Ticket(ticket) => {
                let taken = purpose
                    .and_then(|purpose| self.tickets.take(&hash(&ticket), execution_id, purpose));
                // what it was drawn with may have been revoked meanwhile
                match taken {
                    Some(known) if self.is_valid(&known)? => known,
                    Some(_) | None => return Err(invalid(VOID)),
                }
            }
            Proof::Cookies(session, share) => self.cookies(session, share)?,
        };
        Ok(Identity::Known(Arc::new(known)))
    }

    fn is_valid(&self, known: &Known) -> Result<bool, Unproven> {
        let expired = known
            .expires
            .is_some_and(|expires| expires <= unix_millis());
        Ok(!expired && self.register.is_valid(known.credential)?)
    }

    /// Whom a token stands for.
    pub(crate) async fn bearer(&self, token: &str) -> Result<Known, Unproven> {
        if token.starts_with(TOKEN) {
            let found = match self.settings.tokens {
                true => self.register.by_token(&hash(token)).map_err(failed)?,
                false => None,
            };
            return found
                .ok_or_else(|| invalid("The token is not valid: unknown, expired or revoked."));
        }
        if token.starts_with(SHARE) {
            let grant = self.register.by_share(&hash(token)).map_err(failed)?;
            let grant =
                grant.ok_or_else(|| invalid("The link is not valid: expired or revoked."))?;
            return Ok(Known {
                user: None,
                scopes: Scopes::default(),
                expires: Some(grant.expires),
                credential: Credential::Share(grant.share),
                grants: vec![grant],
            });
        }
        match &self.verifier {
            // a session is for cookies alone: no script has it, so who sends it has stolen it
            Some(verifier) if !token.starts_with(SESSION) => verifier
                .verify(token)
                .await
                .map_err(|reason| invalid(&format!("The token is not valid: {reason}."))),
            Some(_) | None => Err(invalid(
                "The token is not valid: it is none of this server.",
            )),
        }
    }

    /// Both cookies together: somebody who is signed in sees what was shared with them too.
    fn cookies(&self, session: Option<&str>, share: Option<&str>) -> Result<Known, Unproven> {
        let by_session = match session {
            Some(session) => self.register.by_session(&hash(session)).map_err(failed)?,
            None => None,
        };
        let grant = match share {
            Some(share) => self.register.by_share(&hash(share)).map_err(failed)?,
            None => None,
        };
        match (by_session, grant) {
            (Some(mut known), grant) => {
                known.grants.extend(grant);
                Ok(known)
            }
            (None, Some(grant)) => Ok(Known {
                user: None,
                scopes: Scopes::default(),
                expires: Some(grant.expires),
                credential: Credential::Share(grant.share),
                grants: vec![grant],
            }),
            (None, None) => Err(invalid("The session has ended: sign in again.")),
        }
    }

    /// Whether a cookie that is asked for from there goes over TLS only.
    pub(crate) fn secures_cookies(&self, source: Source) -> bool {
        self.secure_cookies.unwrap_or(source.secure)
    }

    /// Ends the streams that were opened with it.
    pub(crate) fn end(&self, credential: Credential) {
        self.leases.end(credential);
    }

    /// Writes into the audit log that somebody has failed to sign in.
    pub(crate) async fn note_failure(self: &Arc<Self>, source: Source) {
        if self.failures.check().is_ok() {
            let deed = Deed::of(&Identity::Stranger, source, "sign_in", 401);
            self.note(deed).await;
        }
    }

    /// Writes into the audit log.
    pub(crate) async fn note(self: &Arc<Self>, deed: Deed) {
        let closed = Arc::clone(self);
        let noted = tokio::task::spawn_blocking(move || {
            closed.register.note(&deed, closed.settings.audit_entries)
        });
        match noted.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the audit log could not be written"),
            Err(error) => tracing::error!(%error, "the audit log could not be written"),
        }
    }

    fn end_revoked(&self) {
        for credential in self.leases.held() {
            match self.register.is_valid(credential) {
                Ok(true) => {}
                Ok(false) => self.leases.end(credential),
                Err(error) => tracing::error!(%error, "whether a token is valid is not known"),
            }
        }
    }
}

fn invalid(what: &str) -> Unproven {
    Unproven::Invalid(what.to_owned())
}

fn failed(error: RegisterError) -> Unproven {
    tracing::error!(%error, "the register of credentials failed");
    Unproven::Failed
}

impl From<Unproven> for Problem {
    fn from(unproven: Unproven) -> Self {
        use axum::http::{HeaderValue, StatusCode, header};
        match unproven {
            Unproven::Nothing => Denied::Stranger.into(),
            Unproven::Invalid(what) => Self::new(StatusCode::UNAUTHORIZED, what).header(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"stepcast\", error=\"invalid_token\""),
            ),
            Unproven::Failed => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Who you are could not be found out; the server's own log says why.",
            ),
        }
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        Unproven::from(error).into()
    }
}

impl From<RegisterError> for Unproven {
    fn from(error: RegisterError) -> Self {
        failed(error)
    }
}

/// What is told of a ticket that does not fit.
const VOID: &str = "The ticket is void: it opens one stream once, within 30 seconds.";

/// Failures to sign in that the audit log tells of in a minute.
const FAILURES: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// How often it is looked for what another process has revoked.
const LOOK: Duration = Duration::from_secs(1);
