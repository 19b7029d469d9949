//! Objectives that an operator sets, how much of their budgets is used up, and how fast.
//!
//! All of it is read off counters that are there anyway: one task looks at them every few seconds.

mod alert;
mod burn;
mod history;
mod keeper;
mod saved;
mod settings;
mod webhook;

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

pub(crate) use self::alert::Alarm;
use self::alert::Alarms;
pub use self::burn::{Alert, Burn};
use self::burn::{WINDOWS, alert, length};
pub use self::history::Counts;
use self::history::History;
pub(crate) use self::keeper::keep;
use self::saved::Saved;
pub(crate) use self::settings::check;
pub use self::settings::{AlertSettings, Objective, SloSettings};
pub(crate) use self::webhook::Webhook;
use crate::clock::unix_millis;
use crate::config::{Config, StoreKind};
use crate::executions::Executions;
use crate::log::Log;
use crate::telemetry::Delivery;

/// The objectives of a server.
#[derive(Debug, Default)]
pub(crate) struct Slos {
    tracked: Vec<Mutex<Tracked>>,
    alarms: Alarms,
}

#[derive(Debug)]
struct Tracked {
    settings: SloSettings,
    history: History,
    alert: Alert,
}

/// How an objective stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SloReport {
    /// Its name.
    pub name: String,
    /// What is counted.
    pub objective: Objective,
    /// The share of it that is to be good.
    pub target: f64,
    /// Over so long.
    pub window_seconds: u64,
    /// How much of it was good in the window, or since it is watched where that is shorter.
    pub good: u64,
    /// How much there was.
    pub total: u64,
    /// The same since it is watched.
    #[serde(skip)]
    pub ever: Counts,
    /// `good` over `total`.
    pub attained: Option<f64>,
    /// The share of the budget that is left: 1 where nothing was bad, 0 where the target is just attained, less where it
    /// is missed.
    pub budget_remaining: Option<f64>,
    /// How fast the budget is being used up, over windows of different lengths.
    pub burn: Vec<Burn>,
    /// Whether somebody should look after it.
    pub alert: Alert,
}

impl Slos {
    /// The objectives of these settings; where a former process kept what it counted, they go on with it.
    pub(crate) fn of(config: &Config) -> Self {
        let saved = match config.store {
            StoreKind::Sqlite if !config.slo.is_empty() => Saved::read(&config.data_dir),
            StoreKind::Sqlite | StoreKind::Memory => Saved::default(),
        };
        Self::new(&config.slo, &saved, unix_millis())
    }

    fn new(settings: &[SloSettings], saved: &Saved, now: u64) -> Self {
        let tracked = settings.iter().map(|settings| {
            let history = saved.history(settings, now);
            Mutex::new(Tracked {
                history: history.unwrap_or_else(|| History::new(settings.window_seconds, now)),
                settings: settings.clone(),
                alert: Alert::None,
            })
        });
        Self {
            tracked: tracked.collect(),
            alarms: Alarms::default(),
        }
    }

    /// How each stands, as of the last look.
    pub(crate) fn reports(&self) -> Vec<SloReport> {
        let each = self.tracked.iter();
        each.map(|tracked| lock(tracked).report()).collect()
    }

    /// Whose alerts change.
    pub(crate) fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// Takes what was counted by now; the alerts that changed.
    fn look(&self, sources: Sources<'_>, now: u64) -> Vec<Alarm> {
        let mut changed = Vec::new();
        for tracked in &self.tracked {
            let mut tracked = lock(tracked);
            let counts = sources.of(&tracked.settings);
            tracked.history.observe(counts, now);
            let report = tracked.report();
            let was = std::mem::replace(&mut tracked.alert, report.alert);
            if was != report.alert {
                changed.push(self.alarms.raise(report, was, now));
            }
        }
        changed
    }

    fn save(&self) -> Saved {
        let mut saved = Saved::default();
        for tracked in &self.tracked {
            let tracked = lock(tracked);
            saved.add(&tracked.settings, &tracked.history);
        }
        saved
    }
}

/// Where counts come from.
#[derive(Clone, Copy)]
struct Sources<'a> {
    delivery: &'a Delivery,
    log: &'a Log,
}

impl<'a> Sources<'a> {
    fn new(executions: &'a Executions) -> Self {
        Self {
            delivery: executions.delivery(),
            log: executions.log(),
        }
    }

    /// What the process has counted of an objective since its start.
    fn of(self, settings: &SloSettings) -> Counts {
        let within = settings.threshold_ms.unwrap_or_default();
        let micros = (within * 1e3).round() as u64;
        let (good, total) = match settings.objective {
            Objective::DeliveryLatency => self.delivery.within(micros),
            Objective::ClientLatency => self.delivery.clients().within(micros),
            Objective::ResumesExact => self.delivery.resumes_exact(),
            Objective::RunsCompleted => self.log.numbers().completed(),
        };
        Counts { good, total }
    }
}

impl Tracked {
    fn report(&self) -> SloReport {
        let settings = &self.settings;
        let window = settings.window_seconds;
        let counts = self.history.within(window);
        let burns = WINDOWS.map(|part| {
            let seconds = length(window, part);
            let counts = self.history.within(seconds);
            (counts.total, Burn::new(seconds, counts, settings.target))
        });
        let attained = counts.share();
        let budget = 1.0 - settings.target;
        SloReport {
            name: settings.name.clone(),
            objective: settings.objective,
            target: settings.target,
            window_seconds: window,
            good: counts.good,
            total: counts.total,
            ever: self.history.ever(),
            attained,
            budget_remaining: attained.map(|attained| 1.0 - (1.0 - attained) / budget),
            alert: alert(&burns, settings.min_events),
            burn: burns.map(|(_, burn)| burn).to_vec(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
