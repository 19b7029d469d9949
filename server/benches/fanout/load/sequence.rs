//! What one subscriber has got: each event once and in order, or it is told how not.

/// A subscriber's place in its stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Sequence {
    /// The highest number that came.
    pub(super) last: u64,
    /// Numbers that were passed over, first and last; none but where something is wrong.
    holes: Vec<(u64, u64)>,
    pub(super) doubled: u64,
    pub(super) reordered: u64,
}

impl Sequence {
    /// Whether the number is new.
    pub(super) fn take(&mut self, n: u64) -> bool {
        if n > self.last {
            if n > self.last + 1 {
                self.holes.push((self.last + 1, n - 1));
            }
            self.last = n;
            return true;
        }
        let Some(at) = self.holes.iter().position(|&(a, b)| (a..=b).contains(&n)) else {
            self.doubled += 1;
            return false;
        };
        let (from, to) = self.holes.swap_remove(at);
        let halves = [(from, n - 1), (n + 1, to)];
        self.holes.extend(halves.iter().filter(|(a, b)| a <= b));
        self.reordered += 1;
        true
    }

    /// Takes a run of so many numbers up to `n`, which comes where the former ended; whether any is new.
    pub(super) fn take_run(&mut self, n: u64, length: u64) -> bool {
        let before = n - length;
        if before > self.last {
            self.holes.push((self.last + 1, before));
        }
        self.doubled += self.last.saturating_sub(before).min(length);
        let is_new = n > self.last;
        self.last = self.last.max(n);
        is_new
    }

    /// How many of the first `emitted` never came.
    pub(super) fn lost(&self, emitted: u64) -> u64 {
        let holes: u64 = self.holes.iter().map(|(from, to)| to - from + 1).sum();
        holes + emitted.saturating_sub(self.last)
    }
}
