//! What a client asks for in a frame of its own.

use super::subscription::Wish;
use super::watching::Watch;
use super::{Output, Record, Session};
use crate::control::ControlFrame;
use crate::fidelity::Manner;
use crate::id::{ExecutionId, Position, Seq};
use crate::time::Time;
use crate::wire::frame::ClientFrame;

impl<R: Record> Session<R> {
    pub(super) fn text(&mut self, now: Time, text: &str) {
        match serde_json::from_str(text) {
            Ok(
                ClientFrame::Subscribe { execution_id, .. } | ClientFrame::Ack { execution_id, .. },
            ) if self.config.single => {
                self.error(now, Some(execution_id), 400, ONE.to_owned());
            }
            Ok(ClientFrame::Watch { .. } | ClientFrame::Unwatch { .. }) if self.config.single => {
                self.error(now, None, 400, ONE.to_owned());
            }
            Ok(ClientFrame::Subscribe {
                execution_id,
                after,
                filter,
                fidelity,
                when_slow,
                window,
            }) => {
                let wish = Wish {
                    after,
                    filter,
                    pace: None,
                    window,
                    manner: Manner {
                        fidelity,
                        when_slow,
                    },
                };
                self.subscribe(now, execution_id, wish);
            }
            Ok(ClientFrame::Unsubscribe { execution_id }) => self.unsubscribe(now, execution_id),
            Ok(ClientFrame::Ack { execution_id, seq }) => self.acknowledge(now, execution_id, seq),
            Ok(ClientFrame::Watch {
                watch,
                pattern,
                since,
                filter,
                fidelity,
                when_slow,
                window,
            }) => {
                let manner = Manner {
                    fidelity,
                    when_slow,
                };
                let wish = Wish {
                    after: Position::Earliest,
                    filter,
                    pace: None,
                    window,
                    manner,
                };
                self.watch(now, watch, Watch::new(pattern, since, wish));
            }
            Ok(ClientFrame::Unwatch { watch }) => self.unwatch(now, &watch),
            Ok(frame @ (ClientFrame::Fetch { .. } | ClientFrame::Unfetch { .. })) => {
                self.outputs.push_back(Output::Asked(frame));
            }
            Ok(ClientFrame::Ping {}) => self.control(now, ControlFrame::Pong {}),
            Err(error) => self.error(now, None, 400, format!("not a frame: {error}")),
        }
    }

    fn acknowledge(&mut self, now: Time, execution_id: ExecutionId, seq: Seq) {
        match self.subscriptions.get_mut(&execution_id) {
            Some(it) => {
                it.acknowledge(seq);
                self.read(&execution_id);
            }
            // it has just ended, or is not followed: there is nothing to make room for
            None => {
                let message = "this connection does not follow it";
                self.error(now, Some(execution_id), 404, message.to_owned());
            }
        }
    }
}

/// What a connection of one execution answers to who asks for another.
const ONE: &str = "this connection follows the one execution in its URL";
