//! Delays between dials: exponential, bounded, with full jitter, so that a thousand clients of one server
//! that restarted do not come back at one instant.

use std::time::Duration;

/// Draws the delays. Reset by progress (see the machine), never by a connection that merely opened.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    base: Duration,
    cap: Duration,
    drawn: u32,
    random: u64,
}

impl Backoff {
    pub(super) fn new(base: Duration, cap: Duration, seed: u64) -> Self {
        Self {
            base,
            cap,
            drawn: 0,
            random: seed,
        }
    }

    /// The next delay: uniform from 0 to `base` × 2ⁿ⁻¹, or to the cap.
    pub(super) fn delay(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.drawn).unwrap_or(u32::MAX);
        self.drawn = self.drawn.saturating_add(1);
        let ceiling = self.base.saturating_mul(factor).min(self.cap);
        self.up_to(ceiling)
    }

    /// A delay as short as the first one, whatever came before.
    pub(super) fn short_delay(&mut self) -> Duration {
        self.up_to(self.base.min(self.cap))
    }

    /// The next delay is the first one again.
    pub(super) fn reset(&mut self) {
        self.drawn = 0;
    }

    fn up_to(&mut self, ceiling: Duration) -> Duration {
        let micros = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.draw() % micros.saturating_add(1).max(1))
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): enough for jitter, and the same on every platform.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_spread_over_all_of_a_range_that_doubles_up_to_the_cap() {
        let (base, cap) = (Duration::from_millis(500), Duration::from_secs(20));
        let mut most = [Duration::ZERO; 8];
        let mut least = [cap; 8];
        for seed in 0..2000 {
            let mut backoff = Backoff::new(base, cap, seed);
            for (most, least) in most.iter_mut().zip(&mut least) {
                let delay = backoff.delay();
                *most = delay.max(*most);
                *least = delay.min(*least);
            }
        }
        for (n, (most, least)) in most.into_iter().zip(least).enumerate() {
            let ceiling = (base * (1 << n)).min(cap);
            assert!(
                most <= ceiling && most > ceiling.mul_f64(0.98),
                "{n} {most:?}"
            );
            assert!(least < ceiling.mul_f64(0.02), "{n} {least:?}");
        }
    }

    #[test]
    fn a_reset_makes_the_next_delay_the_first_again_and_no_count_overflows() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(20), 1);
        for _ in 0..100 {
            assert!(backoff.delay() <= Duration::from_secs(20));
        }
        backoff.reset();
        assert!(backoff.delay() <= Duration::from_millis(500));
        let mut none = Backoff::new(Duration::ZERO, Duration::ZERO, 1);
        assert_eq!(none.delay(), Duration::ZERO);
    }
}
