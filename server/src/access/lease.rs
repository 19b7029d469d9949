//! For how long a stream may go on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::decision::Pass;
use super::identity::Credential;
use crate::clock::unix_millis;
use crate::limits::StreamPlace;

/// Until when a stream may go on: for good, on a server without accounts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lease {
    until: Option<Instant>,
    revoked: Option<Arc<CancellationToken>>,
    /// The stream counts among those of its user for as long.
    _place: Option<StreamPlace>,
}

impl Lease {
    /// The same, of a stream that has this place.
    pub(crate) fn at(self, place: Option<StreamPlace>) -> Self {
        Self {
            _place: place,
            ..self
        }
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
            || self.revoked.as_ref().is_some_and(|it| it.is_cancelled())
    }

    /// Waits until it is over.
    pub(crate) async fn over(&self) {
        let expired = async {
            match self.until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let revoked = async {
            match &self.revoked {
                Some(revoked) => revoked.cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = expired => {}
            () = revoked => {}
        }
    }
}

/// The credentials that streams under way were opened with.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<HashMap<Credential, Weak<CancellationToken>>>);

impl Leases {
    /// A lease as long as this pass is good.
    pub(super) fn grant(&self, pass: &Pass) -> Lease {
        let until = pass.expires.and_then(|expires| {
            let left = Duration::from_millis(expires.saturating_sub(unix_millis()));
            // a time that the clock cannot tell is never reached
            Instant::now().checked_add(left)
        });
        Lease {
            until,
            _place: None,
            revoked: pass.credential.and_then(|credential| self.of(credential)),
        }
    }

    fn of(&self, credential: Credential) -> Option<Arc<CancellationToken>> {
        if credential == Credential::Jwt {
            // an issuer revokes by letting expire
            return None;
        }
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = held.get(&credential).and_then(Weak::upgrade) {
            return Some(token);
        }
        let token = Arc::new(CancellationToken::new());
        held.insert(credential, Arc::downgrade(&token));
        Some(token)
    }

    /// What streams under way were opened with.
    pub(super) fn held(&self) -> Vec<Credential> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, token| token.strong_count() > 0);
        held.keys().copied().collect()
    }

    /// Ends the streams that were opened with it.
    pub(super) fn end(&self, credential: Credential) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = held.get(&credential).and_then(Weak::upgrade) {
            token.cancel();
        }
    }
}
