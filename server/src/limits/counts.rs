//! How many each has at once. Who has none costs nothing.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts of what each key has at once; cheap to clone.
#[derive(Debug)]
pub(crate) struct Counts<K>(Arc<Mutex<HashMap<K, usize>>>);

/// One of them, until it is dropped.
pub(crate) struct Place<K: Hash + Eq> {
    counts: Counts<K>,
    key: K,
}

impl<K: Hash + Eq + Clone> Counts<K> {
    /// One more for `key`; none where it has `most`.
    pub(crate) fn enter(&self, key: K, most: usize) -> Option<Place<K>> {
        let mut counts = self.lock();
        let count = counts.entry(key.clone()).or_default();
        if *count >= most {
            if *count == 0 {
                counts.remove(&key);
            }
            return None;
        }
        *count += 1;
        drop(counts);
        let counts = self.clone();
        Some(Place { counts, key })
    }
}

impl<K> Counts<K> {
    /// Every holder leaves the map valid between two statements.
    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Clone for Counts<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Hash + Eq> Drop for Place<K> {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

impl<K: Hash + Eq> fmt::Debug for Place<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn places_are_given_back_and_leave_nothing_behind() {
        let counts = Counts::default();
        let one = counts.enter("a", 2).unwrap();
        let two = counts.enter("a", 2).unwrap();
        assert!(counts.enter("a", 2).is_none());
        assert!(counts.enter("b", 0).is_none());
        let other = counts.enter("b", 1).unwrap();
        drop(one);
        assert!(counts.enter("a", 2).is_some());
        drop((two, other));
        assert!(counts.lock().is_empty());
    }
}
