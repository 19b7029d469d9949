//! What was counted, and when: close together for the last hours, and further apart for the whole window.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// How much was counted, and how much of it was good.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Counts {
    /// What was good.
    pub good: u64,
    /// All of it.
    pub total: u64,
}

/// Counts at one time, since the objective is watched.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Sample {
    /// Milliseconds since 1970.
    pub(super) at: u64,
    #[serde(flatten)]
    pub(super) counts: Counts,
}

/// The samples of one objective, the oldest first.
#[derive(Clone, Debug)]
pub(super) struct History {
    window_ms: u64,
    fine: VecDeque<Sample>,
    coarse: VecDeque<Sample>,
    /// What a former process counted.
    before: Counts,
    /// The last look.
    last: Sample,
}

impl Counts {
    /// What is good of it; none where there is nothing.
    pub(super) fn share(self) -> Option<f64> {
        (self.total > 0).then(|| self.good as f64 / self.total as f64)
    }

    fn plus(self, other: Self) -> Self {
        Self {
            good: self.good + other.good,
            total: self.total + other.total,
        }
    }

    fn since(self, then: Self) -> Self {
        let total = self.total.saturating_sub(then.total);
        // counters are read one after another, so that a few may be in one of them only
        let good = self.good.saturating_sub(then.good).min(total);
        Self { good, total }
    }
}

impl History {
    /// Begins now, with nothing.
    pub(super) fn new(window_seconds: u64, now: u64) -> Self {
        let counts = Counts::default();
        Self::with(window_seconds, VecDeque::new(), Sample { at: now, counts })
    }

    /// Goes on with what was saved: the samples, and the last look.
    pub(super) fn with(window_seconds: u64, coarse: VecDeque<Sample>, last: Sample) -> Self {
        let mut history = Self {
            window_ms: window_seconds * 1000,
            fine: VecDeque::from([last]),
            coarse,
            before: last.counts,
            last,
        };
        if history.coarse.is_empty() {
            history.coarse.push_back(last);
        }
        history
    }

    /// What was counted since the objective is watched.
    pub(super) fn ever(&self) -> Counts {
        self.last.counts
    }

    /// What goes into the file.
    pub(super) fn saved(&self) -> (&VecDeque<Sample>, Sample) {
        (&self.coarse, self.last)
    }

    /// Takes what this process has counted by now.
    pub(super) fn observe(&mut self, counts: Counts, now: u64) {
        // a clock that was set back stands still until it is there again
        let at = now.max(self.last.at);
        let counts = self.before.plus(counts);
        self.last = Sample { at, counts };
        let window = self.window_ms;
        note(&mut self.fine, self.last, window / 86_400, window / 100);
        note(&mut self.coarse, self.last, window / 1000, window);
    }

    /// What was counted in the last seconds, or since the beginning where that is shorter.
    pub(super) fn within(&self, seconds: u64) -> Counts {
        let then = self.last.at.saturating_sub(seconds * 1000);
        let found = [&self.fine, &self.coarse].into_iter();
        let found = found.filter_map(|samples| before(samples, then));
        let sample = found.max_by_key(|sample| sample.at);
        let begun = || self.coarse.front().copied();
        let sample = sample.or_else(begun).unwrap_or(self.last);
        self.last.counts.since(sample.counts)
    }
}

/// Adds a sample where the last one is so old, and lets go of what is too old.
fn note(samples: &mut VecDeque<Sample>, sample: Sample, step: u64, keep: u64) {
    let last = samples.back().map_or(0, |last| last.at);
    if sample.at.saturating_sub(last) < step.max(1) {
        return;
    }
    samples.push_back(sample);
    let oldest = sample.at.saturating_sub(keep);
    // the newest one before the time that is asked for has to be there
    while samples.get(1).is_some_and(|second| second.at <= oldest) {
        samples.pop_front();
    }
}

/// The newest sample that is not after this time.
fn before(samples: &VecDeque<Sample>, at: u64) -> Option<Sample> {
    let behind = samples.partition_point(|sample| sample.at <= at);
    samples.get(behind.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn counts(good: u64, total: u64) -> Counts {
        Counts { good, total }
    }

    #[test]
    fn each_window_has_what_came_in_it() {
        let mut history = History::new(30 * DAY, 0);
        // one a second, all good for 40 days; in the last hour a tenth is bad
        let (mut good, mut total) = (0, 0);
        let end = 40 * DAY;
        for at in (0..=end).step_by(10) {
            let bad = u64::from(at > end - 3600);
            good += 10 - bad;
            total += 10;
            history.observe(counts(good, total), at * 1000);
        }
        for (seconds, share) in [(300, 0.9), (3600, 0.9), (6 * 3600, 1.0 - 0.1 / 6.0)] {
            let within = history.within(seconds);
            let expected = seconds as f64;
            assert!(
                (within.total as f64 - expected).abs() < 0.12 * expected,
                "{within:?}"
            );
            assert!(
                (within.share().unwrap() - share).abs() < 0.003,
                "{within:?}"
            );
        }
        let month = history.within(30 * DAY);
        let expected = (30 * DAY) as f64;
        assert!(
            (month.total as f64 / expected - 1.0).abs() < 0.002,
            "{month:?}"
        );
        assert_eq!(month.total - month.good, 360);
        // it costs the same however long it goes on
        assert!(history.fine.len() < 900 && history.coarse.len() < 1010);
    }

    #[test]
    fn a_new_process_goes_on_where_the_last_one_was() {
        let mut history = History::new(DAY, 0);
        history.observe(counts(90, 100), 3_600_000);
        let (coarse, last) = history.saved();
        let mut again = History::with(DAY, coarse.clone(), last);
        assert_eq!(again.within(DAY), counts(90, 100));
        again.observe(counts(5, 5), 7_200_000);
        assert_eq!(again.within(DAY), counts(95, 105));
        assert_eq!(again.within(60), counts(5, 5));
        // set back by an hour: nothing is lost, and nothing comes twice
        again.observe(counts(6, 6), 3_600_000);
        assert_eq!(again.within(DAY), counts(96, 106));
    }

    #[test]
    fn without_anything_there_is_no_share() {
        let history = History::new(DAY, 0);
        assert_eq!(history.within(DAY), counts(0, 0));
        assert_eq!(history.within(60).share(), None);
    }
}
