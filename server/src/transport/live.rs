//! A connection that has left HTTP, from its first frame to its last.
//!
//! While it has everything there is, a fan writes for it, and it costs a socket and a cursor. For everything else
//! it has a feed of its own: the past, a filter, a pace, a question of the client's, the end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use stepcast_core::fidelity::{Fidelity, Manner};
use stepcast_core::id::{Cursor, ExecutionId};
use stepcast_core::wire::close::CloseCode;

use super::dialect::Dialect;
use super::feed::{Feed, Frame, Holder, batch_of};
use super::pen::Pen;
use super::seat::{Leave, Seat};
use super::websocket::frame::{self, Incoming, Message, Opcode};
use crate::access::Lease;
use crate::executions::Executions;
use crate::log::Stream;
use crate::socket::Socket;
use crate::telemetry::{Connection, End};

/// A connection that follows one execution.
pub(super) struct Live {
    executions: Executions,
    seat: Arc<Seat>,
    pen: Pen,
    incoming: Incoming,
    deadline: Duration,
    /// How long a peer may leave a ping unanswered.
    silence: Option<Duration>,
    /// The largest message that a client may send.
    largest: usize,
    connection: Connection,
}

/// What a client's bytes come to.
#[derive(Default)]
struct Said {
    /// Frames for the feed, or why a message is none.
    frames: Vec<Result<String, String>>,
    /// What the protocol answers.
    answer: BytesMut,
    /// It has closed, broken the protocol, or gone: nothing follows the answer.
    ends: bool,
}

impl Live {
    /// `shared` where it may follow many executions.
    pub(super) fn new(
        executions: Executions,
        socket: Socket,
        dialect: Dialect,
        shared: bool,
    ) -> Self {
        let config = executions.config();
        let seat = Arc::new(Seat::new(socket, dialect));
        let delivery = executions.delivery().clone();
        Self {
            connection: Connection::open(delivery, seat.lane(shared)),
            seat,
            pen: Pen::new(dialect),
            incoming: Incoming::new(dialect.is_web_socket() && dialect.coding().is_some()),
            deadline: Duration::from_millis(config.write_deadline_ms),
            silence: config.limits.silent_peer(),
            largest: config.limits.message_bytes,
            executions,
        }
    }

    /// Runs until either end closes. `read` is what the client has sent already. The feed is in a box: while a fan writes
    /// there is none, and this has no room for one.
    pub(super) async fn run(mut self, feed: Box<Feed>, read: Bytes) {
        self.incoming.push(&read);
        // it may hold the whole buffer that HTTP read into
        drop(read);
        if let Err(error) = self.drive(feed).await {
            self.connection.broke(&error);
            tracing::debug!(%error, "a stream broke");
        }
    }

    async fn drive(&mut self, mut feed: Box<Feed>) -> io::Result<()> {
        loop {
            let said = self.said()?;
            self.write(said.answer.freeze()).await?;
            if said.ends {
                return Ok(());
            }
            said.frames.iter().for_each(|frame| feed.heard(frame));
            let frames = feed.ready().await;
            if frames.iter().any(Frame::is_ping) {
                if self.seat.is_silent(self.silence) {
                    return self.let_go().await;
                }
                self.seat.ask();
            }
            self.connection.resumed(feed.take_resumes());
            let files = feed.files().await;
            if !frames.is_empty() || !files.is_empty() {
                let mut bytes = BytesMut::new();
                let mut closes = None;
                if !frames.is_empty() {
                    closes = self.pen.encode(&frames, &mut bytes)?;
                }
                // nothing follows a close
                if closes.is_none() {
                    for file in files {
                        self.seat.dialect.file(file, &mut bytes);
                    }
                }
                let batch = batch_of(&frames, bytes.len(), &self.connection);
                drop(frames);
                self.write(bytes.freeze()).await?;
                self.connection.delivered(&batch);
                if let Some(code) = closes {
                    self.connection.ends(End::of_close(code));
                    return self.finish().await;
                }
                feed.written();
                feed.look();
                continue;
            }
            let stopping = self.executions.stopping().is_cancelled();
            let may_sit = !stopping && self.incoming.is_idle() && self.pen.can_rest();
            match feed.rest().filter(|_| may_sit) {
                Some((stream, (cursor, manner))) => {
                    let execution_id = stream.id().clone();
                    let holder = feed.holder();
                    drop(feed);
                    let Some(cursor) = self
                        .sit(stream, (cursor, manner.fidelity), &holder.1)
                        .await?
                    else {
                        return Ok(());
                    };
                    if self.seat.is_silent(self.silence) {
                        return self.let_go().await;
                    }
                    feed = Box::new(self.resumed(execution_id, (cursor, manner), holder)?);
                }
                None => tokio::select! {
                    () = feed.wait() => {}
                    readable = self.seat.socket().readable() => readable?,
                },
            }
        }
    }

    /// Lets a fan write until it gives the connection back, or the client says something; how far it has come then.
    /// `None` where the connection has ended.
    async fn sit(
        &mut self,
        stream: Arc<Stream>,
        (cursor, fidelity): (Cursor, Fidelity),
        lease: &Lease,
    ) -> io::Result<Option<Cursor>> {
        let delivery = self.connection.delivery().clone();
        let _seated = delivery.seated();
        self.pen.rest();
        let fans = self.executions.fans().clone();
        let fan = fans
            .sit_down(&stream, (cursor.seq, fidelity), &self.seat)
            .await;
        drop(stream);
        let leave = loop {
            tokio::select! {
                biased;
                leave = self.seat.given_up() => break leave,
                () = lease.over() => break fan.stand_up(&self.seat).await,
                readable = self.seat.socket().readable() => {
                    let open = match readable {
                        Ok(()) => self.take_in(),
                        Err(error) => Err(error),
                    };
                    if !matches!(open, Ok(true)) {
                        let _gone = fan.stand_up(&self.seat).await;
                        return open.map(|_ended| None);
                    }
                    if !self.incoming.is_idle() {
                        break fan.stand_up(&self.seat).await;
                    }
                }
            }
        };
        let Leave {
            cursor: seq,
            unsent,
            owed,
            written,
        } = leave;
        self.pen.resume(written);
        // it is behind for as long as it does not take this
        let place = delivery.readers().enter(fan.stream(), seq);
        self.write(unsent).await?;
        drop(place);
        if let Some(batch) = owed {
            self.connection.delivered(&batch);
        }
        Ok(Some(Cursor { seq, ..cursor }))
    }

    fn resumed(
        &self,
        execution_id: ExecutionId,
        place: (Cursor, Manner),
        holder: Holder,
    ) -> io::Result<Feed> {
        Feed::resumed(self.executions.clone(), execution_id, place, holder)
            .map_err(io::Error::other)
    }

    /// Takes what has arrived; false where the client is gone.
    fn take_in(&mut self) -> io::Result<bool> {
        let incoming = &mut self.incoming;
        let is_web_socket = self.seat.dialect.is_web_socket();
        // on an event stream a client has nothing to say
        self.seat.take_in(|bytes| {
            if is_web_socket {
                incoming.push(bytes);
            }
        })
    }

    /// What the client has said since the last look.
    fn said(&mut self) -> io::Result<Said> {
        let mut said = Said {
            ends: !self.take_in()?,
            ..Said::default()
        };
        let encoding = self.seat.dialect.encoding();
        while !said.ends {
            match self.incoming.next(self.largest) {
                Ok(Some(Message::Text(text))) => said.frames.push(Ok(text)),
                Ok(Some(Message::Binary(bytes))) => said.frames.push(encoding.heard(&bytes)),
                Ok(Some(Message::Ping(payload))) => {
                    frame::write(&mut said.answer, Opcode::Pong, &payload);
                }
                Ok(Some(Message::Close(code))) => {
                    let code = code.unwrap_or(CloseCode::Done.code());
                    frame::write_close(&mut said.answer, code);
                    said.ends = true;
                }
                Ok(None) => break,
                Err(code) => {
                    frame::write_close(&mut said.answer, code.code());
                    said.ends = true;
                }
            }
        }
        Ok(said)
    }

    /// The peer does not answer: most likely nobody is there. If somebody is, it is told to come back.
    async fn let_go(&mut self) -> io::Result<()> {
        self.connection.ends(End::Silent);
        let mut bytes = BytesMut::new();
        frame::write_close(&mut bytes, CloseCode::Stalled.code());
        self.seat.write_all(bytes.freeze(), LAST_WORD).await
    }

    async fn write(&self, bytes: Bytes) -> io::Result<()> {
        self.seat.write_all(bytes, self.deadline).await
    }

    /// The last word has been said. A WebSocket's client answers the close; who is not read would lose what is still
    /// on its way.
    async fn finish(&mut self) -> io::Result<()> {
        if !self.seat.dialect.is_web_socket() {
            return Ok(());
        }
        let answered = async {
            loop {
                self.seat.socket().readable().await?;
                if !self.take_in()? {
                    return Ok::<(), io::Error>(());
                }
                while let Some(message) = self
                    .incoming
                    .next(self.largest)
                    .map_err(|code| io::Error::other(format!("close code {}", code.code())))?
                {
                    if matches!(message, Message::Close(_)) {
                        return Ok(());
                    }
                }
            }
        };
        tokio::time::timeout(CLOSE_HANDSHAKE, answered)
            .await
            .unwrap_or(Ok(()))
    }
}

/// How long the last word to a silent peer may take.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How long a peer may take to answer a close.
const CLOSE_HANDSHAKE: Duration = Duration::from_secs(5);
