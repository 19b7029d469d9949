//! Where readers stand that read the log for themselves.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use stepcast_core::id::Seq;

use crate::log::Stream;

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readers(Arc<Mutex<Places>>);

#[derive(Debug, Default)]
struct Places {
    by_number: HashMap<u64, Arc<Standing>>,
    next: u64,
}

#[derive(Debug)]
struct Standing {
    stream: Weak<Stream>,
    written: AtomicU64,
}

/// One reader's place, for as long as it reads.
#[derive(Debug)]
pub(crate) struct Place {
    readers: Readers,
    number: u64,
    standing: Arc<Standing>,
}

/// How far readers are behind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Lag {
    /// Readers that have not been given everything.
    pub(crate) behind: u64,
    /// Events that the slowest of them has still to get.
    pub(crate) most: u64,
}

impl Readers {
    /// A reader of this log has come.
    pub(crate) fn enter(&self, stream: &Arc<Stream>, written: Seq) -> Place {
        let standing = Arc::new(Standing {
            stream: Arc::downgrade(stream),
            written: AtomicU64::new(written),
        });
        let mut places = self.lock();
        let number = places.next;
        places.next += 1;
        places.by_number.insert(number, standing.clone());
        drop(places);
        Place {
            readers: self.clone(),
            number,
            standing,
        }
    }

    /// How far they are behind at this moment.
    pub(crate) fn lag(&self) -> Lag {
        let standing: Vec<Arc<Standing>> = self.lock().by_number.values().cloned().collect();
        let mut lag = Lag::default();
        for one in standing {
            // letting go of a stream takes locks of its own
            let Some(stream) = one.stream.upgrade() else {
                continue;
            };
            let written = one.written.load(Ordering::Relaxed);
            lag.add(stream.tail().last_seq.saturating_sub(written), 1);
        }
        lag
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lag {
    /// So many readers more are so many events behind.
    pub(crate) fn add(&mut self, events: u64, readers: u64) {
        if events > 0 {
            self.behind += readers;
            self.most = self.most.max(events);
        }
    }
}

impl Place {
    /// The reader has been given everything up to here.
    pub(crate) fn written(&self, seq: Seq) {
        self.standing.written.fetch_max(seq, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.readers.lock().by_number.remove(&self.number);
    }
}
