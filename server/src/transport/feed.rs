//! The one driver of core's session: it opens and reads logs for it, and waits for them to grow.
//!
//! What it gives out is what there is to write now; nothing is read for a peer that has not taken what it was
//! given, so a slow one costs one page and lags in the log, not in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, select_all};
use stepcast_core::control::ControlFrame;
use stepcast_core::id::{Cursor, ExecutionId, Seq};
use stepcast_core::session::{self, Input, Output, Session, SessionConfig};
use stepcast_core::time::Time;
use stepcast_core::wire::close::CloseCode;
use tokio::sync::watch;

use super::parameters::Selection;
use crate::access::{Action, Caller, Denied, Identity, Lease, On, decide};
use crate::clock::Clock;
use crate::config::Config;
use crate::executions::Executions;
use crate::log::{Reader, Record, StoreError, Stream, Tail};

impl session::Record for Record {
    fn seq(&self) -> Seq {
        self.seq()
    }

    fn event_type(&self) -> &str {
        self.event_type()
    }

    fn step_id(&self) -> Option<&str> {
        self.step_id()
    }

    fn unix_millis(&self) -> Option<u64> {
        self.unix_millis()
    }
}

/// One thing to write.
#[derive(Debug)]
pub(crate) enum Frame {
    /// Something about the stream.
    Control(ControlFrame),
    /// An event.
    Event(Record),
    /// Close the connection; the last thing there is.
    Close(CloseCode),
}

/// One connection's session, with the logs it reads.
pub(crate) struct Feed {
    executions: Executions,
    session: Session<Record>,
    clock: Clock,
    open: BTreeMap<ExecutionId, Open>,
    wake: Option<Time>,
    leaving: bool,
    identity: Identity,
    lease: Lease,
}

struct Open {
    reader: Reader,
    /// What the session was told of the tail.
    told: Tail,
}

impl Feed {
    /// A session that follows one execution and ends with it.
    pub(crate) fn single(
        executions: Executions,
        execution_id: ExecutionId,
        selection: Selection,
        caller: Caller,
    ) -> Self {
        let clock = Clock::start();
        let config = session_config(executions.config());
        let mut session = Session::new(config, clock.now());
        session.handle(
            clock.now(),
            Input::Subscribe {
                execution_id,
                after: caller.pass.begin(selection.after),
                filter: selection.filter,
                pace: selection.pace,
            },
        );
        Self {
            session,
            clock,
            open: BTreeMap::new(),
            wake: None,
            leaving: false,
            lease: executions.access().lease(&caller.pass),
            identity: caller.identity,
            executions,
        }
    }

    /// The session that rested at this cursor; see [`Feed::rest`].
    ///
    /// # Errors
    /// Where the log cannot be opened, or is gone.
    pub(crate) fn resumed(
        executions: Executions,
        execution_id: ExecutionId,
        cursor: Cursor,
        (identity, lease): (Identity, Lease),
    ) -> Result<Self, StoreError> {
        let stream = executions.log().open(&execution_id)?;
        let Some(stream) = stream.filter(|stream| stream.epoch() == cursor.epoch) else {
            return Err(StoreError::Gone);
        };
        let clock = Clock::start();
        let config = session_config(executions.config());
        let session = Session::resumed(config, clock.now(), execution_id.clone(), cursor);
        let told = stream.tail();
        let reader = Reader::new(stream, cursor.seq);
        Ok(Self {
            executions,
            session,
            clock,
            open: BTreeMap::from([(execution_id, Open { reader, told })]),
            wake: None,
            leaving: false,
            identity,
            lease,
        })
    }

    /// The log and the cursor, where they are all there is to know of this connection: it may be dropped, and
    /// [`Feed::resumed`] goes on unnoticed.
    pub(crate) fn rest(&self) -> Option<(Arc<Stream>, Cursor)> {
        let (execution_id, seq) = self.session.rest()?;
        let stream = self.open.get(execution_id)?.reader.stream();
        let epoch = stream.epoch();
        (!self.leaving).then(|| (stream.clone(), Cursor { epoch, seq }))
    }

    /// A text frame of the client's.
    pub(crate) fn text(&mut self, text: &str) {
        self.session.handle(self.clock.now(), Input::Text(text));
    }

    /// Everything given out has been written.
    pub(crate) fn written(&mut self) {
        self.session.handle(self.clock.now(), Input::Written);
    }

    /// What there is to write, at once; empty where there is nothing.
    pub(crate) async fn ready(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        if !self.leaving && self.lease.is_over() {
            self.expire();
        }
        loop {
            match self.session.poll() {
                Output::Open(id) => self.open(id),
                Output::Read {
                    execution_id,
                    after,
                    max,
                } => self.read(execution_id, after, max).await,
                Output::Drop(id) => drop(self.open.remove(&id)),
                Output::Control(frame) => frames.push(Frame::Control(frame)),
                Output::Event(record) => frames.push(Frame::Event(record)),
                Output::Close(code) => frames.push(Frame::Close(code)),
                Output::Timeout(wake) => {
                    self.wake = wake;
                    return frames;
                }
            }
        }
    }

    /// Waits until [`Feed::ready`] may have something. Can be dropped at any await.
    pub(crate) async fn wait(&mut self) {
        let now = self.clock.now();
        let stopping = self.executions.stopping().clone();
        let leaving = self.leaving;
        let lease = self.lease.clone();
        let expired = async {
            if leaving {
                std::future::pending().await
            } else {
                lease.over().await
            }
        };
        let goes_away = async {
            if leaving {
                std::future::pending().await
            } else {
                stopping.cancelled().await
            }
        };
        let wake = self.wake.map(|at| self.clock.instant(at));
        let timer = async {
            if let Some(at) = wake {
                tokio::time::sleep_until(at).await
            } else {
                std::future::pending().await
            }
        };
        tokio::select! {
            biased;
            () = goes_away => {
                self.leaving = true;
                let retry_ms = jittered(self.executions.config().retry_ms);
                self.session.handle(now, Input::GoingAway { retry_ms });
            }
            () = expired => self.expire(),
            (execution_id, tail) = grown(&self.open) => {
                if let Some(open) = self.open.get_mut(&execution_id) {
                    open.told = tail;
                }
                let (now, last_seq) = (self.clock.now(), tail.last_seq);
                self.session.handle(now, Input::Grown { execution_id, last_seq });
            }
            () = timer => self.session.handle(self.clock.now(), Input::Tick),
        }
    }

    /// What was shown is not valid any more: the client is to come back with what is.
    fn expire(&mut self) {
        self.leaving = true;
        let retry_ms = jittered(self.executions.config().retry_ms);
        let now = self.clock.now();
        self.session.handle(now, Input::Expired { retry_ms });
    }

    /// Who reads, and for how long they may.
    pub(crate) fn holder(&self) -> (Identity, Lease) {
        (self.identity.clone(), self.lease.clone())
    }

    /// Whether they may read this; the status and the words of the refusal where not.
    fn admit(&mut self, execution_id: &ExecutionId) -> Result<(), (u16, String)> {
        if matches!(self.identity, Identity::Local) {
            return Ok(());
        }
        let row = self.executions.find(execution_id).map_err(|error| {
            tracing::error!(%execution_id, %error, "an execution could not be looked up");
            (500, "The log could not be read.".to_owned())
        })?;
        decide(&self.identity, Action::Open, On::Execution(row.as_ref()))
            .map(drop)
            .map_err(Denied::told)
    }

    fn open(&mut self, execution_id: ExecutionId) {
        let now = self.clock.now();
        if let Err((status, message)) = self.admit(&execution_id) {
            let refused = Input::Refused {
                execution_id,
                status,
                message,
            };
            return self.session.handle(now, refused);
        }
        let found = self
            .executions
            .log()
            .open(&execution_id)
            .and_then(|stream| {
                stream
                    .map(|stream| Ok((stream.earliest()?, stream)))
                    .transpose()
            });
        let input = match found {
            Ok(Some((earliest, stream))) => {
                let (epoch, told) = (stream.epoch(), stream.tail());
                self.open.insert(
                    execution_id.clone(),
                    Open {
                        reader: Reader::new(stream, 0),
                        told,
                    },
                );
                Input::Opened {
                    execution_id,
                    epoch,
                    earliest,
                    last_seq: told.last_seq,
                }
            }
            Ok(None) => Input::Refused {
                execution_id,
                status: 404,
                message: "There is no execution with this id.".to_owned(),
            },
            Err(error) => {
                tracing::error!(%execution_id, %error, "a log could not be opened");
                Input::Refused {
                    execution_id,
                    status: 500,
                    message: "The log could not be read.".to_owned(),
                }
            }
        };
        self.session.handle(now, input);
    }

    async fn read(&mut self, execution_id: ExecutionId, after: Seq, max: usize) {
        let Some(open) = self.open.get_mut(&execution_id) else {
            return;
        };
        open.reader.seek(after);
        let read = open.reader.read(max).await;
        let now = self.clock.now();
        match read {
            Ok(page) => self.session.handle(
                now,
                Input::Page {
                    execution_id,
                    records: page.records,
                    gap: page.gap,
                    ended: page.ended,
                },
            ),
            Err(error) => {
                tracing::error!(%execution_id, %error, "a log could not be read");
                let message = "The log could not be read.".to_owned();
                self.session.handle(
                    now,
                    Input::Refused {
                        execution_id,
                        status: 500,
                        message,
                    },
                );
            }
        }
    }
}

/// The first of the open logs that has moved past what the session was told of it.
async fn grown(open: &BTreeMap<ExecutionId, Open>) -> (ExecutionId, Tail) {
    let wait = |(id, open): (&ExecutionId, &Open)| -> BoxFuture<'_, (ExecutionId, Tail)> {
        let (id, mut tail, told): (_, watch::Receiver<Tail>, _) =
            (id.clone(), open.reader.stream().watch(), open.told);
        async move {
            let moved = tail.wait_for(|tail| *tail != told).await.map(|tail| *tail);
            match moved {
                Ok(tail) => (id, tail),
                Err(_closed) => std::future::pending().await,
            }
        }
        .boxed()
    };
    let waits: Vec<_> = open.iter().map(wait).collect();
    if waits.is_empty() {
        return std::future::pending().await;
    }
    select_all(waits).await.0
}

fn session_config(config: &Config) -> SessionConfig {
    SessionConfig {
        heartbeat: Duration::from_millis(config.heartbeat_ms),
        retry: Duration::from_millis(jittered(config.retry_ms)),
        single: true,
        ..SessionConfig::default()
    }
}

/// From half to one and a half of it, so that not all come back at once.
fn jittered(ms: u64) -> u64 {
    ms / 2 + fastrand::u64(0..=ms)
}
