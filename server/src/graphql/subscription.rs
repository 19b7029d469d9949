//! What is followed: a feed, as the other transports have it.

use std::collections::VecDeque;

use async_graphql::{Context, ID, Result, Subscription};
use futures_util::{Stream, stream};
use stepcast_core::control::ControlFrame;
use stepcast_core::id::{Epoch, Seq};
use stepcast_core::wire::close::CloseCode;

use super::asking::{Asking, Cut};
use super::event::{End, Event, Gap, Update, place};
use super::execution::{EventFilter, selection};
use crate::access::{Action, Caller};
use crate::error::Problem;
use crate::log::Record;
use crate::telemetry::{self, Batch, Connection, Lane, Transport};
use crate::transport::{Feed, Frame};

/// What is followed.
#[derive(Debug)]
pub(crate) struct Subscription;

#[Subscription]
impl Subscription {
    /// The events of an execution after a cursor, past and to come, until its end: at most `batch` of them at once, 100 where
    /// that is left out, at most 1000. Subscribed to again with the `cursor` of the last update, it goes on exactly. With
    /// `filter` some of them, with `pace` so many times as fast as they came.
    async fn execution_events(
        &self,
        context: &Context<'_>,
        id: ID,
        after: Option<String>,
        filter: Option<EventFilter>,
        batch: Option<i32>,
        pace: Option<f64>,
    ) -> Result<impl Stream<Item = Result<Update>> + use<>> {
        let asking = Asking::of(context)?.clone();
        let place = asking
            .counted(Action::Open, id.parse().ok().as_ref())
            .await?;
        let (row, pass) = asking.execution(&id, Action::Open).await?;
        asking.note(Action::Open, Some(&row.id), 200).await;
        let mut selection = selection(after, filter)?;
        let pace = pace.map(|pace| pace.to_string().parse()).transpose();
        selection.pace = pace.map_err(|error| super::bad(&format!("`pace`: {error}")))?;
        let Asking {
            executions,
            caller,
            cut,
        } = asking;
        let lane = Lane {
            transport: Transport::GraphQl,
            shared: false,
            wire: caller.wire,
        };
        let connection = Connection::open(executions.delivery().clone(), lane);
        let caller = Caller {
            pass,
            place,
            ..caller
        };
        let follower = Follower {
            feed: Feed::single(executions, row.id, selection, caller),
            cut,
            batch: super::query::page(batch, 100, 1000),
            epoch: row.key.epoch,
            ready: VecDeque::new(),
            connection,
            given: Batch::default(),
            over: false,
        };
        Ok(stream::unfold(follower, |mut follower| async move {
            let update = follower.next().await?;
            Some((update.map_err(Into::into), follower))
        }))
    }
}

/// A feed, told in updates.
struct Follower {
    feed: Feed,
    cut: Cut,
    batch: usize,
    epoch: Epoch,
    ready: VecDeque<Result<Update, Problem>>,
    connection: Connection,
    /// What was told since the feed was last asked.
    given: Batch,
    over: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<Result<Update, Problem>> {
        loop {
            if let Some(update) = self.ready.pop_front() {
                return Some(update);
            }
            // that more is asked for says that the last was taken
            self.connection.delivered(&std::mem::take(&mut self.given));
            if self.over {
                return None;
            }
            self.feed.written();
            let frames = self.feed.ready().await;
            self.connection.resumed(self.feed.take_resumes());
            if frames.is_empty() {
                self.feed.wait().await;
                continue;
            }
            self.take(frames);
        }
    }

    fn take(&mut self, frames: Vec<Frame>) {
        let mut records: Vec<Record> = Vec::new();
        for frame in frames {
            match frame {
                Frame::Event(record) | Frame::Placed(record, _) => {
                    self.given.add(&record);
                    self.given.wrote(record.json().len());
                    records.push(record);
                    if records.len() >= self.batch {
                        self.events(&mut records);
                    }
                }
                Frame::Control(control) => {
                    self.events(&mut records);
                    self.connection.told(&control);
                    self.control(&control);
                }
                Frame::Close(code) => {
                    self.events(&mut records);
                    self.over = true;
                    self.connection.ends(telemetry::End::of_close(code));
                    // one that was refused, or has ended, has had its word
                    if matches!(
                        code,
                        CloseCode::Restart | CloseCode::GoingAway | CloseCode::Expired
                    ) {
                        self.cut.with(code);
                    }
                }
            }
        }
        self.events(&mut records);
    }

    fn events(&mut self, records: &mut Vec<Record>) {
        let Some(last) = records.last() else {
            return;
        };
        let cursor = last.cursor().to_string();
        let events: Result<Vec<Event>, Problem> =
            records.drain(..).map(|it| Event::new(&it)).collect();
        self.ready.push_back(events.map(|events| Update {
            cursor,
            events,
            ..Update::default()
        }));
    }

    fn control(&mut self, control: &ControlFrame) {
        let at = |epoch: Epoch, seq: Seq| place(epoch, seq);
        match control {
            ControlFrame::Hello { epoch, .. } => self.epoch = *epoch,
            ControlFrame::Gap {
                from,
                to,
                reason,
                epoch,
                ..
            } => {
                let cursor = match epoch {
                    Some(epoch) => at(*epoch, 0),
                    None => at(self.epoch, *to),
                };
                self.ready.push_back(Ok(Update {
                    cursor,
                    gap: Some(Gap::new(*from, *to, *reason)),
                    ..Update::default()
                }));
            }
            ControlFrame::Closed {
                last_seq, reason, ..
            } => self.ready.push_back(Ok(Update {
                cursor: at(self.epoch, *last_seq),
                end: Some(End::new(*last_seq, *reason)),
                ..Update::default()
            })),
            // a filter held everything back for a while
            ControlFrame::Place { cursor, .. } => self.ready.push_back(Ok(Update {
                cursor: cursor.to_string(),
                ..Update::default()
            })),
            ControlFrame::Error {
                status, message, ..
            } => {
                let status = axum::http::StatusCode::from_u16(*status);
                let status = status.unwrap_or(axum::http::StatusCode::INTERNAL_SERVER_ERROR);
                self.ready
                    .push_back(Err(Problem::new(status, message.as_str())));
                self.over = true;
            }
            // the transport keeps its connection alive itself
            ControlFrame::Ping {}
            | ControlFrame::Pong {}
            | ControlFrame::Goaway { .. }
            | ControlFrame::Watching { .. }
            | ControlFrame::Matched { .. }
            | _ => {}
        }
    }
}
