//! A connection that has left HTTP: its socket, what it speaks, and where it sits in a fan.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use stepcast_core::id::Seq;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::coding::Sum;
use super::dialect::Dialect;
use crate::socket::{Socket, stopped_reading};
use crate::telemetry::{Batch, Lane};

/// Shared by the connection's own task and the fan that writes for it. Only one of them writes at any time: the fan
/// while the seat is taken, the task otherwise.
#[derive(Debug)]
pub(super) struct Seat {
    socket: Socket,
    pub(super) dialect: Dialect,
    /// Where it sits; the fan's lock guards it.
    place: AtomicUsize,
    /// Told when the fan gives it up.
    left: Notify,
    leave: Mutex<Option<Leave>>,
    opened: Instant,
    /// When the peer was first pinged since it last said anything, in tenths of a second since it was opened; 0 where
    /// nothing is awaited of it.
    asked: AtomicU32,
}

/// How a fan left a connection.
#[derive(Debug)]
pub(super) struct Leave {
    /// The last event that `unsent` completes.
    pub(super) cursor: Seq,
    /// What the socket did not take.
    pub(super) unsent: Bytes,
    /// What has been delivered once that is written.
    pub(super) owed: Option<Batch>,
    /// Of all that the fan has written, `unsent` too, before it was compressed.
    pub(super) written: Sum,
}

impl Seat {
    pub(super) fn new(socket: Socket, dialect: Dialect) -> Self {
        Self {
            socket,
            dialect,
            place: AtomicUsize::new(0),
            left: Notify::new(),
            leave: Mutex::default(),
            opened: Instant::now(),
            asked: AtomicU32::new(0),
        }
    }

    /// The peer is pinged: from now on an answer is awaited, where its protocol has one.
    pub(super) fn ask(&self) {
        if self.dialect.is_web_socket() && self.asked.load(Ordering::Relaxed) == 0 {
            self.asked.store(self.age().max(1), Ordering::Relaxed);
        }
    }

    /// Whether an answer has been awaited for longer than this.
    pub(super) fn is_silent(&self, patience: Option<Duration>) -> bool {
        let asked = self.asked.load(Ordering::Relaxed);
        let waited = Duration::from_millis(100) * self.age().saturating_sub(asked);
        asked > 0 && patience.is_some_and(|patience| waited > patience)
    }

    /// In tenths of a second.
    fn age(&self) -> u32 {
        u32::try_from(self.opened.elapsed().as_millis() / 100).unwrap_or(u32::MAX)
    }

    /// How it is counted.
    pub(super) fn lane(&self, shared: bool) -> Lane {
        Lane {
            transport: self.dialect.transport(),
            shared,
            wire: self.socket.wire(),
        }
    }

    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(super) fn place(&self) -> usize {
        self.place.load(Ordering::Relaxed)
    }

    pub(super) fn set_place(&self, place: usize) {
        self.place.store(place, Ordering::Relaxed);
    }

    /// The fan is done with it.
    pub(super) fn give_up(&self, leave: Leave) {
        *super::lock(&self.leave) = Some(leave);
        self.left.notify_one();
    }

    /// Waits until the fan is done with it.
    pub(super) async fn given_up(&self) -> Leave {
        loop {
            self.left.notified().await;
            if let Some(leave) = self.take_leave() {
                return leave;
            }
        }
    }

    pub(super) fn take_leave(&self) -> Option<Leave> {
        super::lock(&self.leave).take()
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// Where the connection broke, or no byte was taken for as long as `deadline`.
    pub(super) async fn write_all(&self, mut bytes: Bytes, deadline: Duration) -> io::Result<()> {
        while !(bytes.is_empty() && self.socket.is_flushed()) {
            match self.socket.try_write(&bytes) {
                Ok(0) if !bytes.is_empty() => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => bytes.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::time::timeout(deadline, self.socket.writable())
                        .await
                        .map_err(|_elapsed| stopped_reading())??;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes what has arrived; `false` where there will be no more.
    ///
    /// # Errors
    /// Where the connection broke.
    pub(super) fn take_in(&self, mut take: impl FnMut(&[u8])) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        match self.socket.try_read(&mut buffer) {
            Ok(0) => Ok(false),
            Ok(read) => {
                self.asked.store(0, Ordering::Relaxed);
                take(buffer.get(..read).unwrap_or_default());
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }
}
