//! `stepcast tail`: follows an execution of a server, over whatever network there is.

use clap::{Args, ValueEnum};
use stepcast_core::client::{Config, State, Transport};
use stepcast_core::id::Position;
use stepcast_core::pace::Pace;

use super::remote::Remote;
use super::screen::{Format, Screen};
use super::signals::Interrupts;
use super::{CliError, Outcome, words};
use crate::follow::{Follower, Notice, Target};

/// Arguments of `stepcast tail`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  stepcast tail exec_123                       all of it, from the first event to the last
  stepcast tail http://host/api/executions/exec_123
  stepcast tail exec_123 --after now           only what is still to come
  stepcast tail exec_123 --pace 10             as it came, ten times as fast
  stepcast tail exec_123 --after 7.42          what follows event 42 of the log's incarnation 7
  STEPCAST_TOKEN=… stepcast tail exec_123      on a server with accounts
  stepcast tail exec_123 | jq .event_type      in a pipe: one event a line

It comes back by itself when the network or the server goes away, and says so on
standard error.

Exit code: 0 the run completed, 1 it failed, 2 it cannot be followed,
130 it was cancelled, or Ctrl-C was pressed. Leaving a run does not cancel it.")]
pub(super) struct Tail {
    /// An execution's id, or an address of it: …/api/executions/ID, …/ws/pipeline/ID, …/stream/pipeline/ID
    execution: String,
    #[command(flatten)]
    remote: Remote,
    /// Begin after this cursor: `earliest`, `now`, or an `id:` that the stream gave before
    #[arg(long, value_name = "CURSOR", default_value_t = Position::Earliest)]
    after: Position,
    /// Show what is stored as fast as it came: 1 is the speed of the run itself, from 0.5 to 100
    #[arg(long, value_name = "TIMES")]
    pace: Option<Pace>,
    /// Use this transport only, instead of the first that works
    #[arg(long, value_enum)]
    transport: Option<Way>,
    /// How to show it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    /// WebSocket
    Ws,
    /// Server-sent events
    Sse,
    /// Long poll
    Poll,
}

impl Tail {
    /// Follows until the end, or until somebody presses Ctrl-C.
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        let mut target =
            Target::parse(&self.execution, &self.remote.server).map_err(CliError::usage)?;
        target
            .server
            .show(self.remote.token.as_deref())
            .map_err(CliError::usage)?;
        let mut config = Config::new(target.execution_id.clone());
        if let (Some(_), Some(Way::Poll)) = (self.pace, self.transport) {
            return Err(CliError::Usage(
                "long poll has no pace: leave --transport out, or use ws or sse".to_owned(),
            ));
        }
        config.after = self.after;
        config.pace = self.pace;
        config.seed = fastrand::u64(..);
        if let Some(way) = self.transport {
            config.transports = vec![way.into()];
        }
        let mut screen = Screen::new(target.execution_id, self.format);
        screen.remark(&format!(
            "following {} on {}",
            config.execution_id,
            target.server.address()
        ))?;
        let mut follower = Follower::new(target.server, config);
        let mut interrupts = Interrupts::listen()?;
        loop {
            let notice = tokio::select! {
                notice = follower.next() => notice,
                () = interrupts.next() => {
                    follower.stop();
                    screen.end()?;
                    return Ok(Outcome::Cancelled);
                }
            };
            let Some(notice) = notice else { break };
            show(&mut screen, &follower, notice)?;
        }
        screen.end()?;
        if let State::Refused { status } = follower.state() {
            return Err(CliError::Refused(words::refusal(status)));
        }
        if let (None, State::Ended { reason }) = (screen.view().end, follower.state()) {
            return Ok(Outcome::of(reason));
        }
        Ok(screen.outcome())
    }
}

fn show(screen: &mut Screen, follower: &Follower, notice: Notice) -> std::io::Result<()> {
    match notice {
        Notice::Event(event) => screen.event(&event, None),
        Notice::Gap { from, to, reason } => screen.gap(from, to, reason),
        Notice::Reset { epoch } => screen.reset(epoch),
        // neither is asked for
        Notice::Snapshot(_) | Notice::Fidelity(_) | Notice::State(State::Ended { .. }) => Ok(()),
        Notice::State(state) => {
            let mut words = words::state(state, follower.clock().now());
            if let (State::Waiting { .. }, Some(trouble)) = (state, follower.trouble()) {
                words = format!("{words} ({})", words::clean(trouble));
            }
            screen.remark(&words)
        }
    }
}

impl From<Way> for Transport {
    fn from(way: Way) -> Self {
        match way {
            Way::Ws => Self::WebSocket,
            Way::Sse => Self::Sse,
            Way::Poll => Self::LongPoll,
        }
    }
}
