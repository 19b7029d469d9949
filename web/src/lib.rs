//! The headless client and, with the feature `monitor`, the page.
//!
//! ```text
//!  browser ──▶ driver ──▶ core::client ──▶ store (core::view + log) ──▶ signals ──▶ monitor
//!                 ▲  └──▶ transport ─┐
//!                 └──────────────────┘
//! ```
//!
//! Nothing runs on import: a binary mounts the dashboard, a caller starts a client.

pub mod clock;
pub mod driver;
// the package's exports; in the dashboard they would be a tenth of it for nobody
#[cfg(any(feature = "element", not(feature = "monitor")))]
pub mod js;
pub mod summary;
pub mod transport;

#[cfg(feature = "monitor")]
pub mod api;
#[cfg(feature = "monitor")]
mod beacon;
#[cfg(feature = "monitor")]
pub mod dashboard;
#[cfg(feature = "monitor")]
pub mod delivery;
#[cfg(feature = "monitor")]
pub mod feed;
#[cfg(feature = "monitor")]
pub mod kept;
#[cfg(feature = "monitor")]
pub mod log;
#[cfg(feature = "monitor")]
pub mod monitor;
#[cfg(feature = "monitor")]
pub mod store;
