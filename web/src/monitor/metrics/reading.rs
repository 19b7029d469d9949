//! A metric's value in words: against what, and made of which numbers.

use stepcast_core::metrics::{Bound, Metric, Numbers, Quantiles, Target};

use super::lamp::Light;
use crate::monitor::words;

/// A metric over some runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Which.
    pub metric: Metric,
    /// Its value; none where there is no data.
    pub value: Option<f64>,
    /// When it is well.
    pub target: Option<Target>,
    /// What it is made of.
    pub numbers: Numbers,
}

impl Reading {
    /// One of which nothing is known.
    pub fn none(metric: Metric) -> Self {
        Self {
            metric,
            value: None,
            target: None,
            numbers: Numbers::default(),
        }
    }

    /// Whether it is well.
    pub fn light(&self) -> Light {
        Light::of(self.target, self.value)
    }

    /// The value; `no data` where there is none.
    pub fn value_words(&self) -> String {
        self.value.map_or_else(
            || "no data".to_owned(),
            |value| value_of(self.metric, value),
        )
    }

    /// The target: `above 95 %`. Empty where it has none.
    pub fn target_words(&self) -> String {
        self.target
            .map_or_else(String::new, |target| target_of(self.metric, target))
    }

    /// The formula with the numbers in it, or what there is nothing of.
    pub fn sum_words(&self) -> String {
        let n = &self.numbers;
        let Some(value) = self.value else {
            return nothing(self.metric).to_owned();
        };
        let value = value_of(self.metric, value);
        let count = words::count;
        let (done, failed) = (count(n.steps_completed), count(n.steps_failed));
        match self.metric {
            Metric::Svr => format!("{done} / ({done} + {failed}) = {value}"),
            Metric::Cr => format!(
                "{} / ({done} + {failed}) = {value}",
                count(n.steps_compensated)
            ),
            Metric::Pc => format!("{} / {} = {value}", count(n.retries), count(n.runs)),
            Metric::Hir => format!(
                "{} / {} = {value}",
                count(n.runs_with_person),
                count(n.runs)
            ),
            Metric::Ma => format!(
                "1 - {} / ({done} + {failed}) = {value}",
                count(n.mode_violations)
            ),
            Metric::Tcl => times(n.tool_ms, "call"),
            Metric::Wct => times(n.run_ms, "run"),
            Metric::Mtte => times(n.explain_ms, "explanation"),
            Metric::Rsr => format!(
                "{} / {} = {value}",
                count(n.replays_succeeded),
                count(n.replays)
            ),
        }
    }
}

/// A value of this metric: a time, a percentage, or so many a run.
pub fn value_of(metric: Metric, value: f64) -> String {
    match metric {
        Metric::Tcl | Metric::Wct | Metric::Mtte => words::duration(value),
        Metric::Pc => format!("{value:.2}"),
        Metric::Svr | Metric::Cr | Metric::Hir | Metric::Ma | Metric::Rsr => share(value),
    }
}

/// A share as a percentage that is round only where the share is.
pub fn share(share: f64) -> String {
    let percent = share * 100.0;
    let rounded = format!("{percent:.1}");
    match rounded.as_str() {
        "100.0" if percent < 100.0 => "> 99.9 %".to_owned(),
        "0.0" if percent > 0.0 => "< 0.1 %".to_owned(),
        _ => format!("{} %", rounded.trim_end_matches(".0")),
    }
}

/// A target in words.
pub fn target_of(metric: Metric, target: Target) -> String {
    let bound = match target.bound {
        Bound::Above => "above",
        Bound::AtLeast => "at least",
        Bound::Below => "below",
        Bound::AtMost => "at most",
    };
    let limit = if metric == Metric::Pc {
        target.limit.to_string()
    } else {
        value_of(metric, target.limit)
    };
    format!("{bound} {limit}")
}

fn times(times: Option<Quantiles>, noun: &str) -> String {
    let Some(times) = times else {
        return String::new();
    };
    let ms = words::duration;
    let of = words::counted(times.count, noun);
    if times.count == 1 {
        return format!("{}, of {of}", ms(times.mean));
    }
    format!(
        "mean {}, median {}, p95 {}, p99 {}, longest {}, of {of}",
        ms(times.mean),
        ms(times.p50),
        ms(times.p95),
        ms(times.p99),
        ms(times.max)
    )
}

/// What there is nothing of.
const fn nothing(metric: Metric) -> &'static str {
    match metric {
        Metric::Svr | Metric::Cr | Metric::Ma => "no step has ended",
        Metric::Pc | Metric::Hir => "no run has begun",
        Metric::Tcl => "no tool has told how long it took",
        Metric::Wct => "no run has completed",
        Metric::Mtte => "nothing was explained",
        Metric::Rsr => "nothing was replayed",
    }
}

#[cfg(test)]
mod tests {
    use stepcast_core::metrics::Targets;

    use super::*;

    fn reading(metric: Metric, value: Option<f64>) -> Reading {
        Reading {
            metric,
            value,
            target: Targets::default().of(metric),
            numbers: Numbers {
                runs: 1,
                retries: 3,
                steps_completed: 2,
                steps_failed: 1,
                ..Numbers::default()
            },
        }
    }

    #[test]
    fn values_targets_and_sums_read_like_speech() {
        let svr = reading(Metric::Svr, Some(2.0 / 3.0));
        assert_eq!(svr.value_words(), "66.7 %");
        assert_eq!(svr.target_words(), "above 95 %");
        assert_eq!(svr.sum_words(), "2 / (2 + 1) = 66.7 %");
        let pc = reading(Metric::Pc, Some(3.0));
        assert_eq!(
            (pc.value_words(), pc.target_words()),
            ("3.00".into(), "below 2".into())
        );
        let mtte = reading(Metric::Mtte, None);
        assert_eq!(mtte.value_words(), "no data");
        assert_eq!(mtte.target_words(), "at most 5 min 00 s");
        assert_eq!(mtte.sum_words(), "nothing was explained");
        assert_eq!(reading(Metric::Wct, None).target_words(), "");
    }

    #[test]
    fn a_share_is_perfect_only_where_it_is() {
        assert_eq!(share(1.0), "100 %");
        assert_eq!(share(0.99999), "> 99.9 %");
        assert_eq!(share(0.00001), "< 0.1 %");
        assert_eq!(share(0.0), "0 %");
        assert_eq!(share(0.05), "5 %");
    }

    #[test]
    fn times_say_of_how_many() {
        let mut wct = reading(Metric::Wct, Some(1500.0));
        let one = Quantiles {
            count: 1,
            mean: 1500.0,
            ..Quantiles::default()
        };
        wct.numbers.run_ms = Some(one);
        assert_eq!(wct.sum_words(), "1.5 s, of 1 run");
        wct.numbers.run_ms = Some(Quantiles {
            count: 20,
            max: 9000.0,
            ..one
        });
        assert!(wct.sum_words().ends_with("longest 9.0 s, of 20 runs"));
    }
}
