//! The logs that a connection reads: opened for those who may, read page by page, waited for.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, select_all};
use stepcast_core::id::{Cursor, ExecutionId, Position, Seq};
use stepcast_core::session::Input;
use tokio::sync::watch;

use super::super::dialect::Encoding;
use super::Feed;
use crate::access::{Action, Closed, Deed, Denied, Identity, Lease, On, Pass, decide};
use crate::limits::{Kind, Who};
use crate::log::{Reader, Record, Stream, Tail};
use crate::telemetry::{Place, tell_replay};

/// A log that is followed.
pub(super) struct Open {
    pub(super) reader: Reader,
    /// What the session was told of the tail.
    pub(super) told: Tail,
    /// For how long it may be read.
    pub(super) lease: Lease,
    /// What was there already when this was opened: the rest is news.
    pub(super) began: Seq,
    /// The last event that was read; all of it is under way.
    pub(super) read: Seq,
    /// Where the reader stands, for those who look after it; none where its pace says so.
    pub(super) place: Option<Place>,
}

/// What happened to a log.
pub(super) enum Turn {
    /// It has grown to here, or ended.
    Grown(Tail),
    /// It may not be read any longer.
    Over,
}

impl Feed {
    /// Whether they may read this; the status and the words of the refusal where not.
    fn admit(&self, execution_id: &ExecutionId) -> Result<Pass, (u16, String)> {
        if matches!(self.identity, Identity::Local) {
            return Ok(Pass::default());
        }
        let access = self.executions.access();
        // what a watch picks up the client has not asked for, and none of it may be missed
        let counted = self.many && !self.session.is_found(execution_id);
        if let Some(closed) = access.closed().filter(|_| counted) {
            let who = Who::of(&self.identity, self.source);
            let taken = closed.rates.take(&who, Kind::Open);
            taken.map_err(|later| (429, later.told()))?;
        }
        let row = self.executions.find(execution_id).map_err(|error| {
            tracing::error!(%execution_id, %error, "an execution could not be looked up");
            (500, "The log could not be read.".to_owned())
        })?;
        let pass = decide(&self.identity, Action::Open, On::Execution(row.as_ref()));
        let good = pass.and_then(|pass| match self.many && !access.is_good(&pass) {
            true => Err(Denied::Unknown),
            false => Ok(pass),
        });
        good.map_err(Denied::told)
    }

    /// Tells the audit log who opened what. On a connection to one execution the gate has done so.
    async fn note(&self, execution_id: &ExecutionId, status: u16) {
        let access = self.executions.access();
        let told = |closed: &&Arc<Closed>| status != 429 || closed.is_news(&self.identity);
        if let Some(closed) = access.closed().filter(|_| self.many).filter(told) {
            let deed = Deed {
                execution: Some(execution_id.to_string()),
                ..Deed::of(&self.identity, self.source, "open", status)
            };
            closed.note(deed).await;
        }
    }

    pub(super) async fn open(&mut self, execution_id: ExecutionId) {
        let now = self.clock.now();
        let pass = match self.admit(&execution_id) {
            Ok(pass) => pass,
            Err((status, message)) => {
                self.note(&execution_id, status).await;
                let refused = Input::Refused {
                    execution_id,
                    status,
                    message,
                };
                return self.session.handle(now, refused);
            }
        };
        self.note(&execution_id, 200).await;
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
            Ok(Some((earliest, stream))) => self.opened(execution_id, &pass, earliest, stream),
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

    /// The log is there: it is followed from now on.
    fn opened(
        &mut self,
        execution_id: ExecutionId,
        pass: &Pass,
        earliest: Seq,
        stream: Arc<Stream>,
    ) -> Input<'static, Record> {
        if self.encoding == Encoding::Cbor {
            stream.keep_cbor();
        }
        let (epoch, key, told) = (stream.epoch(), stream.key(), stream.tail());
        let (places, resumes) = (&mut self.places, &mut self.resumes);
        let (many, mut written) = (self.many, told.last_seq);
        self.session.begin(&execution_id, |wanted| {
            let after = pass.begin(wanted);
            written = match after {
                Position::After(cursor) if cursor.epoch == epoch => cursor.seq,
                Position::Now => told.last_seq,
                Position::After(_) | Position::Earliest => 0,
            };
            if let (true, Position::After(cursor)) = (many, wanted) {
                resumes.add(cursor, epoch, (earliest, told.last_seq));
            }
            if let Some(places) = places {
                let seq = match after {
                    Position::Earliest => 0,
                    Position::Now => told.last_seq,
                    Position::After(cursor) => cursor.seq,
                };
                places.begin(&execution_id, key, Cursor { epoch, seq });
            }
            after
        });
        if let Some(cursor) = self.comes_back.take() {
            self.resumes.add(cursor, epoch, (earliest, told.last_seq));
        }
        let open = Open {
            told,
            lease: self.executions.access().lease(pass),
            began: told.last_seq,
            read: written,
            place: self.enter(&stream, written),
            reader: Reader::new(stream, 0),
        };
        self.open.insert(execution_id.clone(), Box::new(open));
        Input::Opened {
            execution_id,
            epoch,
            earliest,
            last_seq: told.last_seq,
        }
    }

    pub(super) async fn read(&mut self, execution_id: ExecutionId, after: Seq, max: usize) {
        let Some(open) = self.open.get_mut(&execution_id) else {
            return;
        };
        open.reader.seek(after);
        // a filter may hold back page after page: others have their turn in between
        tokio::task::consume_budget().await;
        if let Some(place) = &open.place {
            place.written(after);
        }
        let read = open.reader.read(max).await;
        let now = self.clock.now();
        match read {
            Ok(mut page) => {
                tell_replay(&mut page.records, open.began);
                open.read = page.records.last().map_or(after, Record::seq);
                self.session.handle(
                    now,
                    Input::Page {
                        execution_id,
                        records: page.records,
                        gap: page.gap,
                        ended: page.ended,
                    },
                );
            }
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

    /// Folds a log from its first event on.
    pub(super) async fn view(&mut self, execution_id: ExecutionId) {
        let folded = self.executions.view(&execution_id).await;
        let view = folded.map(|view| view.map(|view| (view.last_seq, serde_json::to_value(&view))));
        let input = match view {
            Ok(Some((seq, Ok(view)))) => Input::Viewed {
                execution_id,
                seq,
                view,
            },
            gone => {
                let error = format!("{gone:?}");
                tracing::error!(%execution_id, %error, "a log could not be folded");
                Input::Refused {
                    execution_id,
                    status: 500,
                    message: "The log could not be read.".to_owned(),
                }
            }
        };
        self.session.handle(self.clock.now(), input);
    }

    /// Where a reader stands from now on.
    pub(super) fn enter(&self, stream: &Arc<Stream>, written: Seq) -> Option<Place> {
        let readers = self.executions.delivery().readers();
        (!self.paced).then(|| readers.enter(stream, written))
    }

    /// Tells the session what has become of a log.
    pub(super) fn turned(&mut self, execution_id: ExecutionId, turn: Turn) {
        let now = self.clock.now();
        match turn {
            Turn::Grown(tail) => {
                if let Some(open) = self.open.get_mut(&execution_id) {
                    open.told = tail;
                }
                let last_seq = tail.last_seq;
                self.session.handle(
                    now,
                    Input::Grown {
                        execution_id,
                        last_seq,
                    },
                );
            }
            Turn::Over => {
                let message = "What let you follow it has expired, or was revoked.".to_owned();
                self.session.handle(
                    now,
                    Input::Refused {
                        execution_id,
                        status: 403,
                        message,
                    },
                );
            }
        }
    }
}

/// As a feed has it.
type Held = Box<Open>;

/// The first of the open logs that has moved past what the session was told of it, or may not be read any longer.
pub(super) async fn turn(open: &BTreeMap<ExecutionId, Held>) -> (ExecutionId, Turn) {
    let wait = |(id, open): (&ExecutionId, &Held)| -> BoxFuture<'_, (ExecutionId, Turn)> {
        let (id, mut tail, told): (_, watch::Receiver<Tail>, _) =
            (id.clone(), open.reader.stream().watch(), open.told);
        let lease = open.lease.clone();
        async move {
            let grown = async {
                match tail.wait_for(|tail| *tail != told).await.map(|tail| *tail) {
                    Ok(tail) => Turn::Grown(tail),
                    Err(_closed) => std::future::pending().await,
                }
            };
            let turn = tokio::select! {
                turn = grown => turn,
                () = lease.over() => Turn::Over,
            };
            (id, turn)
        }
        .boxed()
    };
    let waits: Vec<_> = open.iter().map(wait).collect();
    if waits.is_empty() {
        return std::future::pending().await;
    }
    select_all(waits).await.0
}
