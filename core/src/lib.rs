//! What is true of a streamed pipeline run everywhere: in the server, in a page, on the command line.
//!
//! ```text
//!  server                                             page, command line, test
//!  log ──▶ session ──▶ wire ── ─ network ─ ──▶ wire ──▶ client ──▶ view
//! ```
//!
//! No I/O, no clock, no randomness, no async, no threads: time and seeds are inputs. Both machines,
//! [`client`] and [`session`], are driven the same way: hand in one input, then drain the outputs.

pub mod beacon;
pub mod client;
pub mod coalesce;
pub mod control;
pub mod event;
pub mod fidelity;
pub mod filter;
pub mod id;
pub mod metrics;
pub mod pace;
pub mod pattern;
#[cfg(feature = "schema")]
pub mod schema;
pub mod session;
pub mod time;
pub mod view;
pub mod wire;
