//! What waits for the collector, and the task that brings it there.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Origin;
use super::destination::{Destination, Failure};

/// Spans on their way: so many, and no more.
#[derive(Debug)]
pub(super) struct Queue {
    most: usize,
    spans: Mutex<VecDeque<Span>>,
    filled: Notify,
    pub(super) sent: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) refused: AtomicU64,
}

impl Queue {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            spans: Mutex::default(),
            filled: Notify::new(),
            sent: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Takes these as far as there is room. Nobody waits for it.
    pub(super) fn offer(&self, offered: Vec<Span>) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.most.saturating_sub(spans.len());
        let dropped = offered.len().saturating_sub(room);
        spans.extend(offered.into_iter().take(room));
        drop(spans);
        self.filled.notify_one();
        if dropped > 0 && self.dropped.fetch_add(dropped as u64, Ordering::Relaxed) == 0 {
            tracing::warn!(
                dropped,
                "spans are dropped: too many wait for the collector; it is not said again"
            );
        }
    }

    /// Brings to the collector what there is, until the server stops; what is left then has a last, short try.
    pub(super) async fn drain(
        &self,
        to: &Destination,
        origin: &Origin,
        stopping: &CancellationToken,
    ) {
        let (mut batch, mut failing) = (Vec::new(), None::<Duration>);
        loop {
            if batch.is_empty() {
                batch = self.some();
            }
            if batch.is_empty() {
                tokio::select! {
                    () = stopping.cancelled() => return,
                    () = self.filled.notified() => {}
                }
                // what ends together leaves together
                rest(GATHER, stopping).await;
                continue;
            }
            if stopping.is_cancelled() {
                let _in_vain_if_it_is_late =
                    tokio::time::timeout(LAST, self.empty(batch, to, origin)).await;
                return;
            }
            let sent = tokio::select! {
                () = stopping.cancelled() => continue,
                sent = to.send(message(&batch, origin)) => sent,
            };
            match sent {
                Ok(answer) => {
                    self.taken(batch.len(), &answer);
                    if failing.take().is_some() {
                        tracing::info!(host = to.host(), "the collector takes traces again");
                    }
                    batch.clear();
                }
                Err(Failure::Later(why, after)) => {
                    let pause = failing.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
                    if failing.replace(pause).is_none() {
                        tracing::warn!(
                            host = to.host(),
                            why,
                            "the collector takes no traces; tried again"
                        );
                    }
                    rest(after.unwrap_or(pause).min(LONGEST_PAUSE), stopping).await;
                }
                Err(Failure::Never(why)) => {
                    self.refused
                        .fetch_add(batch.len() as u64, Ordering::Relaxed);
                    tracing::warn!(
                        host = to.host(),
                        why,
                        spans = batch.len(),
                        "the collector refused traces"
                    );
                    batch.clear();
                }
            }
        }
    }

    /// All that there is, with one try each.
    async fn empty(&self, mut batch: Vec<Span>, to: &Destination, origin: &Origin) {
        while !batch.is_empty() {
            match to.send(message(&batch, origin)).await {
                Ok(answer) => self.taken(batch.len(), &answer),
                Err(_stays_unsent) => return,
            }
            batch = self.some();
        }
    }

    fn taken(&self, spans: usize, answer: &[u8]) {
        let partial = ExportTraceServiceResponse::decode(answer).ok();
        let partial = partial.and_then(|answer| answer.partial_success);
        let rejected = partial.as_ref().map_or(0, |it| it.rejected_spans);
        let rejected = u64::try_from(rejected).unwrap_or_default();
        if let Some(partial) = partial.filter(|_| rejected > 0) {
            tracing::warn!(
                rejected,
                why = partial.error_message,
                "the collector refused spans"
            );
        }
        self.refused.fetch_add(rejected, Ordering::Relaxed);
        self.sent
            .fetch_add((spans as u64).saturating_sub(rejected), Ordering::Relaxed);
    }

    fn some(&self) -> Vec<Span> {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let some = spans.len().min(AT_ONCE);
        spans.drain(..some).collect()
    }
}

fn message(spans: &[Span], origin: &Origin) -> Vec<u8> {
    let scope_spans = ScopeSpans {
        scope: Some(origin.scope.clone()),
        spans: spans.to_vec(),
        ..ScopeSpans::default()
    };
    let resource_spans = ResourceSpans {
        resource: Some(origin.resource.clone()),
        scope_spans: vec![scope_spans],
        ..ResourceSpans::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![resource_spans],
    };
    request.encode_to_vec()
}

/// For so long, or until the server stops.
pub(super) async fn rest(pause: Duration, stopping: &CancellationToken) {
    tokio::select! {
        () = stopping.cancelled() => {}
        () = tokio::time::sleep(pause) => {}
    }
}

/// Spans of one message.
const AT_ONCE: usize = 512;

/// How long the first span waits for others.
const GATHER: Duration = Duration::from_millis(500);

const FIRST_PAUSE: Duration = Duration::from_secs(1);

const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long a server that stops waits for the collector.
pub(super) const LAST: Duration = Duration::from_secs(2);
