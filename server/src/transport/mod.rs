//! Transports: each is a way to write what one [`feed::Feed`] says.

pub(crate) mod feed;
pub(crate) mod parameters;
pub mod sse;
pub mod ws;
