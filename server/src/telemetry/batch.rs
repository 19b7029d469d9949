//! Events that are given to a socket together.

use std::time::{Duration, Instant};

use stepcast_core::id::Seq;

use crate::clock::unix_millis;
use crate::log::Record;

/// What one call gives to a socket: how much, and when the events of it were accepted that are no replay.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    pub(super) events: u64,
    pub(super) bytes: u64,
    /// When the first of some events was accepted, and how many they are: nearly always there is one such group.
    first: Option<Group>,
    more: Vec<Group>,
}

/// Events that were accepted together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) accepted: Instant,
    pub(super) events: u64,
}

impl Batch {
    /// Of these events, written as so many bytes.
    pub(crate) fn of<'a>(records: impl IntoIterator<Item = &'a Record>, bytes: usize) -> Self {
        let mut batch = Self::default();
        batch.wrote(bytes);
        records.into_iter().for_each(|record| batch.add(record));
        batch
    }

    /// An event is among them.
    pub(crate) fn add(&mut self, record: &Record) {
        self.events += 1;
        if let Some(at) = record.accepted() {
            self.accepted(at);
        }
    }

    /// So many bytes are written.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = Group> {
        self.first.into_iter().chain(self.more.iter().copied())
    }

    fn accepted(&mut self, accepted: Instant) {
        let full = self.more.len() >= GROUPS;
        let group = Group {
            accepted,
            events: 1,
        };
        let Some(first) = &mut self.first else {
            self.first = Some(group);
            return;
        };
        let last = self.more.last_mut().unwrap_or(first);
        // the first one's time counts for all of a group, so that none is told as quicker than it was
        if full || accepted.saturating_duration_since(last.accepted) <= TOGETHER {
            last.events += 1;
        } else {
            self.more.push(group);
        }
    }
}

/// Says of the events that a reader is given whether they were there before it came: those up to `began` are a replay,
/// and late for nobody. Of those that a store gave back, their own time tells when they were accepted.
pub(crate) fn tell_replay(records: &mut [Record], began: Seq) {
    let (now, wall) = (Instant::now(), unix_millis());
    for record in records {
        if record.seq() <= began {
            record.set_accepted(None);
        } else if record.accepted().is_none() {
            let ago = record.unix_millis().map(|at| wall.saturating_sub(at));
            let accepted = ago.and_then(|ms| now.checked_sub(Duration::from_millis(ms)));
            record.set_accepted(accepted);
        }
    }
}

/// Events accepted within so long are one group: a fifth of the shortest time that is told apart.
const TOGETHER: Duration = Duration::from_micros(50);

/// Groups told apart, of what is written at once.
const GROUPS: usize = 64;
