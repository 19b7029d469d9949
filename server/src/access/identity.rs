//! Who asks.

use std::sync::Arc;

use stepcast_core::id::{Cursor, ExecutionId};

use super::scope::{Scope, Scopes};

/// Who asks: parsed from a request once, and asked by [`super::decide`] from then on.
#[derive(Clone, Debug)]
pub enum Identity {
    /// Whoever uses this machine, on a server without accounts: everything is allowed.
    Local,
    /// Nobody knows.
    Stranger,
    /// Somebody who has shown a credential.
    Known(Arc<Known>),
}

/// Somebody who has shown a credential.
#[derive(Clone, Debug)]
pub struct Known {
    /// Their name; none where a link to a shared run is all that was shown.
    pub user: Option<String>,
    /// What they may do.
    pub scopes: Scopes,
    /// When the credential expires, in milliseconds since 1970.
    pub expires: Option<u64>,
    /// What was shown.
    pub credential: Credential,
    /// The runs of others that they may watch.
    pub grants: Vec<Grant>,
}

/// What somebody has shown, by its number in the register.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Credential {
    /// A token of this server.
    Token(i64),
    /// A token of another issuer.
    Jwt,
    /// A browser's session.
    Session(i64),
    /// A link to a shared run.
    Share(i64),
}

/// A run that is shared.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant {
    /// The share's number.
    pub share: i64,
    /// Which run.
    pub execution_id: ExecutionId,
    /// The log's own number of it: an id may be used again for another.
    pub key: i64,
    /// What comes after this event only.
    pub after: Option<Cursor>,
    /// Until when, in milliseconds since 1970.
    pub expires: u64,
}

impl Identity {
    /// The name; none for a stranger, and on a server without accounts.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Known(known) => known.user.as_deref(),
            Self::Local | Self::Stranger => None,
        }
    }

    /// Whether everybody's runs are theirs.
    pub fn is_admin(&self) -> bool {
        match self {
            Self::Local => true,
            Self::Stranger => false,
            Self::Known(known) => known.scopes.allow(Scope::Admin),
        }
    }

    /// Whose runs a list shows: everybody's where there is none.
    pub(crate) fn only(&self) -> Option<String> {
        // no user has the empty name
        (!self.is_admin()).then(|| self.user().unwrap_or_default().to_owned())
    }
}

impl Credential {
    /// How the audit log calls it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Jwt => "jwt",
            Self::Session(_) => "session",
            Self::Share(_) => "share",
        }
    }
}

/// Whether this can be somebody's name: one line that is neither empty nor long.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text == text.trim()
        && text.chars().count() <= LONGEST_NAME
        && !text.chars().any(char::is_control)
}

/// Characters of a name.
const LONGEST_NAME: usize = 200;
