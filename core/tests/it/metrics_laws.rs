//! The metrics' laws, on thousands of runs: the same in any portions, in any order, and within their accuracy.

use stepcast_core::event::StreamEvent;
use stepcast_core::metrics::{Counts, Distribution, Metric, RunMetrics};

use crate::any::{Dice, any_run};
use crate::metrics::{fold, value};

#[test]
fn the_same_counts_whole_in_parts_and_without_what_does_not_concern_them() {
    for seed in 0..2000 {
        let events = any_run(seed);
        let whole = fold(&events);
        let mut dice = Dice::new(seed);
        let mut parts = RunMetrics::default();
        for event in &events {
            parts.apply(event);
            if dice.below(5) == 0 {
                // put away and taken up again, as a server does it
                let kept = serde_json::to_string(&parts).unwrap();
                parts = serde_json::from_str(&kept).unwrap();
            }
        }
        assert_eq!(parts, whole, "seed {seed}");
        let concerned: Vec<StreamEvent> = events
            .into_iter()
            .filter(|event| {
                let json = serde_json::to_string(event).unwrap();
                let concerned = RunMetrics::concerns(event.event_type.as_str(), &json);
                // what is told from the text passes over no more than what is told from the event
                assert!(concerned || !RunMetrics::concerned_by(event), "{json}");
                RunMetrics::concerned_by(event)
            })
            .collect();
        assert_eq!(fold(&concerned).total, whole.total, "seed {seed}");
        let steps = whole
            .steps
            .values()
            .fold(Counts::default(), |mut sum, step| {
                sum.merge(step);
                sum
            });
        if !whole.steps_left_out {
            assert!(steps.steps() <= whole.total.steps(), "seed {seed}");
        }
    }
}

#[test]
fn counts_merge_to_the_same_in_any_order() {
    let runs: Vec<Counts> = (0..300).map(|seed| fold(&any_run(seed)).total).collect();
    let merged = |order: &mut dyn Iterator<Item = &Counts>| {
        order.fold(Counts::default(), |mut sum, one| {
            sum.merge(one);
            sum
        })
    };
    let forwards = merged(&mut runs.iter());
    let backwards = merged(&mut runs.iter().rev());
    for metric in Metric::ALL {
        assert_eq!(
            value(metric, &forwards),
            value(metric, &backwards),
            "{}",
            metric.as_str()
        );
    }
    assert_eq!(forwards.runs, runs.iter().map(|run| run.runs).sum::<u64>());
    assert!(
        forwards.steps() > 1000 && forwards.retries > 100,
        "{forwards:?}"
    );
}

#[test]
fn quantiles_are_within_one_per_cent() {
    let mut all = Distribution::default();
    let mut other = Distribution::default();
    for n in 1..=10_000 {
        let half = if n % 2 == 0 { &mut all } else { &mut other };
        half.add(f64::from(n) / 10.0);
    }
    all.merge(&other);
    let quantiles = all.quantiles().unwrap();
    assert_eq!(
        (quantiles.count, quantiles.min, quantiles.max),
        (10_000, 0.1, 1000.0)
    );
    assert!((quantiles.mean - 500.05).abs() < 1e-6);
    for (found, expected) in [
        (quantiles.p50, 500.0),
        (quantiles.p95, 950.0),
        (quantiles.p99, 990.0),
    ] {
        assert!(
            (found / expected - 1.0_f64).abs() < 0.0101,
            "{found} for {expected}"
        );
    }
    let mut few = Distribution::default();
    for (ms, [p50, p95]) in [
        (10.0, [10.0, 10.0]),
        (20.0, [20.0, 20.0]),
        (30.0, [20.0, 30.0]),
    ] {
        few.add(ms);
        for (share, expected) in [(0.5, p50), (0.95, p95)] {
            let found = few.quantile(share).unwrap();
            assert!(
                (found / expected - 1.0_f64).abs() < 0.0101,
                "{found} for {expected}"
            );
        }
    }
    all.add(f64::NAN);
    all.add(-1.0);
    assert_eq!(all.count(), 10_000);
    assert_eq!(Distribution::default().quantiles(), None);
}
