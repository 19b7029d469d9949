//! How often each user may ask for what is dear, and how much of it they may have at once.
//!
//! Counted is by user; by address where nobody, or a link to a shared run, is all that is known.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{Quota, RateLimiter};

use super::{Counts, LimitSettings, Place};
use crate::access::Identity;
use crate::edge::{Network, Source};
use crate::error::Problem;

/// Whom something is counted for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Who {
    /// This user, wherever they are.
    User(String),
    /// Whoever is there; nothing where that is not known.
    At(Option<Network>),
}

/// What is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Streams that are opened.
    Open,
    /// Runs that are started.
    Start,
}

/// A stream's place among those of its user, until the last of its copies is dropped.
pub(crate) type StreamPlace = Arc<Place<Who>>;

/// Too much: it may be asked for again after so long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Later(pub(crate) Duration);

/// What every user has asked for lately.
pub(crate) struct Rates {
    opens: Option<Keyed>,
    starts: Option<Keyed>,
    bytes: Flow,
    events: Flow,
    streams: Counts<Who>,
    most_streams: usize,
}

/// So much in a second for each, and after a rest so much at once.
struct Flow {
    limiter: Option<Keyed>,
    at_once: u32,
}

type Keyed = governor::DefaultKeyedRateLimiter<Who>;

impl Who {
    pub(crate) fn of(identity: &Identity, source: Source) -> Self {
        match identity.user() {
            Some(user) => Self::User(user.to_owned()),
            None => Self::At(source.address.map(Network::of)),
        }
    }
}

impl Rates {
    /// `largest_body` is what may always be sent at once, in bytes.
    pub(crate) fn new(settings: &LimitSettings, largest_body: usize) -> Self {
        let a_minute = |most| {
            Some(RateLimiter::keyed(Quota::per_minute(NonZeroU32::new(
                most,
            )?)))
        };
        let body = u32::try_from(largest_body).unwrap_or(u32::MAX);
        let (bytes, events) = (
            settings.ingest_bytes_per_second,
            settings.ingest_events_per_second,
        );
        Self {
            opens: a_minute(settings.opens_per_minute),
            starts: a_minute(settings.starts_per_minute),
            bytes: Flow::new(bytes, body),
            events: Flow::new(events, events.saturating_mul(AT_ONCE)),
            streams: Counts::default(),
            most_streams: settings.streams_per_user,
        }
    }

    /// Counts one more.
    ///
    /// # Errors
    /// Where there were too many of them lately; it is not counted then.
    pub(crate) fn take(&self, who: &Who, kind: Kind) -> Result<(), Later> {
        let limiter = match kind {
            Kind::Open => &self.opens,
            Kind::Start => &self.starts,
        };
        check(limiter.as_ref(), who, NonZeroU32::MIN)
    }

    /// Counts so many bytes of events; more than are ever to be had at once count as that many.
    ///
    /// # Errors
    /// Where there were too many lately; they are not counted then.
    pub(crate) fn bytes(&self, who: &Who, bytes: usize) -> Result<(), Later> {
        self.bytes.take(who, bytes)
    }

    /// Counts so many events; more than are ever to be had at once count as that many.
    ///
    /// # Errors
    /// Where there were too many lately; they are not counted then.
    pub(crate) fn events(&self, who: &Who, events: usize) -> Result<(), Later> {
        self.events.take(who, events)
    }

    /// A place for one more stream.
    ///
    /// # Errors
    /// Where they have as many as they may.
    pub(crate) fn stream(&self, who: &Who) -> Result<Option<StreamPlace>, Later> {
        if self.most_streams == 0 {
            return Ok(None);
        }
        let place = self.streams.enter(who.clone(), self.most_streams);
        place.map(|place| Some(Arc::new(place))).ok_or(Later(SOON))
    }
}

impl Flow {
    /// No limit where `per_second` is 0; `at_once` is at least that much.
    fn new(per_second: u32, at_once: u32) -> Self {
        let at_once = at_once.max(per_second);
        let rates = NonZeroU32::new(per_second).zip(NonZeroU32::new(at_once));
        let quota = rates.map(|(rate, burst)| Quota::per_second(rate).allow_burst(burst));
        Self {
            limiter: quota.map(RateLimiter::keyed),
            at_once,
        }
    }

    fn take(&self, who: &Who, amount: usize) -> Result<(), Later> {
        let amount = u32::try_from(amount).unwrap_or(u32::MAX).min(self.at_once);
        NonZeroU32::new(amount).map_or(Ok(()), |it| check(self.limiter.as_ref(), who, it))
    }
}

fn check(limiter: Option<&Keyed>, who: &Who, cells: NonZeroU32) -> Result<(), Later> {
    let Some(limiter) = limiter else {
        return Ok(());
    };
    if limiter.len() >= MOST {
        limiter.retain_recent();
    }
    // where that many were there lately, those who are not known share what one has
    let crowded = limiter.len() >= MOST && matches!(who, Who::At(_));
    let shared = Who::At(None);
    let who = if crowded { &shared } else { who };
    match limiter.check_key_n(who, cells) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(later)) => Err(Later(later.wait_time_from(DefaultClock::default().now()))),
        // more than was ever to be had at once: after a full rest is the best time
        Err(_never) => Err(Later(SOON)),
    }
}

impl Later {
    /// In words.
    pub(crate) fn told(self) -> String {
        let seconds = self.seconds();
        format!(
            "Too many at once, or too many in a minute: come back in {seconds} s. The settings are in [limits]."
        )
    }

    /// In whole seconds, at least one.
    pub(crate) fn seconds(self) -> u64 {
        self.0.as_secs() + 1
    }
}

impl From<Later> for Problem {
    fn from(later: Later) -> Self {
        Self::too_many(later.told(), later.seconds())
    }
}

impl fmt::Debug for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rates").finish_non_exhaustive()
    }
}

/// Seconds' worth of events that are to be had after a rest: a producer sends what it has gathered while it was away.
const AT_ONCE: u32 = 10;

/// When a place may have become free.
const SOON: Duration = Duration::from_secs(5);

/// Users and addresses that are remembered: who has not asked for a minute is forgotten first.
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(change: impl FnOnce(&mut LimitSettings)) -> Rates {
        let mut settings = LimitSettings::default();
        change(&mut settings);
        Rates::new(&settings, 100)
    }

    fn user(name: &str) -> Who {
        Who::User(name.to_owned())
    }

    #[test]
    fn each_has_their_own_count_and_is_told_when_to_come_back() {
        let rates = rates(|it| it.opens_per_minute = 3);
        let (alice, bob) = (user("alice"), user("bob"));
        for _ in 0..3 {
            assert_eq!(rates.take(&alice, Kind::Open), Ok(()));
        }
        let later = rates.take(&alice, Kind::Open).unwrap_err();
        // a place comes back every 20 seconds
        assert!((1..=21).contains(&later.seconds()), "{later:?}");
        assert_eq!(rates.take(&alice, Kind::Start), Ok(()));
        assert_eq!(rates.take(&bob, Kind::Open), Ok(()));
    }

    #[test]
    fn nothing_is_counted_where_there_is_no_limit() {
        let rates = rates(|it| {
            (it.opens_per_minute, it.starts_per_minute) = (0, 0);
            (it.streams_per_user, it.ingest_bytes_per_second) = (0, 0);
        });
        let alice = user("alice");
        for _ in 0..10_000 {
            assert_eq!(rates.take(&alice, Kind::Open), Ok(()));
            assert_eq!(rates.bytes(&alice, 1 << 30), Ok(()));
            assert!(rates.stream(&alice).unwrap().is_none());
        }
    }

    #[test]
    fn a_whole_body_may_always_be_sent_after_a_rest() {
        let rates = rates(|it| it.ingest_bytes_per_second = 10);
        let alice = user("alice");
        assert_eq!(rates.bytes(&alice, 100), Ok(()));
        let later = rates.bytes(&alice, 100).unwrap_err();
        assert!((9..=11).contains(&later.seconds()), "{later:?}");
    }

    #[test]
    fn a_place_is_free_again_when_its_last_copy_goes() {
        let rates = rates(|it| it.streams_per_user = 1);
        let alice = user("alice");
        let place = rates.stream(&alice).unwrap().unwrap();
        let copy = place.clone();
        drop(place);
        assert!(rates.stream(&alice).is_err());
        assert!(rates.stream(&user("bob")).is_ok());
        drop(copy);
        assert!(rates.stream(&alice).is_ok());
    }

    #[test]
    fn many_addresses_take_no_more_memory_and_users_are_not_hindered() {
        let rates = rates(|it| it.opens_per_minute = 2);
        let at = |n: u32| Who::At(Some(Network::of(std::net::Ipv4Addr::from_bits(n).into())));
        let refused = (0..20_000)
            .filter(|n| rates.take(&at(*n), Kind::Open).is_err())
            .count();
        assert!(refused > 9_000, "{refused}");
        assert!(rates.opens.as_ref().unwrap().len() <= MOST + 1);
        assert_eq!(rates.take(&user("alice"), Kind::Open), Ok(()));
    }
}
