//! Of accounts: who one is, and what one may hand on.

use schemars::JsonSchema;
use serde::Serialize;
use stepcast_core::id::ExecutionId;
use stepcast_core::time::Timestamp;

use crate::access::{AuditRow, ShareRow};

/// Who the server takes the caller for.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(untagged)]
pub(crate) enum Session {
    /// Somebody whom it knows.
    Known {
        /// True.
        accounts: bool,
        /// True.
        signed_in: bool,
        /// Their name.
        user: Option<String>,
        /// What they may do.
        scopes: Vec<&'static str>,
        /// The executions that were shared with them.
        shared: Vec<String>,
        /// Until when that holds.
        expires_at: Option<Timestamp>,
    },
    /// Nobody whom it knows.
    Unknown {
        /// Whether the server has accounts.
        accounts: bool,
        /// False.
        signed_in: bool,
    },
}

/// A ticket.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "Ticket")]
pub(crate) struct Drawn {
    /// What to put into the address: `?ticket=…`.
    pub(crate) ticket: String,
    /// The address that it is for.
    pub(crate) path: String,
    /// How long it is good for.
    pub(crate) expires_in_seconds: u64,
}

/// A link to one run.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "Share")]
pub(crate) struct Share {
    /// Its number.
    pub(crate) id: i64,
    /// Its secret, which is shown this once.
    pub(crate) token: String,
    /// The address of the page.
    pub(crate) page: String,
    /// The run.
    pub(crate) execution_id: ExecutionId,
    /// What comes after this cursor only; all of the run where it is null.
    pub(crate) after: Option<String>,
    /// Until when it is valid.
    pub(crate) expires_at: Timestamp,
}

/// The links to one run.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "ShareList")]
pub(crate) struct Shares {
    /// The run.
    pub(crate) execution_id: ExecutionId,
    /// The links, without their secrets.
    pub(crate) shares: Vec<ShareRow>,
}

/// A page of the audit log.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "AuditPage")]
pub(crate) struct Entries {
    /// The newest first.
    pub(crate) entries: Vec<AuditRow>,
    /// Where the next page begins, `?before=`; null where there is none.
    pub(crate) next: Option<i64>,
}
