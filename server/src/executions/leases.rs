//! Which executions end if nothing more is heard of them, and when: one timer for all.
//!
//! Renewing a lease moves nothing in the order of times; the timer finds the later time when it comes to the
//! earlier one.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stepcast_core::id::ExecutionId;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What an execution waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Awaited {
    /// A word of its producer.
    Producer,
    /// Somebody who starts it.
    Start,
    /// An answer, after which, or without which, it goes on.
    Answer,
}

/// The leases of this process.
#[derive(Debug, Default)]
pub(super) struct Leases {
    state: Mutex<State>,
    /// Told when a lease comes first that was not.
    earlier: Notify,
}

#[derive(Debug, Default)]
struct State {
    leases: HashMap<Arc<ExecutionId>, Lease>,
    /// The time at which each is looked at, which is not after its end.
    times: BTreeSet<(Instant, Arc<ExecutionId>)>,
    producers: usize,
    starts: usize,
    answers: usize,
}

#[derive(Debug)]
struct Lease {
    awaited: Awaited,
    /// None where it ends at its time, whatever is heard of it.
    length: Option<Duration>,
    end: Instant,
    /// Its time in the order; none while somebody looks at it.
    listed: Option<Instant>,
}

/// A lease that is counted, and belongs to no execution yet.
#[derive(Debug)]
pub(super) struct Place<'a> {
    leases: &'a Leases,
    awaited: Awaited,
    granted: bool,
}

impl Leases {
    /// A place among at most `most` of the kind.
    pub(super) fn reserve(&self, awaited: Awaited, most: usize) -> Option<Place<'_>> {
        let mut state = self.state();
        let count = state.count(awaited);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place {
            leases: self,
            awaited,
            granted: false,
        })
    }

    /// A place for an execution that is there already, however many there are.
    pub(super) fn reserve_any(&self, awaited: Awaited) -> Place<'_> {
        *self.state().count(awaited) += 1;
        Place {
            leases: self,
            awaited,
            granted: false,
        }
    }

    /// Something was heard of it.
    pub(super) fn renew(&self, id: &ExecutionId) {
        if let Some(lease) = self.state().leases.get_mut(id) {
            lease.end = lease.length.map_or(lease.end, |it| Instant::now() + it);
        }
    }

    /// It has ended, or was started.
    pub(super) fn end(&self, id: &ExecutionId) {
        let mut state = self.state();
        let Some((id, lease)) = state.leases.remove_entry(id) else {
            return;
        };
        *state.count(lease.awaited) -= 1;
        if let Some(listed) = lease.listed {
            state.times.remove(&(listed, id));
        }
    }

    /// Whether it has run out: what is awaited then.
    pub(super) fn run_out(&self, id: &ExecutionId) -> Option<Awaited> {
        let state = self.state();
        let lease = state.leases.get(id)?;
        (lease.end <= Instant::now()).then_some(lease.awaited)
    }

    /// Waits until some leases have run out. Each is looked at again after [`Leases::look_again`].
    pub(super) async fn due(&self) -> Vec<Arc<ExecutionId>> {
        loop {
            let earlier = self.earlier.notified();
            let (due, next) = self.state().take_due(Instant::now());
            if !due.is_empty() {
                return due;
            }
            match next {
                Some(next) => tokio::select! {
                    () = tokio::time::sleep_until(next) => {}
                    () = earlier => {}
                },
                None => earlier.await,
            }
        }
    }

    /// Puts one that was due back into the order, after a while at the least, where it has not ended.
    pub(super) fn look_again(&self, id: &ExecutionId) {
        let mut state = self.state();
        let Some((id, lease)) = state.leases.get_key_value(id) else {
            return;
        };
        if lease.listed.is_none() {
            let (id, at) = (id.clone(), lease.end.max(Instant::now() + AGAIN));
            state.list(id, at);
        }
    }

    /// How many there are, of producers, and of those that nobody has started.
    pub(super) fn counts(&self) -> (usize, usize) {
        let state = self.state();
        (state.producers, state.starts)
    }

    /// Executions that wait.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.state().leases.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// The execution's lease begins.
    pub(super) fn grant(self, id: &ExecutionId, length: Duration) {
        self.give(id, Some(length), Instant::now() + length);
    }

    /// The same, of one that nothing renews.
    pub(super) fn grant_until(self, id: &ExecutionId, left: Duration) {
        self.give(id, None, Instant::now() + left);
    }

    fn give(mut self, id: &ExecutionId, length: Option<Duration>, end: Instant) {
        self.leases.end(id);
        let id = Arc::new(id.clone());
        let mut state = self.leases.state();
        let lease = Lease {
            awaited: self.awaited,
            length,
            end,
            listed: None,
        };
        state.leases.insert(id.clone(), lease);
        self.granted = true;
        if state.list(id, end) {
            self.leases.earlier.notify_one();
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.granted {
            *self.leases.state().count(self.awaited) -= 1;
        }
    }
}

impl State {
    fn count(&mut self, awaited: Awaited) -> &mut usize {
        match awaited {
            Awaited::Producer => &mut self.producers,
            Awaited::Start => &mut self.starts,
            Awaited::Answer => &mut self.answers,
        }
    }

    /// True where it is the first now.
    fn list(&mut self, id: Arc<ExecutionId>, at: Instant) -> bool {
        if let Some(lease) = self.leases.get_mut(&id) {
            lease.listed = Some(at);
        }
        let first = self.times.first().is_none_or(|(first, _)| at < *first);
        self.times.insert((at, id));
        first
    }

    /// Those that have run out, and the time of the next.
    fn take_due(&mut self, now: Instant) -> (Vec<Arc<ExecutionId>>, Option<Instant>) {
        let mut due = Vec::new();
        while let Some((at, id)) = self.times.pop_first() {
            if at > now {
                self.times.insert((at, id));
                return (due, Some(at));
            }
            let Some(lease) = self.leases.get_mut(&id) else {
                continue;
            };
            lease.listed = None;
            if lease.end > now {
                let end = lease.end;
                self.list(id, end);
            } else {
                due.push(id);
            }
        }
        (due, None)
    }
}

/// How long one that could not be ended is left alone.
const AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> ExecutionId {
        format!("e{n}").parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn leases_end_in_order_and_a_renewed_one_later() {
        let leases = Leases::default();
        for n in 0..3 {
            let place = leases.reserve(Awaited::Producer, 3).unwrap();
            place.grant(&id(n), Duration::from_secs(10 + n as u64));
        }
        assert!(leases.reserve(Awaited::Producer, 3).is_none());
        drop(leases.reserve(Awaited::Start, 1).unwrap());
        drop(
            leases
                .reserve(Awaited::Start, 1)
                .expect("the place was given back"),
        );
        let start = Instant::now();
        tokio::time::advance(Duration::from_secs(5)).await;
        leases.renew(&id(0));
        for (n, seconds) in [(1, 11), (2, 12), (0, 15)] {
            assert_eq!(leases.due().await, [Arc::new(id(n))]);
            assert_eq!((Instant::now() - start).as_secs(), seconds);
            assert_eq!(leases.run_out(&id(n)), Some(Awaited::Producer));
            leases.end(&id(n));
        }
        assert_eq!(leases.len(), 0);
        assert!(leases.reserve(Awaited::Producer, 1).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_could_not_be_ended_is_due_again_and_one_that_was_renewed_meanwhile_is_not() {
        let leases = Leases::default();
        for n in 0..2 {
            let place = leases.reserve_any(Awaited::Start);
            place.grant(&id(n), Duration::from_secs(10));
        }
        assert_eq!(leases.due().await.len(), 2);
        leases.renew(&id(0));
        leases.look_again(&id(0));
        leases.look_again(&id(1));
        assert_eq!(leases.due().await, [Arc::new(id(1))]);
        leases.end(&id(1));
        assert_eq!(leases.due().await, [Arc::new(id(0))]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_lease_wakes_the_timer() {
        let leases = Arc::new(Leases::default());
        leases
            .reserve_any(Awaited::Producer)
            .grant(&id(0), Duration::from_secs(1000));
        let waiting = tokio::spawn({
            let leases = leases.clone();
            async move { leases.due().await }
        });
        tokio::task::yield_now().await;
        leases
            .reserve_any(Awaited::Producer)
            .grant(&id(1), Duration::from_secs(1));
        assert_eq!(waiting.await.unwrap(), [Arc::new(id(1))]);
    }
}
