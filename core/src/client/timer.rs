//! The machine's timers, by name, in one table: nothing else in the client remembers a deadline.

use crate::time::Time;

/// What the machine waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Timer {
    /// The next dial.
    Dial,
    /// A connection that was dialled must have spoken.
    FirstByte,
    /// A connection that spoke must have spoken again.
    Stale,
    /// A connection that was asked whether it lives must have answered.
    Probe,
}

impl Timer {
    const ALL: [Self; 4] = [Self::Dial, Self::FirstByte, Self::Stale, Self::Probe];
}

/// When each timer rings; none where it is not set.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers([Option<Time>; Timer::ALL.len()]);

impl Timers {
    pub(super) fn set(&mut self, timer: Timer, at: Time) {
        self.put(timer, Some(at));
    }

    pub(super) fn stop(&mut self, timer: Timer) {
        self.put(timer, None);
    }

    pub(super) fn stop_all(&mut self) {
        *self = Self::default();
    }

    /// Takes out one timer that has rung.
    pub(super) fn expired(&mut self, now: Time) -> Option<Timer> {
        let timer = Timer::ALL
            .into_iter()
            .find(|&timer| self.at(timer).is_some_and(|at| at <= now))?;
        self.stop(timer);
        Some(timer)
    }

    /// When the first one rings.
    pub(super) fn next(&self) -> Option<Time> {
        self.0.iter().flatten().min().copied()
    }

    fn at(&self, timer: Timer) -> Option<Time> {
        self.0.get(timer as usize).copied().flatten()
    }

    fn put(&mut self, timer: Timer, at: Option<Time>) {
        if let Some(slot) = self.0.get_mut(timer as usize) {
            *slot = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_ring_once_and_the_next_is_the_earliest() {
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);
        timers.set(Timer::Stale, Time::from_millis(20));
        timers.set(Timer::Dial, Time::from_millis(10));
        timers.set(Timer::Dial, Time::from_millis(15));
        assert_eq!(timers.next(), Some(Time::from_millis(15)));
        assert_eq!(timers.expired(Time::from_millis(14)), None);
        assert_eq!(timers.expired(Time::from_millis(15)), Some(Timer::Dial));
        assert_eq!(timers.expired(Time::from_millis(15)), None);
        timers.stop_all();
        assert_eq!(timers.next(), None);
    }
}
