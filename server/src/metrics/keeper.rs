//! Counts each execution that has ended, once, and keeps the counts with it.

use std::time::Duration;

use super::blocking;
use super::tally::Tally;
use crate::executions::Executions;
use crate::log::StoreError;

/// Looks for executions that have ended without counts, for as long as the server runs: those of a former process too.
/// Killed at any instant, it goes on with what is missing.
pub(crate) async fn keep(executions: Executions) {
    let pause = Duration::from_millis(executions.config().metrics.interval_ms);
    loop {
        let pause = match keep_some(&executions).await {
            // there may be more
            Ok(kept) if kept == AT_ONCE => Duration::ZERO,
            Ok(_) => pause,
            Err(error) => {
                tracing::warn!(%error, "counts could not be kept; tried again later");
                pause.max(AFTER_FAILURE)
            }
        };
        tokio::select! {
            () = executions.stopping().cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Counts some, and says how many there were to count.
async fn keep_some(executions: &Executions) -> Result<usize, StoreError> {
    let store = executions.log().store().clone();
    let ids = blocking(move || store.unmeasured(AT_ONCE)).await?;
    for id in &ids {
        if executions.stopping().is_cancelled() {
            break;
        }
        let Some(stream) = executions.log().open(id)? else {
            continue;
        };
        // before its counts are kept: killed in between, a run is told of twice rather than never
        if executions.exporter().traces()
            && let Some(row) = executions.find(id)?
        {
            executions.exporter().tell(&row, stream.clone()).await?;
        }
        let key = stream.key();
        let mut tally = Tally::new(stream);
        tally.advance().await?;
        let json = serde_json::to_vec(tally.metrics())
            .map_err(|error| StoreError::Damaged(error.to_string()))?;
        let store = executions.log().store().clone();
        blocking(move || store.keep_counts(key, &json)).await?;
        executions.meter().kept(&tally.metrics().total);
    }
    Ok(ids.len())
}

/// Executions looked for at once.
const AT_ONCE: usize = 64;

/// How long a store that refuses is left alone.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
