//! Looks at the counters every few seconds, tells of alerts, and keeps what was counted.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::webhook::Webhook;
use super::{Alarm, Sources};
use crate::clock::unix_millis;
use crate::config::StoreKind;
use crate::executions::Executions;

/// Goes on for as long as the server runs.
pub(crate) async fn keep(executions: Executions, webhook: Option<Webhook>) {
    let slos = executions.slos();
    let windows = executions.config().slo.iter().map(|slo| slo.window_seconds);
    let Some(shortest) = windows.min() else {
        return;
    };
    // five looks in the shortest of the windows, which is as long as that
    let pause = Duration::from_secs((shortest / 8640 / 5).clamp(1, 15));
    let mut looks = interval(pause);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut saved = Instant::now();
    loop {
        tokio::select! {
            () = executions.stopping().cancelled() => break,
            _look = looks.tick() => {}
        }
        for alarm in slos.look(Sources::new(&executions), unix_millis()) {
            tell(&alarm);
            if let Some(webhook) = &webhook {
                webhook.send(&executions, alarm);
            }
        }
        if saved.elapsed() >= SAVED_EVERY {
            save(&executions).await;
            saved = Instant::now();
        }
    }
    slos.look(Sources::new(&executions), unix_millis());
    save(&executions).await;
}

fn tell(alarm: &Alarm) {
    let slo = &alarm.slo;
    let (alert, was) = (slo.alert.as_str(), alarm.was.as_str());
    let remaining = slo.budget_remaining;
    tracing::warn!(
        slo = slo.name,
        alert,
        was,
        target_share = slo.target,
        good = slo.good,
        total = slo.total,
        budget_remaining = remaining,
        "the alert of an objective has changed"
    );
}

async fn save(executions: &Executions) {
    if executions.config().store != StoreKind::Sqlite {
        return;
    }
    let (saved, folder) = (
        executions.slos().save(),
        executions.config().data_dir.clone(),
    );
    let written = tokio::task::spawn_blocking(move || saved.write(&folder)).await;
    match written {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "error budgets could not be kept"),
        Err(error) => tracing::error!(%error, "a task was lost"),
    }
}

/// How much a process that is killed may forget.
const SAVED_EVERY: Duration = Duration::from_secs(60);
