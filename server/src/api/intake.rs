//! A stream of events, one a line: kept and seen by viewers while the rest is still on its way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt as _;
use stepcast_core::id::Seq;

use super::incoming::{Expected, too_large};
use super::ingest::answer;
use super::lines::{Lines, TooLong};
use crate::access::{Caller, Lease};
use crate::context::Draft;
use crate::error::Problem;
use crate::executions::{Executions, Producer, Receipt, Refusal, Unit};
use crate::limits::Later;
use crate::log::Stream;

/// One request's lines.
#[derive(Debug)]
pub(super) struct Intake {
    executions: Executions,
    stream: Arc<Stream>,
    /// Its `seq` is that of the next line.
    producer: Option<Producer>,
    lines: Lines,
    /// Whole lines that have not been taken, and the number of the first.
    group: Vec<Draft>,
    first_line: u64,
    /// Who sends them, and until when they are taken.
    caller: Caller,
    lease: Lease,
    /// All groups so far.
    receipt: Receipt,
    /// For each group that is not known to be kept: its last event, and the lines taken up to it.
    unsettled: VecDeque<(Seq, usize)>,
}

impl Intake {
    pub(super) fn new(
        executions: Executions,
        stream: Arc<Stream>,
        producer: Option<Producer>,
        (caller, lease): (Caller, Lease),
    ) -> Self {
        let receipt = Receipt {
            last: stream.tail().last_seq,
            ..Receipt::default()
        };
        Self {
            lines: Lines::new(executions.config().max_event_bytes),
            executions,
            stream,
            producer,
            group: Vec::new(),
            first_line: 0,
            caller,
            lease,
            receipt,
            unsettled: VecDeque::new(),
        }
    }

    /// Takes the body to its end, or to the first line that cannot be taken: those before it are kept.
    pub(super) async fn run(mut self, body: Body) -> Result<Response, Problem> {
        let mut body = body.into_data_stream();
        let taken = self.read(&mut body).await;
        let settled = self.stream.settled(self.receipt.last).await;
        match (taken, settled) {
            (Ok(()), Ok(())) if self.receipt.taken + self.receipt.seen == 0 => {
                let detail = "The body holds no event: send at least one line.";
                Err(Problem::new(StatusCode::BAD_REQUEST, detail))
            }
            (Ok(()), Ok(())) => Ok(answer(&self.stream, &self.receipt)),
            (Ok(()), Err(error)) => Err(self.told(error.into())),
            (Err(problem), _) => {
                self.let_finish(body).await;
                Err(self.told(problem))
            }
        }
    }

    async fn read(&mut self, body: &mut BodyDataStream) -> Result<(), Problem> {
        let stopping = self.executions.stopping().clone();
        let lease = self.lease.clone();
        let over = self.over();
        tokio::pin!(over);
        loop {
            let chunk = tokio::select! {
                chunk = body.next() => chunk,
                () = stopping.cancelled() => return Err(stops()),
                () = lease.over() => return Err(expired()),
                () = &mut over => return Err(silent()),
            };
            match chunk {
                Some(Ok(chunk)) => self.arrived(&chunk).await?,
                Some(Err(error)) => {
                    let detail = format!("The body broke off: {error}.");
                    return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
                }
                None => break,
            }
        }
        if let Some((number, line)) = self.lines.last() {
            self.line(number, &line).await?;
        }
        self.flush().await
    }

    /// Until the run has ended and the rest of the body has had its time: a producer that says nothing is cut off with
    /// its run, when its lease is over.
    fn over(&self) -> impl Future<Output = ()> + use<> {
        let mut tail = self.stream.watch();
        let patience = self.executions.config().limits.body_deadline_ms;
        async move {
            if tail.wait_for(|tail| tail.ended.is_some()).await.is_err() {
                return std::future::pending().await;
            }
            tokio::time::sleep(Duration::from_millis(patience)).await;
        }
    }

    async fn arrived(&mut self, chunk: &Bytes) -> Result<(), Problem> {
        while let Err(Later(wait)) = self.caller.writes(&self.executions, chunk.len()) {
            self.rest(wait).await?;
        }
        self.lines.push(chunk);
        let mut any = false;
        loop {
            match self.lines.take_line() {
                Ok(Some((number, line))) => self.line(number, &line).await?,
                Ok(None) => break,
                Err(TooLong(number)) => {
                    self.flush().await?;
                    let longest = self.executions.config().max_event_bytes;
                    return Err(too_large(longest).with("line", number));
                }
            }
            any = true;
        }
        if any {
            return self.flush().await;
        }
        // an empty line, or a part of one: a sign of life
        let producer = self.producer.as_ref();
        let producer = producer.map(|producer| (producer.id.as_str(), producer.epoch));
        self.executions
            .heartbeat(self.stream.id(), producer)
            .await?;
        Ok(())
    }

    /// Adds a line to the group; one that cannot be read lets those before it through.
    /// Reads nothing for so long.
    async fn rest(&self, wait: Duration) -> Result<(), Problem> {
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            () = self.executions.stopping().cancelled() => Err(stops()),
        }
    }

    async fn line(&mut self, number: u64, line: &[u8]) -> Result<(), Problem> {
        let expected = Expected {
            execution_id: self.stream.id(),
            max_event_bytes: self.executions.config().max_event_bytes,
            max_depth: self.executions.config().limits.json_depth,
        };
        let mut flaws = Vec::new();
        let read = match expected.event(line, "$", &mut flaws) {
            Ok(Some(draft)) => Ok(draft),
            Ok(None) => Err(Problem::invalid(
                "The event in this line cannot be taken.",
                flaws,
            )),
            Err(problem) => Err(problem),
        };
        match read {
            Ok(draft) => {
                if self.group.is_empty() {
                    self.first_line = number;
                }
                let terminal = draft.event_type.is_terminal();
                self.group.push(draft);
                if terminal || self.group.len() >= self.largest_group() {
                    self.flush().await?;
                }
                Ok(())
            }
            Err(problem) => {
                self.flush().await?;
                Err(problem.with("line", number))
            }
        }
    }

    /// Takes the group. A producer that is too fast waits here, and its connection with it.
    async fn flush(&mut self) -> Result<(), Problem> {
        if self.group.is_empty() {
            return Ok(());
        }
        let count = self.group.len();
        while let Err(Later(wait)) = self.caller.writes_events(&self.executions, count) {
            self.rest(wait).await?;
        }
        let (lines, line) = (count as u64, self.first_line);
        let id = self.stream.id();
        let receipt = loop {
            let (group, producer) = (&mut self.group, self.producer.as_ref());
            let taken = self.executions.take(id, group, producer, Unit::Line).await;
            match taken {
                Ok(receipt) => break receipt,
                Err(Refusal::TooFast { wait }) => self.rest(wait).await?,
                Err(refusal) => return Err(Problem::from(refusal).with("line", line)),
            }
        };
        self.group.clear();
        if let Some(producer) = &mut self.producer {
            producer.seq += lines;
        }
        self.receipt = Receipt {
            taken: self.receipt.taken + receipt.taken,
            seen: self.receipt.seen + receipt.seen,
            ..receipt
        };
        let kept = self.stream.tail().last_seq;
        self.unsettled.retain(|(last, _)| *last > kept);
        self.unsettled.push_back((receipt.last, receipt.taken));
        Ok(())
    }

    /// A problem, with what is kept all the same.
    fn told(&self, problem: Problem) -> Problem {
        let kept = self.stream.tail().last_seq;
        let early = self.stream.settles_early();
        let unsettled = self
            .unsettled
            .iter()
            .filter(|(last, _)| *last > kept && !early);
        let unsettled: usize = unsettled.map(|(_, lines)| lines).sum();
        problem
            .with("taken", self.receipt.taken - unsettled)
            .with("seen", self.receipt.seen)
            .with("last_seq", kept)
    }

    /// Reads on for a moment, so that a client that sends before it reads finds the answer.
    async fn let_finish(&self, mut body: BodyDataStream) {
        let mut left = self.executions.config().max_body_bytes;
        let rest = async {
            while let Some(Ok(chunk)) = body.next().await {
                left = left.saturating_sub(chunk.len());
                if left == 0 {
                    return;
                }
            }
        };
        // whichever comes first
        let _ended = tokio::time::timeout(LET_FINISH, rest).await;
    }

    fn largest_group(&self) -> usize {
        let most = self.executions.config().max_events_per_second as usize;
        if most == 0 {
            LARGEST_GROUP
        } else {
            LARGEST_GROUP.min(most)
        }
    }
}

fn expired() -> Problem {
    let detail = "The token has expired, or was revoked: come back with one that is valid, and send the lines that were not taken.";
    Problem::new(StatusCode::UNAUTHORIZED, detail)
}

fn silent() -> Problem {
    let detail = "The execution has ended, and the body has not: end it after the last line.";
    Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
}

fn stops() -> Problem {
    let detail = "The server stops: come back, and send the lines that were not taken.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).header(header::RETRY_AFTER, 1_u64)
}

/// Lines taken in one transaction.
const LARGEST_GROUP: usize = 1_000;

/// How long a client may go on sending after the answer is known.
const LET_FINISH: Duration = Duration::from_secs(1);
