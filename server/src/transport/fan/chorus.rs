//! Compressed once for all seats of a fan that speak the same.
//!
//! Those that have joined share one encoder, and what it has seen since it was made. Whoever sits down later, or was sent
//! something that the others were not, joins at the next verse, which is *fresh*: a new encoder writes it, so that it
//! refers to nothing that came before it, and the same bytes serve all. Each seat has been written a hello by its own
//! connection, so a frame of the coding is open on all of them, which a fresh verse ends.

use std::io;

use bytes::{BufMut as _, Bytes, BytesMut};
use stepcast_core::id::Seq;

use super::blocks::{BLOCK_BYTES, BLOCK_EVENTS};
use super::voice::Voice;
use crate::log::{Record, Stream};
use crate::telemetry::Batch;
use crate::transport::coding::{Coding, Encoder, Sum};
use crate::transport::dialect::Dialect;

/// The shared encoder of one compressed dialect.
pub(super) struct Chorus {
    pub(super) voice: Voice,
    coding: Coding,
    encoder: Encoder,
    /// The last event that it has written.
    cursor: Seq,
    /// Of all that it has written, across encoders.
    sum: Sum,
    /// What the flush that goes on has to write.
    verses: Vec<Verse>,
    /// Where those who have not joined yet do so.
    joins_at: Option<Seq>,
}

/// What one write to each of its seats holds.
struct Verse {
    after: Seq,
    reach: Reach,
    fresh: bool,
    /// Nothing where all of it is left out.
    bytes: Bytes,
    /// What the chorus had written before it, and with it.
    sums: (Sum, Sum),
    batch: Batch,
}

/// What a seat is written next.
pub(super) struct Next {
    pub(super) bytes: Bytes,
    /// The events in it.
    pub(super) batch: Batch,
    pub(super) reach: Reach,
    /// Where the seat stands with its chorus after it.
    pub(super) part: Part,
}

/// How far a write leads.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reach {
    /// To this event, seen or left out.
    pub(super) to: Seq,
    /// The last that is seen in it; none where none is.
    pub(super) told: Option<Seq>,
}

/// Where a seat stands with its chorus.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Part {
    /// What was written to the seat that the chorus did not write.
    alone: Sum,
    /// What the chorus had written when the seat joined it, and with the last verse that the seat was written.
    joined: Option<(Sum, Sum)>,
}

impl Part {
    /// Whether the chorus writes for it.
    pub(super) fn has_joined(self) -> bool {
        self.joined.is_some()
    }

    /// What was written to the seat.
    pub(super) fn written(self) -> Sum {
        match self.joined {
            Some((since, sung)) => self.alone.then(sung.since(since)),
            None => self.alone,
        }
    }

    /// With what was written to the seat alone.
    pub(super) fn alone(self, written: Sum) -> Self {
        Self {
            alone: self.written().then(written),
            joined: None,
        }
    }
}

/// What is written to seats that have not joined, and refers to nothing and is referred to by nothing.
pub(super) struct Alone {
    voice: Voice,
    reach: Reach,
    sum: Sum,
    bytes: Bytes,
    batch: Batch,
}

impl Alone {
    /// # Errors
    /// Where compression fails.
    pub(super) fn new(voice: Voice, plain: &[u8], reach: Reach, batch: Batch) -> io::Result<Self> {
        let coding = voice.dialect.coding();
        let seam = coding.map_or(&[][..], Coding::seam);
        let mut coded = BytesMut::new();
        match coding {
            _ if plain.is_empty() => {}
            Some(coding) => {
                Encoder::new(coding)?.write(plain, &mut coded)?;
            }
            None => coded.put_slice(plain),
        }
        let sum = match coding {
            Some(Coding::Gzip) => Sum::of(plain),
            Some(Coding::Zstd | Coding::Brotli | Coding::Messages { .. }) | None => Sum::default(),
        };
        let bytes = match plain.is_empty() {
            true => Bytes::new(),
            false => framed(voice.dialect, seam, &coded),
        };
        Ok(Self {
            voice,
            reach,
            sum,
            bytes,
            batch,
        })
    }

    /// The same, of events.
    pub(super) fn next(&self, part: Part) -> Next {
        let (bytes, part) = self.for_seat(part);
        Next {
            bytes: bytes.clone(),
            batch: self.batch.clone(),
            reach: self.reach,
            part,
        }
    }

    /// What is written to a seat with this part, and its part after that.
    pub(super) fn for_seat(&self, part: Part) -> (&Bytes, Part) {
        match self.voice.dialect.coding() {
            None => (&self.bytes, part),
            Some(_) if self.bytes.is_empty() => (&self.bytes, part),
            Some(_) => (&self.bytes, part.alone(self.sum)),
        }
    }
}

/// One write of a dialect.
fn framed(dialect: Dialect, seam: &[u8], coded: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    dialect.framed(&mut bytes, |out| {
        out.put_slice(seam);
        out.put_slice(coded);
    });
    bytes.freeze()
}

impl std::fmt::Debug for Chorus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chorus").finish_non_exhaustive()
    }
}

impl Chorus {
    pub(super) fn new(voice: Voice, coding: Coding) -> io::Result<Self> {
        Ok(Self {
            voice,
            coding,
            encoder: Encoder::new(coding)?,
            cursor: 0,
            sum: Sum::default(),
            verses: Vec::new(),
            joins_at: None,
        })
    }

    /// Writes the verses up to `tail`, for seats with these parts and cursors. A verse that the ring does not hold any more
    /// is not there; who needs it reads the store.
    pub(super) fn compose(
        &mut self,
        stream: &Stream,
        tail: Seq,
        seats: impl Iterator<Item = (Part, Seq)>,
    ) -> io::Result<()> {
        self.verses.clear();
        self.joins_at = None;
        let mut anyone = false;
        for (part, cursor) in seats {
            match part.joined {
                Some(_) => anyone = true,
                None => self.joins_at = self.joins_at.max(Some(cursor)),
            }
        }
        let Some(joins_at) = &mut self.joins_at else {
            return self.sing(stream, tail, false);
        };
        if anyone {
            *joins_at = (*joins_at).max(self.cursor);
        }
        let joins_at = *joins_at;
        if anyone {
            self.sing(stream, joins_at.min(tail), false)?;
        }
        if joins_at < tail {
            self.cursor = joins_at;
            self.sing(stream, tail, true)?;
        }
        Ok(())
    }

    fn sing(&mut self, stream: &Stream, to: Seq, mut fresh: bool) -> io::Result<()> {
        while self.cursor < to {
            let most = usize::try_from(to - self.cursor).unwrap_or(usize::MAX);
            let records = stream.read_ring(self.cursor, most.min(BLOCK_EVENTS), BLOCK_BYTES);
            let Some(last) = records.as_deref().and_then(<[_]>::last) else {
                return Ok(());
            };
            let (after, to) = (self.cursor, last.seq());
            self.cursor = to;
            let records = self.voice.fidelity.seen(records.unwrap_or_default());
            let reach = Reach {
                to,
                told: records.last().map(Record::seq),
            };
            if records.is_empty() {
                self.verses.push(Verse {
                    after,
                    reach,
                    fresh: false,
                    bytes: Bytes::new(),
                    sums: (self.sum, self.sum),
                    batch: Batch::default(),
                });
                continue;
            }
            if fresh {
                self.encoder = Encoder::new(self.coding)?;
            }
            let mut plain = BytesMut::new();
            self.voice.dialect.events(&records, &mut plain);
            let mut coded = BytesMut::new();
            self.encoder.write(&plain, &mut coded)?;
            let seam = if fresh { self.coding.seam() } else { &[] };
            let bytes = framed(self.voice.dialect, seam, &coded);
            let before = self.sum;
            if self.coding == Coding::Gzip {
                self.sum = self.sum.then(Sum::of(&plain));
            }
            let sums = (before, self.sum);
            let batch = Batch::of(&records, bytes.len());
            self.verses.push(Verse {
                after,
                reach,
                fresh,
                bytes,
                sums,
                batch,
            });
            fresh = false;
        }
        Ok(())
    }

    /// What a seat is written next, where the chorus writes it.
    pub(super) fn next(&self, part: Part, cursor: Seq) -> Option<Next> {
        let verse = self.verses.iter().find(|verse| verse.after == cursor)?;
        if verse.bytes.is_empty() {
            return Some(Next {
                bytes: Bytes::new(),
                batch: Batch::default(),
                reach: verse.reach,
                part,
            });
        }
        let (before, sung) = verse.sums;
        let since = match part.joined {
            Some((since, _)) => since,
            None if verse.fresh => before,
            None => return None,
        };
        let joined = Some((since, sung));
        Some(Next {
            bytes: verse.bytes.clone(),
            batch: verse.batch.clone(),
            reach: verse.reach,
            part: Part { joined, ..part },
        })
    }

    /// Events that are for a seat alone, on its way to where it joins.
    ///
    /// # Errors
    /// Where compression fails.
    pub(super) fn alone(&self, stream: &Stream, after: Seq) -> io::Result<Option<Alone>> {
        let to = self.joins_at.unwrap_or_default();
        let most = usize::try_from(to.saturating_sub(after)).unwrap_or(usize::MAX);
        let records = stream.read_ring(after, most.min(BLOCK_EVENTS), BLOCK_BYTES);
        let Some(last) = records.as_deref().and_then(<[_]>::last) else {
            return Ok(None);
        };
        let to = last.seq();
        let records = self.voice.fidelity.seen(records.unwrap_or_default());
        let mut plain = BytesMut::new();
        self.voice.dialect.events(&records, &mut plain);
        let batch = Batch::of(&records, plain.len());
        let told = records.last().map(Record::seq);
        Alone::new(self.voice, &plain, Reach { to, told }, batch).map(Some)
    }
}
