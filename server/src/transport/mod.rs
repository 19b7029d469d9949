//! Transports: each is a way to write what one [`feed::Feed`] says.

pub(crate) mod feed;
pub(crate) mod parameters;
pub(crate) mod sse;
pub(crate) mod ws;
