//! CloudEvents 1.0: an event of a run as one, and one as an event. Pure; `docs/cloudevents.md` has the mapping.

mod read;
mod write;

pub(crate) use self::read::{NoEvent, from_headers, members};
pub(crate) use self::write::{gap, written};

/// One event.
pub(crate) const ONE: &str = "application/cloudevents+json";

/// An array of them.
pub(crate) const BATCH: &str = "application/cloudevents-batch+json";

/// What the types of our events begin with; `.v1` follows the event's own.
const PREFIX: &str = "dev.stepcast.";

const SUFFIX: &str = ".v1";

/// The extension that holds what of an event's metadata no other attribute does, as JSON in a text.
const METADATA: &str = "stepcastmetadata";

#[cfg(test)]
mod tests;
