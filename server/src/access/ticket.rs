//! Tickets: what stands in an address where a browser cannot set a header. Good for one request, for half a minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use stepcast_core::id::ExecutionId;
use tokio::time::Instant;

use super::identity::Known;
use super::scope::{Scope, Scopes};
use super::secret::{Hash, Secret, TICKET};

/// What a ticket is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// `/ws/pipeline/{id}`.
    Websocket,
    /// `/stream/pipeline/{id}`.
    Sse,
    /// `/api/executions/{id}/artifacts/…`, for an image or a link.
    Artifact,
}

impl Purpose {
    /// What a route is good for, by its path; none where it takes no ticket.
    pub(crate) fn of(path: &str) -> Option<Self> {
        if path.starts_with("/ws/pipeline/") {
            Some(Self::Websocket)
        } else if path.starts_with("/stream/pipeline/") {
            Some(Self::Sse)
        } else if path.starts_with("/api/executions/{id}/artifacts/") {
            Some(Self::Artifact)
        } else {
            None
        }
    }
}

/// Tickets that were given out and not used yet. They do not outlive the process.
#[derive(Debug, Default)]
pub(crate) struct Tickets(Mutex<HashMap<Hash, Ticket>>);

#[derive(Debug)]
struct Ticket {
    known: Known,
    execution_id: ExecutionId,
    purpose: Purpose,
    until: Instant,
}

/// Too many tickets have not been used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooMany;

impl Tickets {
    /// A ticket for somebody who may open this now. Whether they still may is asked again when it is used.
    pub(crate) fn draw(
        &self,
        known: &Known,
        execution_id: ExecutionId,
        purpose: Purpose,
    ) -> std::io::Result<Result<Secret, TooMany>> {
        let secret = Secret::draw(TICKET)?;
        let now = Instant::now();
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.retain(|_, ticket| ticket.until > now);
        let same = |ticket: &&Ticket| {
            ticket.known.user == known.user && ticket.known.credential == known.credential
        };
        if tickets.len() >= MOST || tickets.values().filter(same).count() >= MOST_EACH {
            return Ok(Err(TooMany));
        }
        let known = Known {
            scopes: watching(known.scopes),
            ..known.clone()
        };
        let ticket = Ticket {
            known,
            execution_id,
            purpose,
            until: now + LIFE,
        };
        tickets.insert(secret.hash(), ticket);
        Ok(Ok(secret))
    }

    /// Whom a ticket stands for. It is void from now on, whether it fits or not.
    pub(crate) fn take(
        &self,
        hash: &Hash,
        execution_id: Option<&str>,
        purpose: Purpose,
    ) -> Option<Known> {
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = tickets.remove(hash)?;
        let fits = ticket.until > Instant::now()
            && ticket.purpose == purpose
            && execution_id == Some(ticket.execution_id.as_str());
        fits.then_some(ticket.known)
    }
}

/// A ticket is for watching alone. An administrator's opens everybody's runs, and this one it was drawn for.
fn watching(scopes: Scopes) -> Scopes {
    scopes
        .iter()
        .filter(|scope| matches!(scope, Scope::Watch | Scope::Admin))
        .collect()
}

/// How long a ticket may be used.
pub(crate) const LIFE: Duration = Duration::from_secs(30);

/// Tickets that are not used, all in all.
const MOST: usize = 10_000;

/// Tickets that are not used, drawn with one credential.
const MOST_EACH: usize = 200;

#[cfg(test)]
mod tests {
    use super::super::identity::Credential;
    use super::*;

    fn known(user: &str) -> Known {
        Known {
            user: Some(user.into()),
            scopes: Scopes::parse("watch start cancel").unwrap(),
            expires: None,
            credential: Credential::Jwt,
            grants: Vec::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_ticket_is_good_once_for_its_run_and_purpose_and_half_a_minute() {
        let tickets = Tickets::default();
        let run: ExecutionId = "run".parse().unwrap();
        let draw = || {
            let drawn = tickets.draw(&known("a"), run.clone(), Purpose::Sse);
            drawn.unwrap().unwrap().hash()
        };
        let hash = draw();
        let taken = tickets.take(&hash, Some("run"), Purpose::Sse).unwrap();
        assert_eq!(taken.scopes.to_string(), "watch");
        assert!(tickets.take(&hash, Some("run"), Purpose::Sse).is_none());
        for (id, purpose) in [
            (Some("other"), Purpose::Sse),
            (Some("run"), Purpose::Websocket),
            (None, Purpose::Sse),
        ] {
            let hash = draw();
            assert!(tickets.take(&hash, id, purpose).is_none());
            // a wrong use is a use
            assert!(tickets.take(&hash, Some("run"), Purpose::Sse).is_none());
        }
        let hash = draw();
        tokio::time::advance(LIFE).await;
        assert!(tickets.take(&hash, Some("run"), Purpose::Sse).is_none());
    }

    #[test]
    fn one_user_cannot_draw_all_of_them() {
        let tickets = Tickets::default();
        let draw = |user: &str| tickets.draw(&known(user), "r".parse().unwrap(), Purpose::Sse);
        for _ in 0..MOST_EACH {
            draw("a").unwrap().unwrap();
        }
        assert!(draw("a").unwrap().is_err());
        assert!(draw("b").unwrap().is_ok());
    }
}
