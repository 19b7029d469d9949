//! Changes of alerts, for those who follow them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use stepcast_core::time::Timestamp;
use tokio::sync::watch;

use super::SloReport;
use super::burn::Alert;

/// An alert that began, changed or is over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Alarm {
    /// Its number, one higher than the one before; they begin anew with the process.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// What it was before.
    pub was: Alert,
    /// How the objective stands.
    pub slo: SloReport,
}

/// The last changes.
#[derive(Debug)]
pub(crate) struct Alarms {
    recent: Mutex<VecDeque<Alarm>>,
    /// The number of the last one.
    last: watch::Sender<u64>,
}

impl Default for Alarms {
    fn default() -> Self {
        Self {
            recent: Mutex::default(),
            last: watch::Sender::new(0),
        }
    }
}

impl Alarms {
    /// An alert has changed.
    pub(super) fn raise(&self, slo: SloReport, was: Alert, now: u64) -> Alarm {
        let mut recent = self.lock();
        let alarm = Alarm {
            id: *self.last.borrow() + 1,
            at: Timestamp::from_unix_millis(now),
            was,
            slo,
        };
        recent.push_back(alarm.clone());
        if recent.len() > KEPT {
            recent.pop_front();
        }
        drop(recent);
        self.last.send_replace(alarm.id);
        alarm
    }

    /// Those after this number that are still known.
    pub(crate) fn after(&self, id: u64) -> Vec<Alarm> {
        let recent = self.lock();
        let later = recent.iter().filter(|alarm| alarm.id > id);
        later.cloned().collect()
    }

    /// The last change of each objective whose alert is on.
    pub(crate) fn standing(&self) -> Vec<Alarm> {
        let recent = self.lock();
        let is_last = |alarm: &&Alarm| {
            let same = |other: &&Alarm| other.slo.name == alarm.slo.name;
            recent.iter().rfind(same).map(|last| last.id) == Some(alarm.id)
        };
        let last = recent.iter().filter(is_last);
        last.filter(|alarm| alarm.slo.alert != Alert::None)
            .cloned()
            .collect()
    }

    /// The number of the last one, to be waited on.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Alarm>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Changes that are kept for those who come back.
const KEPT: usize = 256;
