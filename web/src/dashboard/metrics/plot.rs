//! From numbers to places: a metric's trend as lines of an SVG. It is 1,000 wide and 100 high, and drawn in any shape.

use std::fmt::Write as _;

use stepcast_core::metrics::{Bound, Metric, Target};
use stepcast_core::time::Timestamp;

use super::answer::Report;
use super::question::{By, Question};
use crate::monitor::metrics::reading::{target_of, value_of};

/// The hours or days of a span, one after the other, and what is known of each.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Times {
    from: u64,
    length: u64,
    /// None where nothing was made known.
    pub(super) groups: Vec<Option<usize>>,
}

/// What is drawn of one metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plot {
    /// One for each hour or day; none where there is no data.
    pub(super) values: Vec<Option<f64>>,
    /// From point to point, with a gap where there is no data.
    pub(super) line: String,
    /// Points that are well, or have no target.
    pub(super) dots: String,
    /// Points past the target.
    pub(super) missed: String,
    /// How high the target is; none where it has none, or lies far above all that is drawn.
    pub(super) target: Option<f64>,
    /// Whether what lies above the target is what misses it.
    pub(super) above_is_bad: bool,
    /// Heights with their words, from the top.
    pub(super) heights: Vec<(f64, String)>,
    /// All of it in words.
    pub(super) words: String,
}

/// The most hours or days that are drawn.
const MOST: u64 = 1_000;

impl Times {
    /// Those that a question asks for at `now`, and any later ones that the server tells: its clock may be ahead.
    pub(super) fn of(question: &Question, report: &Report, now: u64) -> Self {
        let length = question.by().length();
        let told = |group: &super::answer::Group| group.from.as_ref()?.unix_millis();
        let places: Vec<u64> = report.groups.iter().filter_map(told).collect();
        let newest = places.iter().copied().max().unwrap_or(0).max(now);
        let last = newest / length;
        let oldest = places.iter().copied().min().unwrap_or(now);
        let first = question.from(now).unwrap_or(oldest) / length;
        let first = first.max((last + 1).saturating_sub(MOST));
        let mut groups = vec![None; usize::try_from(last + 1 - first.min(last)).unwrap_or(1)];
        for (at, group) in report.groups.iter().enumerate() {
            let place = told(group).and_then(|from| (from / length).checked_sub(first));
            let place = place.and_then(|place| usize::try_from(place).ok());
            if let Some(slot) = place.and_then(|place| groups.get_mut(place)) {
                *slot = Some(at);
            }
        }
        Self {
            from: first * length,
            length,
            groups,
        }
    }

    /// When an hour or a day begins: `27 Nov 14:00`, `27 Nov`.
    pub(super) fn words(&self, at: usize) -> String {
        let from = self.from + at as u64 * self.length;
        if self.length < By::Day.length() {
            format!("{} {}", day(from), hour(from))
        } else {
            day(from)
        }
    }

    /// Round times to write below: where each is, in percent of the width.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let count = self.groups.len() as u64;
        let hours = self.length / By::Hour.length();
        let total = count * hours;
        let steps = [
            1,
            2,
            3,
            6,
            12,
            24,
            48,
            24 * 7,
            24 * 14,
            24 * 30,
            24 * 60,
            24 * 120,
        ];
        let step = steps
            .into_iter()
            .find(|step| *step >= hours && total / step <= 4);
        let step = step.unwrap_or(24 * 365) * By::Hour.length();
        let first = self.from.div_ceil(step) * step;
        let until = self.from + count * self.length;
        let times = (0..).map(|n| first + n * step).take_while(|at| *at < until);
        let place = |at: u64| (at - self.from) as f64 / (until - self.from).max(1) as f64 * 100.0;
        times
            // words near the right rim would be cut
            .filter(|at| place(*at) <= 86.0)
            .map(|at| {
                let is_day = at.is_multiple_of(By::Day.length());
                (place(at), if is_day { day(at) } else { hour(at) })
            })
            .collect()
    }

    /// In which of them a place is, given as a fraction of the width.
    pub(super) fn at(&self, fraction: f64) -> Option<usize> {
        let last = self.groups.len().checked_sub(1)?;
        let place = (fraction.clamp(0.0, 1.0) * self.groups.len() as f64) as usize;
        Some(place.min(last))
    }

    /// The middle of one of them, in percent of the width.
    pub(super) fn middle(&self, at: usize) -> f64 {
        (at as f64 + 0.5) / self.groups.len().max(1) as f64 * 100.0
    }
}

impl Plot {
    pub(super) fn new(
        metric: Metric,
        target: Option<Target>,
        times: &Times,
        report: &Report,
    ) -> Self {
        let value = |group: &Option<usize>| report.groups.get((*group)?)?.value(metric);
        let values: Vec<Option<f64>> = times.groups.iter().map(value).collect();
        let known: Vec<f64> = values.iter().flatten().copied().collect();
        let limit = target.map(|target| target.limit);
        let axis = Axis::of(metric, &known, limit);
        let place = |at: usize| times.middle(at) * 10.0;
        let mut plot = Self {
            target: limit.filter(|it| axis.holds(*it)).map(|it| axis.height(it)),
            above_is_bad: target.is_some_and(|it| matches!(it.bound, Bound::Below | Bound::AtMost)),
            heights: axis
                .ticks()
                .map(|it| (axis.height(it), short(metric, it)))
                .collect(),
            words: in_words(metric, target, times, &values),
            ..Self::default()
        };
        let mut before = false;
        for (at, value) in values.iter().enumerate() {
            let Some(value) = *value else {
                before = false;
                continue;
            };
            let (x, y) = (place(at), axis.height(value));
            let next = values.get(at + 1).copied().flatten().is_some();
            let well = target.is_none_or(|target| target.is_met(value));
            // writing into a string does not fail
            let _infallible = write!(plot.line, "{}{x:.1} {y:.1}", if before { "L" } else { "M" });
            let dots = if well {
                &mut plot.dots
            } else {
                &mut plot.missed
            };
            if !well || values.len() <= FEW || (!before && !next) {
                // a line of no length is its two caps
                let _infallible = write!(dots, "M{x:.1} {y:.1}h.01");
            }
            before = true;
        }
        plot.values = values;
        plot
    }
}

/// The values that a height stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    /// A round one that holds all values, and the target where that does not make them flat. Shares that are to be high
    /// hang from 100 %, all others stand on 0.
    fn of(metric: Metric, values: &[f64], target: Option<f64>) -> Self {
        let all = || values.iter().copied();
        let most = all().fold(0.0, f64::max);
        if matches!(metric, Metric::Svr | Metric::Ma | Metric::Rsr) {
            let least = all().chain(target).fold(1.0, f64::min);
            let step = round_up((1.0 - least).max(0.02) / 3.0, false);
            let low = (1.0 - ((1.0 - least) / step).floor() * step - step).max(0.0);
            return Self {
                low,
                high: 1.0,
                step,
            };
        }
        let near = target.filter(|target| most <= 0.0 || *target <= most * FAR);
        let most = near.into_iter().fold(most, f64::max);
        let most = if most > 0.0 { most } else { 1.0 };
        let step = round_up(most / 3.0, metric.is_time());
        let high = (most / step).ceil() * step;
        // something at the rim would be half hidden
        let high = if high - most < step / 20.0 {
            high + step
        } else {
            high
        };
        let is_share = matches!(metric, Metric::Cr | Metric::Hir);
        let high = if is_share { high.min(1.0) } else { high };
        Self {
            low: 0.0,
            high,
            step,
        }
    }

    fn holds(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// From the top.
    fn height(self, value: f64) -> f64 {
        (self.high - value) / (self.high - self.low) * 100.0
    }

    fn ticks(self) -> impl Iterator<Item = f64> {
        let first = (self.low / self.step - 1e-6).ceil();
        (0..10)
            .map(move |n| (first + f64::from(n)) * self.step)
            .take_while(move |it| *it <= self.high + self.step * 1e-6)
    }
}

/// A round number at or above: 1, 2 or 5 times a power of ten; of times above a second one that clocks have.
fn round_up(at_least: f64, is_time: bool) -> f64 {
    if is_time && at_least > 1_000.0 {
        let seconds = [
            1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200,
            86_400,
        ];
        let found = seconds
            .into_iter()
            .find(|it| f64::from(*it) * 1_000.0 >= at_least);
        if let Some(seconds) = found {
            return f64::from(seconds) * 1_000.0;
        }
    }
    let power = 10_f64.powf(at_least.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].into_iter().map(|it| it * power);
    round.fold(power * 10.0, |best, it| {
        if it >= at_least * 0.999 {
            best.min(it)
        } else {
            best
        }
    })
}

fn in_words(
    metric: Metric,
    target: Option<Target>,
    times: &Times,
    values: &[Option<f64>],
) -> String {
    let known = || {
        values
            .iter()
            .enumerate()
            .filter_map(|(at, value)| Some((at, (*value)?)))
    };
    let Some((newest_at, newest)) = known().next_back() else {
        return format!("{}: no data", metric.name());
    };
    let least = known()
        .map(|(_, value)| value)
        .fold(f64::INFINITY, f64::min);
    let most = known().map(|(_, value)| value).fold(0.0, f64::max);
    let of = |value| value_of(metric, value);
    let target = target.map_or_else(String::new, |target| {
        format!("; target {}", target_of(metric, target))
    });
    format!(
        "{}, {} points: newest {} at {}, from {} to {}{target}",
        metric.name(),
        known().count(),
        of(newest),
        times.words(newest_at),
        of(least),
        of(most)
    )
}

/// A round value in as few letters as it takes: `5 min` for `5 min 00 s`.
fn short(metric: Metric, value: f64) -> String {
    let words = value_of(metric, value);
    let words = words.trim_end_matches(" 00 s").trim_end_matches(" 00 min");
    words.to_owned()
}

fn day(ms: u64) -> String {
    let text = Timestamp::from_unix_millis(ms);
    let part = |range| text.as_str().get(range).unwrap_or_default();
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = part(5..7).parse::<usize>().ok();
    let month = month.and_then(|month| months.get(month.checked_sub(1)?));
    format!(
        "{} {}",
        part(8..10).trim_start_matches('0'),
        month.unwrap_or(&"")
    )
}

fn hour(ms: u64) -> String {
    let text = Timestamp::from_unix_millis(ms);
    text.as_str().get(11..16).unwrap_or_default().to_owned()
}

/// Up to so many points, each is marked.
const FEW: usize = 62;

/// A target so many times above all values is not drawn.
const FAR: f64 = 4.0;

#[cfg(test)]
mod tests {
    use serde_json::json;
    use stepcast_core::metrics::Targets;

    use super::*;

    const HOUR: u64 = 3_600_000;

    fn report(values: &[(u64, Option<f64>)]) -> Report {
        let groups = values.iter().map(|(hour, value)| {
            json!({ "from": Timestamp::from_unix_millis(hour * HOUR), "metrics": [{ "metric": "svr", "value": value }] })
        });
        serde_json::from_value(json!({ "groups": groups.collect::<Vec<_>>() })).unwrap()
    }

    fn plot(values: &[(u64, Option<f64>)], now: u64) -> (Times, Plot) {
        let report = report(values);
        let times = Times::of(&Question::default(), &report, now * HOUR);
        let target = Targets::default().svr;
        let plot = Plot::new(Metric::Svr, target, &times, &report);
        (times, plot)
    }

    #[test]
    fn hours_without_data_are_gaps_and_points_alone_are_still_seen() {
        let values = [
            (80, Some(1.0)),
            (81, Some(0.5)),
            (83, Some(1.0)),
            (85, None),
        ];
        let (times, plot) = plot(&values, 100);
        assert_eq!(times.groups.len(), 24);
        assert_eq!(plot.values.iter().flatten().count(), 3);
        assert_eq!(plot.line.matches('M').count(), 2, "{}", plot.line);
        assert_eq!(plot.line.matches('L').count(), 1, "{}", plot.line);
        assert_eq!(
            (
                plot.dots.matches('M').count(),
                plot.missed.matches('M').count()
            ),
            (2, 1)
        );
        assert_eq!(
            plot.words,
            "Step Validity Rate, 3 points: newest 100 % at 4 Jan 11:00, from 50 % to 100 %; target above 95 %"
        );
        assert_eq!(times.words(23), "5 Jan 04:00");
    }

    #[test]
    fn nothing_known_is_no_line_and_a_clock_that_is_behind_loses_no_point() {
        let (_, nothing) = plot(&[], 100);
        assert_eq!(
            (nothing.line.as_str(), nothing.words.as_str()),
            ("", "Step Validity Rate: no data")
        );
        assert!(
            nothing.target.is_some(),
            "what is asked for is shown all the same"
        );
        let (times, ahead) = plot(&[(102, Some(1.0))], 100);
        assert_eq!(times.groups.len(), 26);
        assert!(ahead.values[25].is_some());
    }

    #[test]
    fn an_axis_is_round_and_holds_what_is_drawn() {
        let ticks = |metric, values: &[f64], target| -> Vec<String> {
            let axis = Axis::of(metric, values, target);
            assert!(
                values.iter().all(|value| axis.holds(*value)),
                "{axis:?} {values:?}"
            );
            axis.ticks().map(|it| value_of(metric, it)).collect()
        };
        assert_eq!(
            ticks(Metric::Svr, &[1.0], Some(0.95)),
            ["94 %", "96 %", "98 %", "100 %"]
        );
        assert_eq!(
            ticks(Metric::Svr, &[0.0], Some(0.95)),
            ["0 %", "50 %", "100 %"]
        );
        assert_eq!(
            ticks(Metric::Cr, &[0.0], Some(0.1)),
            ["0 %", "5 %", "10 %", "15 %"]
        );
        assert_eq!(
            ticks(Metric::Hir, &[1.0], Some(0.05)),
            ["0 %", "50 %", "100 %"]
        );
        assert_eq!(
            ticks(Metric::Wct, &[42_000.0], None),
            ["0 ms", "15 s", "30 s", "45 s"]
        );
        // a target far above would make a line of zeros of what there is
        assert_eq!(
            ticks(Metric::Mtte, &[800.0], Some(300_000.0)),
            ["0 ms", "500 ms", "1.0 s"]
        );
        assert_eq!(
            ticks(Metric::Pc, &[0.5], Some(2.0)),
            ["0.00", "1.00", "2.00", "3.00"]
        );
    }

    #[test]
    fn times_below_are_round_and_few() {
        let words = |hash: &str, now: u64| -> Vec<String> {
            let times = Times::of(&Question::parse(hash), &Report::default(), now * HOUR);
            assert!(
                times
                    .ticks()
                    .iter()
                    .all(|(at, _)| (0.0..=90.0).contains(at))
            );
            times.ticks().into_iter().map(|(_, words)| words).collect()
        };
        assert_eq!(
            words("#/metrics", 100),
            ["06:00", "12:00", "18:00", "5 Jan"]
        );
        assert!(words("#/metrics?window=7d", 24 * 400).len() <= 4);
        assert!(words("#/metrics?window=90d", 24 * 400).len() <= 4);
        assert!(words("#/metrics?window=30d&by=hour", 24 * 400).len() <= 4);
    }

    #[test]
    fn a_place_is_an_hour_and_an_hour_a_place() {
        let times = Times::of(&Question::default(), &Report::default(), 100 * HOUR);
        assert_eq!(
            (times.at(0.0), times.at(1.0), times.at(7.0)),
            (Some(0), Some(23), Some(23))
        );
        for at in 0..24 {
            assert_eq!(times.at(times.middle(at) / 100.0), Some(at));
        }
        assert_eq!(Times::default().at(0.5), None);
    }
}
