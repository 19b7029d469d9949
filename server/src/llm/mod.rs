//! Language models: the providers that are registered, their protocols, and their answers as they come.
//!
//! ```text
//!  step `llm` ──Request──▶ wire ──HTTP──▶ provider
//!  events ◀──Delta── Joiner ◀──Raw── wire ◀──SSE──┘
//! ```
//!
//! The adapters are our own, some hundred lines a protocol, on reqwest and core's reader of server-sent events.
//! The widest client crate, genai 0.7.2, has base URLs, usage, reasoning and the headers of an error, but ends a
//! stream at an escape of half a character, drops refusals, and gives arguments of tool calls summed up or without
//! their ids; async-openai speaks one of the protocols, with the same strict strings; rig and llm are frameworks.

pub(crate) mod answer;
pub(crate) mod call;
pub(crate) mod delta;
pub(crate) mod fault;
mod key;
mod provider;
mod providers;
pub(crate) mod request;
pub(crate) mod scripted;
mod settings;
pub(crate) mod text;
mod wire;

pub(crate) use wire::Decoder;

pub use key::ApiKey;
pub use provider::Provider;
pub use providers::Providers;
pub use settings::{LlmSettings, ProviderKind, ProviderSettings};
