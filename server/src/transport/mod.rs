//! Transports: the ways in which a subscription leaves the process.
//!
//! A [`feed`] drives core's session; a [`dialect`] writes what it gives, and a [`pen`] compresses it; a connection of its own is [`live`], and a
//! [`fan`] writes for all that are at the tail. The protocols of others are [`translated`].

pub(crate) mod agui;
pub(crate) mod aisdk;
pub(crate) mod coding;
mod dialect;
pub(crate) mod durable;
mod fan;
mod feed;
pub(crate) mod graphql;
mod live;
pub(crate) mod many;
pub(crate) mod parameters;
mod pen;
mod places;
mod seat;
pub(crate) mod sse;
pub(crate) mod translated;
pub(crate) mod websocket;

pub(crate) use self::fan::Fans;
pub(crate) use self::feed::{Feed, Frame};

/// Every holder leaves the value valid between two statements, so a panic of one concerns no other.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
