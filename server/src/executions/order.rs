//! An order that a stream's writers give it themselves: later places are greater, byte by byte.
//!
//! How far it has come stands in the last event, so that it is kept along with what was appended.

use std::sync::Arc;

use serde_json::json;

use super::refusal::Refusal;
use crate::context::Draft;
use crate::log::{Reader, Stream};

/// The place of a portion, where its writer gives one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order<'a>(pub(super) Option<&'a str>);

/// The greatest place so far; none where no writer gave any.
pub(super) type Reached = Option<String>;

impl Order<'_> {
    /// Refuses what does not come after what was there.
    pub(super) async fn check(
        self,
        stream: &Arc<Stream>,
        reached: &mut Option<Reached>,
    ) -> Result<(), Refusal> {
        let reached = match reached {
            Some(reached) => reached,
            None => reached.insert(look(stream).await?),
        };
        match (self.0, reached) {
            (Some(place), Some(last)) if place.as_bytes() <= last.as_bytes() => {
                Err(Refusal::OutOfOrder)
            }
            _ => Ok(()),
        }
    }

    /// Says in the last event how far the order has come with it.
    pub(super) fn note(self, drafts: &mut [Draft], reached: &Option<Reached>) -> Reached {
        let place = self.0.map(str::to_owned);
        let place = place.or_else(|| reached.clone().flatten());
        if let (Some(place), Some(last)) = (&place, drafts.last_mut()) {
            last.metadata = Some(json!({ MEMBER: place }));
        }
        place
    }
}

async fn look(stream: &Arc<Stream>) -> Result<Reached, Refusal> {
    let last = stream.tail().last_seq;
    let mut reader = Reader::new(stream.clone(), last.saturating_sub(1));
    let page = reader.read(1).await?;
    Ok(page.records.last().and_then(|record| {
        let metadata = record.parse().ok()?.metadata?;
        Some(metadata.get(MEMBER)?.as_str()?.to_owned())
    }))
}

/// The member of an event's metadata in which it stands.
const MEMBER: &str = "stream_seq";
