//! What one flush of a fan encodes, once for all that are at the same place.

use bytes::{Bytes, BytesMut};
use stepcast_core::id::Seq;

use super::chorus::{Alone, Chorus, Next, Part};
use super::voice::Voice;
use crate::log::{Record, Stream};
use crate::telemetry::{Batch, Delivery, Lane, Wire};

/// What one flush has encoded.
pub(super) struct Blocks<'a> {
    pub(super) delivery: &'a Delivery,
    pub(super) blocks: Vec<Block>,
    /// For seats that are compressed and have not joined yet.
    pub(super) alone: Vec<(Voice, Seq, Alone)>,
}

pub(super) struct Block {
    pub(super) after: Seq,
    pub(super) voice: Voice,
    pub(super) to: Seq,
    /// The last event that is seen in it.
    pub(super) told: Seq,
    pub(super) bytes: Bytes,
    /// Where deliveries are measured.
    pub(super) batch: Option<Batch>,
    /// Sockets that took all of it and were not counted yet: in clear, and under TLS.
    pub(super) clear: u32,
    pub(super) tls: u32,
}

impl Block {
    /// One more socket has taken all of it.
    pub(super) fn written_to(&mut self, wire: Wire) {
        match wire {
            Wire::Clear => self.clear += 1,
            Wire::Tls | Wire::Http2 => self.tls += 1,
        }
    }
}

impl<'a> Blocks<'a> {
    pub(super) fn new(delivery: &'a Delivery) -> Self {
        Self {
            delivery,
            blocks: Vec::new(),
            alone: Vec::new(),
        }
    }

    /// What is for one seat alone, on its way to where it joins its chorus.
    pub(super) fn alone(
        &mut self,
        stream: &Stream,
        after: Seq,
        part: Part,
        chorus: &Chorus,
    ) -> Option<Next> {
        if part.has_joined() {
            return None;
        }
        let same =
            |(voice, from, _): &(Voice, Seq, Alone)| (*voice, *from) == (chorus.voice, after);
        let place = match self.alone.iter().position(same) {
            Some(place) => place,
            None => {
                let alone = chorus.alone(stream, after).ok()??;
                self.alone.push((chorus.voice, after, alone));
                self.alone.len() - 1
            }
        };
        let (_, _, alone) = self.alone.get(place)?;
        Some(alone.next(part))
    }

    /// Counts what sockets have taken since the last time: one look at the clock for all of them.
    pub(super) fn count(&mut self) {
        let mut now = None;
        for block in &mut self.blocks {
            for (wire, sockets) in [(Wire::Clear, &mut block.clear), (Wire::Tls, &mut block.tls)] {
                let sockets = std::mem::take(sockets);
                let Some(batch) = block.batch.as_ref().filter(|_| sockets > 0) else {
                    continue;
                };
                let lane = Lane {
                    transport: block.voice.dialect.transport(),
                    shared: false,
                    wire,
                };
                let now = *now.get_or_insert_with(std::time::Instant::now);
                self.delivery.delivered(lane, batch, now, sockets.into());
            }
        }
    }

    /// The events after `after`; `None` where the ring does not hold the next one.
    pub(super) fn after(
        &mut self,
        stream: &Stream,
        after: Seq,
        voice: Voice,
    ) -> Option<&mut Block> {
        let same = |block: &Block| block.after == after && block.voice == voice;
        let known = self.blocks.iter().rposition(same);
        let place = match known {
            Some(place) => place,
            None => {
                let records = stream.read_ring(after, BLOCK_EVENTS, BLOCK_BYTES)?;
                let to = records.last()?.seq();
                let records = voice.fidelity.seen(records);
                let mut bytes =
                    BytesMut::with_capacity(records.iter().map(Record::size).sum::<usize>());
                let dialect = voice.dialect;
                dialect.framed(&mut bytes, |out| dialect.events(&records, out));
                if self.blocks.len() >= BLOCKS {
                    self.count();
                    self.blocks.clear();
                }
                let measures = self.delivery.measures();
                self.blocks.push(Block {
                    after,
                    voice,
                    to,
                    told: records.last().map_or(after, Record::seq),
                    batch: measures.then(|| Batch::of(&records, bytes.len())),
                    bytes: bytes.freeze(),
                    clear: 0,
                    tls: 0,
                });
                self.blocks.len() - 1
            }
        };
        self.blocks.get_mut(place)
    }
}

/// Events in one write.
pub(super) const BLOCK_EVENTS: usize = 1024;

/// Bytes in one write, past the first event: what a socket takes at once.
pub(super) const BLOCK_BYTES: usize = 128 << 10;

/// Blocks kept for others at the same place; nearly all readers are at one.
pub(super) const BLOCKS: usize = 64;
