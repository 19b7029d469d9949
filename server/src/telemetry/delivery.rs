//! What leaves, and how it gets there: counters for each way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use stepcast_core::control::GapReason;
use stepcast_core::id::{Cursor, Epoch, Seq};

use super::batch::Batch;
use super::clients::Clients;
use super::connection::{END_COUNT, End};
use super::histogram::Histogram;
use super::lane::{LANES, Lane};
use super::readers::Readers;

/// Counters of everything that leaves this process.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// Whether what is written is measured; connections are in any case.
    measures: bool,
    lanes: Vec<LaneCounts>,
    /// Connections for which a fan writes.
    seated: AtomicU64,
    readers: Readers,
    /// What clients tell of it.
    clients: Clients,
}

/// Counters of one way.
#[derive(Debug, Default)]
pub(super) struct LaneCounts {
    pub(super) opened: AtomicU64,
    pub(super) closed: [AtomicU64; END_COUNT],
    pub(super) events: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) latency: Histogram,
    pub(super) resumed_exactly: AtomicU64,
    pub(super) resumed_otherwise: AtomicU64,
    pub(super) gaps_by_retention: AtomicU64,
    pub(super) gaps_by_epoch: AtomicU64,
    pub(super) missing: AtomicU64,
}

/// How many readers came back to a place, and how many of them miss nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Resumes {
    pub(crate) tried: u64,
    pub(crate) exact: u64,
}

impl Resumes {
    /// A reader comes back to a log that holds the events from `earliest` to `last`.
    pub(crate) fn add(&mut self, cursor: Cursor, epoch: Epoch, (earliest, last): (Seq, Seq)) {
        self.tried += 1;
        let holds = earliest <= cursor.seq.saturating_add(1) && cursor.seq <= last;
        self.exact += u64::from(cursor.epoch == epoch && holds);
    }
}

impl Delivery {
    pub(crate) fn new(measures: bool) -> Self {
        Self {
            measures,
            lanes: (0..LANES).map(|_| LaneCounts::default()).collect(),
            seated: AtomicU64::new(0),
            readers: Readers::default(),
            clients: Clients::default(),
        }
    }

    /// Whether what is written is measured.
    pub(crate) fn measures(&self) -> bool {
        self.measures
    }

    /// This was given whole to so many sockets of one way.
    pub(crate) fn delivered(&self, lane: Lane, batch: &Batch, now: Instant, sockets: u64) {
        let Some(counts) = self.lane(lane).filter(|_| self.measures) else {
            return;
        };
        let add = |counter: &AtomicU64, n: u64| counter.fetch_add(n, Ordering::Relaxed);
        add(&counts.events, batch.events * sockets);
        add(&counts.bytes, batch.bytes * sockets);
        for group in batch.groups() {
            let took = now.saturating_duration_since(group.accepted);
            counts.latency.observe(took, group.events * sockets);
        }
    }

    /// So many bytes were given to a socket beside events.
    pub(crate) fn wrote(&self, lane: Lane, bytes: usize) {
        if let Some(counts) = self.lane(lane).filter(|_| self.measures) {
            counts.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// A reader was told that so many events are missing.
    pub(crate) fn gap(&self, lane: Lane, reason: GapReason, missing: u64) {
        let Some(counts) = self.lane(lane) else {
            return;
        };
        let by = match reason {
            GapReason::Epoch => &counts.gaps_by_epoch,
            GapReason::Retention | GapReason::Transport | _ => &counts.gaps_by_retention,
        };
        by.fetch_add(1, Ordering::Relaxed);
        counts.missing.fetch_add(missing, Ordering::Relaxed);
    }

    /// Readers came back.
    pub(crate) fn resumed(&self, lane: Lane, resumes: Resumes) {
        if let Some(counts) = self.lane(lane).filter(|_| resumes.tried > 0) {
            let otherwise = resumes.tried.saturating_sub(resumes.exact);
            let add = |counter: &AtomicU64, n: u64| counter.fetch_add(n, Ordering::Relaxed);
            add(&counts.resumed_exactly, resumes.exact);
            add(&counts.resumed_otherwise, otherwise);
        }
    }

    pub(super) fn opened(&self, lane: Lane) {
        if let Some(counts) = self.lane(lane) {
            counts.opened.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn ended(&self, lane: Lane, end: End) {
        let counts = self.lane(lane);
        if let Some(count) = counts.and_then(|counts| counts.closed.get(end.index())) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A fan writes for one connection more, until this is dropped.
    pub(crate) fn seated(&self) -> Seated<'_> {
        self.seated.fetch_add(1, Ordering::Relaxed);
        Seated(self)
    }

    /// Connections for which a fan writes.
    pub(super) fn seats(&self) -> u64 {
        self.seated.load(Ordering::Relaxed)
    }

    /// Where readers stand that read for themselves.
    pub(crate) fn readers(&self) -> &Readers {
        &self.readers
    }

    /// What clients tell of how late events come to them.
    pub(crate) fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Of the deliveries that were measured, those that took no longer than this bound; and how many there are.
    pub(crate) fn within(&self, micros: u64) -> (u64, u64) {
        self.lanes.iter().fold((0, 0), |(good, total), counts| {
            let times = counts.latency.times();
            (good + times.within(micros), total + times.count())
        })
    }

    /// Readers that came back and miss nothing, and all that came back.
    pub(crate) fn resumes_exact(&self) -> (u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.lanes.iter().fold((0, 0), |(exact, all), counts| {
            let (good, bad) = (&counts.resumed_exactly, &counts.resumed_otherwise);
            let good = read(good);
            (exact + good, all + good + read(bad))
        })
    }

    /// The counters of a way that anybody has taken.
    pub(super) fn used(&self) -> impl Iterator<Item = (Lane, &LaneCounts)> {
        Lane::all()
            .zip(&self.lanes)
            .filter(|(_, counts)| counts.opened.load(Ordering::Relaxed) > 0)
    }

    fn lane(&self, lane: Lane) -> Option<&LaneCounts> {
        self.lanes.get(lane.index())
    }
}

impl LaneCounts {
    /// Connections that are open.
    pub(super) fn open(&self) -> u64 {
        // the ends first: an end that is counted had its beginning counted
        let closed: u64 = self
            .closed
            .iter()
            .map(|it| it.load(Ordering::Relaxed))
            .sum();
        self.opened.load(Ordering::Relaxed).saturating_sub(closed)
    }
}

/// A connection for which a fan writes.
#[derive(Debug)]
pub(crate) struct Seated<'a>(&'a Delivery);

impl Drop for Seated<'_> {
    fn drop(&mut self) {
        self.0.seated.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sockets that a fan writes to between two looks at the clock: some hundred microseconds.
pub(crate) const AT_ONCE: usize = 32;
