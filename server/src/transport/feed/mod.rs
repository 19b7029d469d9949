//! The one driver of core's session: it opens and reads logs for it, and waits for them to grow.
//!
//! What it gives out is what there is to write now; nothing is read for a peer that has not taken what it was
//! given, so a slow one costs one page and lags in the log, not in memory.

mod files;
mod finding;
mod logs;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stepcast_core::control::{ControlFrame, GoawayReason};
use stepcast_core::fidelity::Manner;
use stepcast_core::filter::Filter;
use stepcast_core::id::{Cursor, ExecutionId, Position, Seq};
use stepcast_core::pattern::{Pattern, Since};
use stepcast_core::session::{self, Input, Output, Session, SessionConfig};
use stepcast_core::time::Time;
use stepcast_core::wire::close::CloseCode;
use tokio::sync::watch;

pub(super) use self::files::FileFrame;
use self::files::Files;
use self::finding::Search;
use self::logs::{Open, turn};
use super::dialect::Encoding;
use super::parameters::Selection;
use super::places::Places;
use crate::access::{Caller, Denied, Identity, Lease};
use crate::clock::Clock;
use crate::config::Config;
use crate::edge::Source;
use crate::executions::Executions;
use crate::limits::Later;
use crate::log::{Reader, Record, StoreError, Stream};
use crate::telemetry::{Batch, Connection, Resumes, Wire};

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

    fn json(&self) -> Cow<'_, str> {
        self.json().into()
    }

    fn altered(&self, json: String) -> Option<Self> {
        let Cursor { epoch, seq } = self.cursor();
        let mut altered = Self::from_stored(epoch, seq, json.as_bytes())?;
        altered.set_accepted(self.accepted());
        Some(altered)
    }
}

/// One thing to write.
#[derive(Debug)]
pub(crate) enum Frame {
    /// Something about the stream.
    Control(ControlFrame),
    /// An event.
    Event(Record),
    /// An event, and where a reader of many executions stands that has seen it.
    Placed(Record, String),
    /// Close the connection; the last thing there is.
    Close(CloseCode),
}

impl Frame {
    /// Whether it asks if the peer is there.
    pub(crate) fn is_ping(&self) -> bool {
        matches!(self, Self::Control(ControlFrame::Ping {}))
    }
}

/// One connection's session, with the logs it reads.
pub(crate) struct Feed {
    executions: Executions,
    session: Session<Record>,
    clock: Clock,
    /// Boxed: a node of the map has room for eleven, and most connections have one.
    open: BTreeMap<ExecutionId, Box<Open>>,
    wake: Option<Time>,
    leaving: bool,
    identity: Identity,
    source: Source,
    wire: Wire,
    lease: Lease,
    /// It may follow any execution.
    many: bool,
    /// Told when an execution is made, on a connection that may watch for it.
    created: Option<watch::Receiver<u64>>,
    /// Where it stands, on a stream whose reader says so by one id.
    places: Option<Places>,
    /// What is said before the session's first word.
    first: Vec<Frame>,
    /// Its reader wants events slower than they come: to be behind is what it asked for.
    paced: bool,
    /// Where its one reader says that it was, until the log is open.
    comes_back: Option<Cursor>,
    /// Readers that came back to a place, and were not counted yet.
    resumes: Resumes,
    /// What its events are written in.
    encoding: Encoding,
    /// What its client has asked for beside events.
    files: Files,
    /// The session is done, and the files are not.
    parting: bool,
}

impl Feed {
    /// A session that follows one execution and ends with it.
    pub(crate) fn single(
        executions: Executions,
        execution_id: ExecutionId,
        selection: Selection,
        caller: Caller,
    ) -> Self {
        let after = caller.pass.begin(selection.after);
        let config = session_config(executions.config());
        let later = caller.later;
        let mut feed = Self::begun(executions, caller, config);
        if let Some(later) = later {
            return feed.comes_later(later);
        }
        feed.paced = selection.pace.is_some();
        // what a link shows begins somewhere too: its reader has not been there
        if let Position::After(cursor) = selection.after {
            feed.comes_back = Some(cursor);
        }
        feed.told(Input::Subscribe {
            execution_id,
            after,
            filter: selection.filter,
            pace: selection.pace,
            manner: selection.manner,
        })
    }

    /// A session that follows what its client asks for.
    pub(crate) fn many(executions: Executions, caller: Caller) -> Self {
        let config = many_config(executions.config());
        let later = caller.later;
        let feed = Self::begun(executions, caller, config);
        if let Some(later) = later {
            return feed.comes_later(later);
        }
        if matches!(feed.identity, Identity::Stranger) {
            let (status, message) = Denied::Stranger.told();
            return feed.told(Input::TurnedAway { status, message });
        }
        feed
    }

    /// A session that follows what its URL asks for, and ends when there is nothing more of it.
    pub(crate) fn chosen(executions: Executions, caller: Caller, choice: Choice) -> Self {
        let config = SessionConfig {
            finite: true,
            ..many_config(executions.config())
        };
        let mut feed = Self::begun(executions, caller, config);
        feed.places = Some(choice.places);
        for _ in 0..choice.gone {
            feed.first.push(Frame::Control(ControlFrame::Error {
                execution_id: None,
                status: 410,
                message: "An execution that you were following is deleted, or not yours to follow."
                    .to_owned(),
            }));
        }
        feed.told(Input::Choose {
            executions: choice.executions,
            watch: choice.watch,
            filter: choice.filter,
            manner: choice.manner,
        })
    }

    /// A session that says when to come back, and nothing else.
    fn comes_later(mut self, later: Later) -> Self {
        let retry_ms = u64::try_from(later.0.as_millis()).unwrap_or(u64::MAX);
        self.first.push(Frame::Control(ControlFrame::Goaway {
            retry_ms,
            reason: GoawayReason::Busy,
        }));
        self.told(Input::TurnedAway {
            status: 429,
            message: later.told(),
        })
    }

    /// A session that was told nothing yet.
    fn begun(executions: Executions, caller: Caller, config: SessionConfig) -> Self {
        let clock = Clock::start();
        let many = !config.single;
        Self {
            session: Session::new(config, clock.now()),
            clock,
            open: BTreeMap::new(),
            wake: None,
            leaving: false,
            lease: executions.access().lease(&caller.pass).at(caller.place),
            identity: caller.identity,
            source: caller.source,
            wire: caller.wire,
            many,
            created: many.then(|| executions.log().created()),
            executions,
            places: None,
            first: Vec::new(),
            paced: false,
            comes_back: None,
            resumes: Resumes::default(),
            encoding: Encoding::default(),
            files: Files::default(),
            parting: false,
        }
    }

    /// The same, whose events are written so.
    pub(crate) fn encoded(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// The same, told this first.
    fn told(mut self, input: Input<'_, Record>) -> Self {
        self.session.handle(self.clock.now(), input);
        self
    }

    /// The session that rested at this cursor; see [`Feed::rest`].
    ///
    /// # Errors
    /// Where the log cannot be opened, or is gone.
    pub(crate) fn resumed(
        executions: Executions,
        execution_id: ExecutionId,
        (cursor, manner): (Cursor, Manner),
        (identity, lease, source): Holder,
    ) -> Result<Self, StoreError> {
        let stream = executions.log().open(&execution_id)?;
        let Some(stream) = stream.filter(|stream| stream.epoch() == cursor.epoch) else {
            return Err(StoreError::Gone);
        };
        let clock = Clock::start();
        let config = session_config(executions.config());
        let told = stream.tail();
        let goes_on = (manner, told.last_seq);
        let session = Session::resumed(config, clock.now(), execution_id.clone(), cursor, goes_on);
        let place = executions.delivery().readers().enter(&stream, cursor.seq);
        let reader = Reader::new(stream, cursor.seq);
        Ok(Self {
            executions,
            session,
            clock,
            open: BTreeMap::from([(
                execution_id,
                Box::new(Open {
                    reader,
                    told,
                    // the connection's own
                    lease: Lease::default(),
                    // it had everything up to there, so that what follows is news
                    began: cursor.seq,
                    read: cursor.seq,
                    place: Some(place),
                }),
            )]),
            wake: None,
            leaving: false,
            identity,
            source,
            // that it was opened is told
            wire: Wire::default(),
            lease,
            many: false,
            created: None,
            places: None,
            first: Vec::new(),
            paced: false,
            comes_back: None,
            resumes: Resumes::default(),
            encoding: Encoding::default(),
            files: Files::default(),
            parting: false,
        })
    }

    /// The log, the cursor and how its reader is told, where they are all there is to know of this connection: it may
    /// be dropped, and [`Feed::resumed`] goes on unnoticed.
    pub(crate) fn rest(&self) -> Option<(Arc<Stream>, (Cursor, Manner))> {
        let (execution_id, seq, manner) = self.session.rest()?;
        let stream = self.open.get(execution_id)?.reader.stream();
        let epoch = stream.epoch();
        let may_rest = !self.leaving && !self.files.is_busy();
        may_rest.then(|| (stream.clone(), (Cursor { epoch, seq }, manner)))
    }

    /// A frame of the client's, or why what it sent is none.
    pub(crate) fn heard(&mut self, said: &Result<String, String>) {
        let input = match said {
            Ok(text) => Input::Text(text),
            Err(why) => Input::Unreadable(why),
        };
        self.session.handle(self.clock.now(), input);
    }

    /// Whether it may follow many executions.
    pub(crate) fn is_shared(&self) -> bool {
        self.many
    }

    /// What the connection speaks that it was asked for on.
    pub(crate) fn wire(&self) -> Wire {
        self.wire
    }

    /// The readers that came back to a place since the last time this was asked.
    pub(crate) fn take_resumes(&mut self) -> Resumes {
        std::mem::take(&mut self.resumes)
    }

    /// Everything given out has been written.
    pub(crate) fn written(&mut self) {
        for (execution_id, open) in &mut self.open {
            if let Some(place) = &open.place {
                place.written(open.read);
            }
            // how far the log went meanwhile says how slow the socket is
            let tail = open.reader.stream().tail();
            if tail != open.told {
                open.told = tail;
                let grown = Input::Grown {
                    execution_id: execution_id.clone(),
                    last_seq: tail.last_seq,
                };
                self.session.handle(self.clock.now(), grown);
            }
        }
        self.session.handle(self.clock.now(), Input::Written);
    }

    /// What there is to write, at once; empty where there is nothing.
    pub(crate) async fn ready(&mut self) -> Vec<Frame> {
        let mut frames = std::mem::take(&mut self.first);
        if !self.leaving && self.lease.is_over() {
            self.expire();
        }
        loop {
            match self.session.poll() {
                Output::Open(id) => self.open(id).await,
                Output::Read {
                    execution_id,
                    after,
                    max,
                } => self.read(execution_id, after, max).await,
                Output::View(id) => self.view(id).await,
                Output::Drop(id) => drop(self.open.remove(&id)),
                Output::Find {
                    watch,
                    pattern,
                    after,
                    under_way,
                    max,
                } => self.find(Search {
                    watch,
                    pattern,
                    after,
                    under_way,
                    max,
                }),
                Output::Control(frame) => {
                    if let Some(places) = &mut self.places {
                        places.heard(&frame);
                    }
                    frames.push(Frame::Control(frame));
                }
                Output::Event(record) => frames.push(match &mut self.places {
                    None => Frame::Event(record),
                    Some(places) => {
                        places.seen(&record);
                        Frame::Placed(record, places.to_string())
                    }
                }),
                Output::Asked(frame) => self.asked(frame).await,
                Output::Close(CloseCode::Done) if self.files.is_busy() => self.parting = true,
                Output::Close(code) => frames.push(Frame::Close(code)),
                Output::Timeout(wake) => {
                    self.wake = wake;
                    frames.extend(self.parted());
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
            (execution_id, turn) = turn(&self.open) => self.turned(execution_id, turn),
            () = created(self.created.as_mut()) => {
                self.session.handle(self.clock.now(), Input::Created);
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
    pub(crate) fn holder(&self) -> Holder {
        (self.identity.clone(), self.lease.clone(), self.source)
    }
}

/// Who reads, for how long they may, and from where.
pub(crate) type Holder = (Identity, Lease, Source);

/// What is counted of frames that were written as so many bytes.
pub(super) fn batch_of(frames: &[Frame], bytes: usize, connection: &Connection) -> Batch {
    let mut batch = Batch::default();
    batch.wrote(bytes);
    for frame in frames {
        match frame {
            Frame::Event(record) | Frame::Placed(record, _) => batch.add(record),
            Frame::Control(control) => connection.told(control),
            Frame::Close(_) => {}
        }
    }
    batch
}

/// What a stream of many executions is to follow.
pub(crate) struct Choice {
    /// Executions by name, from where.
    pub(crate) executions: Vec<(ExecutionId, Position)>,
    /// Executions that are to come.
    pub(crate) watch: Option<(Pattern, Since)>,
    /// What of each of them.
    pub(crate) filter: Filter,
    /// How much of that.
    pub(crate) manner: Manner,
    /// Where its reader stands.
    pub(crate) places: Places,
    /// Executions that the reader says it was in the middle of, and that are not there, or not for it.
    pub(crate) gone: usize,
}

/// An execution was made.
async fn created(created: Option<&mut watch::Receiver<u64>>) {
    if let Some(created) = created
        && created.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// Events of one execution that are written before those of another have their turn.
const PAGE_OF_MANY: usize = 128;

fn many_config(config: &Config) -> SessionConfig {
    SessionConfig {
        page: PAGE_OF_MANY,
        single: false,
        ..session_config(config)
    }
}

fn session_config(config: &Config) -> SessionConfig {
    SessionConfig {
        heartbeat: Duration::from_millis(config.heartbeat_ms),
        max_subscriptions: config.limits.subscriptions_per_connection,
        retry: Duration::from_millis(jittered(config.retry_ms)),
        single: true,
        ..SessionConfig::default()
    }
}

/// From half to one and a half of it, so that not all come back at once.
fn jittered(ms: u64) -> u64 {
    ms / 2 + fastrand::u64(0..=ms)
}
