//! Following an execution from another process: real sockets around core's client machine.
//!
//! The command line follows with it, and so does every test that wants a native client.

mod connection;
mod http;
mod server;
mod websocket;

use std::collections::VecDeque;

pub use stepcast_core::client::Notice;
use stepcast_core::client::{Client, Config, Dial, Generation, Input, Output, State};
use stepcast_core::id::Position;
use stepcast_core::time::Time;

use self::connection::{Connection, Report};
pub use self::server::{Server, ServerError, Target};
use crate::clock::Clock;

/// Follows one execution over one connection at a time; dropping it hangs up.
///
/// It runs only while [`Follower::next`] is awaited: who reads slowly makes the server wait, and nothing piles up.
///
/// ```no_run
/// use stepcast::follow::{Follower, Notice, Server};
/// use stepcast_core::client::Config;
///
/// # async fn follow() -> Result<(), Box<dyn std::error::Error>> {
/// let mut config = Config::new("hello-1".parse()?);
/// // what is stored comes ten times as fast as it happened; without a pace, as fast as it can
/// config.pace = Some("10".parse()?);
/// let mut follower = Follower::new(Server::new("http://127.0.0.1:8400")?, config);
/// while let Some(notice) = follower.next().await {
///     if let Notice::Event(event) = notice {
///         println!("{} {}", event.seq, event.event_type);
///     }
/// }
/// println!("{:?}", follower.state());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Follower {
    server: Server,
    client: Client,
    clock: Clock,
    connection: Option<(Generation, Connection)>,
    due: Option<Time>,
    notices: VecDeque<Notice>,
    trouble: Option<String>,
}

impl Follower {
    /// Follows the execution that `config` names on `server`.
    pub fn new(server: Server, config: Config) -> Self {
        Self {
            server,
            client: Client::new(config),
            clock: Clock::start(),
            connection: None,
            due: None,
            notices: VecDeque::new(),
            trouble: None,
        }
    }

    /// What comes next; `None` when the execution has ended and all of it was told, when the server refused for
    /// good, or after [`Follower::stop`]. Needs a tokio runtime.
    ///
    /// Cancel safe: a call that is dropped loses nothing.
    pub async fn next(&mut self) -> Option<Notice> {
        if self.client.state() == State::Idle {
            self.feed(Input::Start);
        }
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return Some(notice);
            }
            if self.is_over() {
                return None;
            }
            let clock = self.clock;
            let due = self.due;
            let rung = async move {
                match due {
                    Some(due) => tokio::time::sleep_until(clock.instant(due)).await,
                    None => std::future::pending().await,
                }
            };
            // What has arrived comes first: a reader that was away does not take its server for silent.
            tokio::select! {
                biased;
                (generation, report) = arrived(&mut self.connection) => self.take(generation, report),
                () = rung => self.feed(Input::Tick),
            }
        }
    }

    /// Shows another token from the next connection on: the one before has expired, or is about to.
    ///
    /// # Errors
    /// Where it cannot stand in a header.
    pub fn show(&mut self, token: Option<&str>) -> Result<(), ServerError> {
        self.server.show(token)
    }

    /// Tries again now, after a refusal too.
    pub fn retry(&mut self) {
        self.feed(Input::Retry);
    }

    /// Ends for good; what was received before is still told.
    pub fn stop(&mut self) {
        self.feed(Input::Stop);
    }

    /// The connection's state.
    pub fn state(&self) -> State {
        self.client.state()
    }

    /// Where the next connection begins.
    pub fn cursor(&self) -> Position {
        self.client.cursor()
    }

    /// Why the last connection ended, for a person.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// The clock that times in [`State`] are of.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    fn is_over(&self) -> bool {
        matches!(
            self.client.state(),
            State::Ended { .. } | State::Refused { .. } | State::Stopped
        )
    }

    fn take(&mut self, generation: Generation, report: Option<Report>) {
        match report {
            Some(Report::Frames(frames)) => {
                for text in frames {
                    self.feed(Input::Text(generation, &text));
                }
            }
            Some(Report::Text(text)) => self.feed(Input::Text(generation, &text)),
            Some(Report::Bytes(bytes)) => self.feed(Input::Bytes(generation, &bytes)),
            Some(Report::Closed(end, why)) => {
                self.trouble = Some(why);
                self.feed(Input::Closed(generation, end));
            }
            // A long poll that was answered says no more; the machine has dialled anew or will.
            None => self.connection = None,
        }
    }

    /// Hands in one input, drains the machine, and carries out what it said.
    fn feed(&mut self, input: Input<'_>) {
        self.client.handle(self.clock.now(), input);
        loop {
            match self.client.poll() {
                Output::Dial(dial) => self.dial(&dial),
                Output::Hangup(generation) => {
                    if self.connected(generation).is_some() {
                        self.connection = None;
                    }
                }
                Output::Send(generation, text) => {
                    if let Some(connection) = self.connected(generation) {
                        connection.send(text);
                    }
                }
                Output::Event(event) => self.notices.push_back(Notice::Event(event)),
                Output::Gap { from, to, reason } => {
                    self.notices.push_back(Notice::Gap { from, to, reason });
                }
                Output::Reset { epoch } => self.notices.push_back(Notice::Reset { epoch }),
                Output::Snapshot(view) => self.notices.push_back(Notice::Snapshot(view)),
                Output::Fidelity(it) => self.notices.push_back(Notice::Fidelity(it)),
                Output::State(state) => self.notices.push_back(Notice::State(state)),
                Output::Timeout(due) => {
                    self.due = due;
                    return;
                }
            }
        }
    }

    fn dial(&mut self, dial: &Dial) {
        self.trouble = None;
        // The old connection closes before the new one opens.
        self.connection = None;
        self.connection = Some((dial.generation, Connection::open(&self.server, dial)));
    }

    fn connected(&self, generation: Generation) -> Option<&Connection> {
        self.connection
            .as_ref()
            .filter(|(of, _)| *of == generation)
            .map(|(_, connection)| connection)
    }
}

/// The next report of the connection; never, where there is none.
async fn arrived(
    connection: &mut Option<(Generation, Connection)>,
) -> (Generation, Option<Report>) {
    match connection {
        Some((generation, connection)) => (*generation, connection.report().await),
        None => std::future::pending().await,
    }
}
