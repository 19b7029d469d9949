//! How fast a budget burns, and when that is worth waking somebody.
//!
//! The formula and the windows are those of Google's Site Reliability Workbook, chapter 5, "Alerting on SLOs", method 6:
//! multiwindow, multi-burn-rate alerts (<https://sre.google/workbook/alerting-on-slos/>). Its windows are those of an
//! objective over 30 days; for another length they are as long in proportion, so that the shares of the budget stay.

use serde::{Deserialize, Serialize};

use super::history::Counts;

/// What an objective calls for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Alert {
    /// Nothing.
    #[default]
    None,
    /// A tenth of the budget was used up in a tenth of the time: somebody should look at it in the next days.
    Slow,
    /// So much was used up so quickly that somebody should look at it now.
    Fast,
}

/// How fast the budget burned in the last seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Burn {
    /// How many.
    pub window_seconds: u64,
    /// At 1 all of the budget is used up in just the objective's window; none where nothing was counted.
    pub rate: Option<f64>,
}

impl Alert {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Slow => "slow",
            Self::Fast => "fast",
        }
    }
}

impl Burn {
    /// The share of what was bad, over the share that may be.
    pub(super) fn new(window_seconds: u64, counts: Counts, target: f64) -> Self {
        let rate = counts.share().map(|share| (1.0 - share) / (1.0 - target));
        Self {
            window_seconds,
            rate,
        }
    }

    fn is_above(self, limit: f64) -> bool {
        self.rate.is_some_and(|rate| rate > limit)
    }
}

/// The windows, as parts of the objective's: of 30 days they are 5 minutes, 30 minutes, 1 hour, 6 hours and 3 days.
pub(super) const WINDOWS: [u64; 5] = [8640, 1440, 720, 120, 10];

/// How long a part of a window is, in whole seconds.
pub(super) const fn length(window_seconds: u64, part: u64) -> u64 {
    let seconds = window_seconds.div_ceil(part);
    if seconds == 0 { 1 } else { seconds }
}

/// What the burn rates over [`WINDOWS`] call for, each with how much was counted there. The long window says that it
/// matters, the short one that it goes on; where less than `least` was counted in the long one, it says nothing.
pub(super) fn alert(burns: &[(u64, Burn); 5], least: u64) -> Alert {
    let [minutes5, minutes30, hour, hours6, days3] = *burns;
    let both = |long: (u64, Burn), short: (u64, Burn), limit| {
        long.0 >= least && long.1.is_above(limit) && short.1.is_above(limit)
    };
    // 2 % of the budget in an hour, 5 % in six, 10 % in three days
    if both(hour, minutes5, 14.4) || both(hours6, minutes30, 6.0) {
        Alert::Fast
    } else if both(days3, hours6, 1.0) {
        Alert::Slow
    } else {
        Alert::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 30 days and a target of 99.9 %: this share bad in each window.
    fn burns(bad: [f64; 5]) -> [(u64, Burn); 5] {
        let mut at = 0;
        WINDOWS.map(|part| {
            let total = 1_000_000;
            let good = ((1.0 - bad[at]) * total as f64) as u64;
            at += 1;
            let counts = Counts { good, total };
            (total, Burn::new(length(2_592_000, part), counts, 0.999))
        })
    }

    #[test]
    fn the_table_of_the_workbook() {
        let seconds = WINDOWS.map(|part| length(2_592_000, part));
        assert_eq!(seconds, [300, 1800, 3600, 21_600, 259_200]);
        // a share of 1.44 % bad burns 2 % of 30 days' budget in an hour
        let hour = burns([0.0145, 0.0, 0.0145, 0.0, 0.0]);
        assert!((hour[2].1.rate.unwrap() - 14.5).abs() < 0.01);
        assert_eq!(alert(&hour, 10), Alert::Fast);
        let six_hours = burns([0.0, 0.0061, 0.0, 0.0061, 0.0]);
        assert_eq!(alert(&six_hours, 10), Alert::Fast);
        let three_days = burns([0.0, 0.0, 0.0, 0.0011, 0.0011]);
        assert_eq!(alert(&three_days, 10), Alert::Slow);
    }

    #[test]
    fn what_is_over_already_what_is_just_allowed_and_what_is_rare_wakes_nobody() {
        // the hour was bad, and the last five minutes are not
        assert_eq!(alert(&burns([0.0, 0.0, 0.5, 0.0, 0.0]), 10), Alert::None);
        assert_eq!(alert(&burns([0.000_9; 5]), 10), Alert::None);
        let mut rare = burns([1.0; 5]);
        rare.iter_mut().for_each(|one| one.0 = 9);
        assert_eq!(alert(&rare, 10), Alert::None);
        assert_eq!(alert(&rare, 9), Alert::Fast);
    }
}
