//! What a session reads.

use std::borrow::Cow;

use crate::id::Seq;

/// What a session must know of a stored event; the rest of it is the shell's.
pub trait Record {
    /// Its place.
    fn seq(&self) -> Seq;
    /// Its type, as on the wire.
    fn event_type(&self) -> &str;
    /// Its step, where it has one.
    fn step_id(&self) -> Option<&str>;
    /// When it happened, in milliseconds since 1970, where it says so; asked for by a pace only.
    fn unix_millis(&self) -> Option<u64>;
    /// The whole event; asked for by filters that look into it, and by a fidelity that tells less of it.
    fn json(&self) -> Cow<'_, str>;
    /// Another event in its place: this JSON, whose type, execution and step are its own. None where it cannot be made.
    fn altered(&self, json: String) -> Option<Self>
    where
        Self: Sized;
}
