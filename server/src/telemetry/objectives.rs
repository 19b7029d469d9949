//! How objectives stand, in the words of Prometheus.

use std::fmt;

use super::page::Page;
use crate::slo::{Alert, SloReport};

/// Writes what there is of them; without an objective nothing is written.
pub(super) fn write(page: &mut Page<'_>, slos: &[SloReport]) -> fmt::Result {
    if slos.is_empty() {
        return Ok(());
    }
    let each = |value: fn(&SloReport) -> u64| {
        let series = slos.iter();
        series.map(move |slo| (vec![("slo", slo.name.as_str())], value(slo)))
    };
    page.counter(
        "slo_events",
        "What an objective is about, since it is watched",
        None,
        each(|slo| slo.ever.total),
    )?;
    page.counter(
        "slo_good_events",
        "What was good of it",
        None,
        each(|slo| slo.ever.good),
    )?;
    page.ratio(
        "slo_target",
        "The share that is to be good",
        slos.iter()
            .map(|slo| (vec![("slo", slo.name.as_str())], slo.target)),
    )?;
    page.ratio(
        "slo_budget_remaining",
        "The share of the error budget that is left",
        slos.iter().filter_map(|slo| {
            let remaining = slo.budget_remaining?;
            Some((vec![("slo", slo.name.as_str())], remaining))
        }),
    )?;
    let windows: Vec<(&SloReport, String, f64)> = slos
        .iter()
        .flat_map(|slo| {
            let burn = slo.burn.iter();
            burn.filter_map(move |one| Some((slo, one.window_seconds.to_string(), one.rate?)))
        })
        .collect();
    page.gauge(
        "slo_burn_rate",
        "How fast the budget is being used up: at 1, all of it in just the objective's window",
        None,
        windows.iter().map(|(slo, window, rate)| {
            let labels = vec![("slo", slo.name.as_str()), ("window", window.as_str())];
            (labels, *rate)
        }),
    )?;
    page.gauge(
        "slo_alert",
        "1 while the objective calls for somebody",
        None,
        slos.iter().flat_map(|slo| {
            [Alert::Slow, Alert::Fast].map(|alert| {
                let labels = vec![("slo", slo.name.as_str()), ("severity", alert.as_str())];
                (labels, f64::from(u8::from(slo.alert == alert)))
            })
        }),
    )
}
