//! Rest: a session that has said all there is can be put away as a cursor, and taken up again.

use super::subscription::{Subscription, Wish};
use super::{Record, Session, SessionConfig};
use crate::fidelity::Manner;
use crate::filter::Filter;
use crate::id::{Cursor, ExecutionId, Position, Seq};
use crate::time::Time;

impl<R: Record> Session<R> {
    /// The one subscription of this connection, the last event that it is past and how it is told, where that is all
    /// there is to know of the session: nothing is under way, no filter looks at events one by one, and the log holds
    /// no more that it was told of.
    pub fn rest(&self) -> Option<(&ExecutionId, Seq, Manner)> {
        let (execution_id, it) = self.subscriptions.first_key_value()?;
        let alone = self.config.single && self.subscriptions.len() == 1 && !self.closed;
        let rests = alone
            && self.outputs.is_empty()
            && it.opened
            && !it.waiting
            && !it.look
            && !it.unwritten
            && !it.leaving
            && it.pacing.is_none()
            && it.filter.is_empty()
            && !it.degraded
            && it.gathers.is_none()
            && it.cursor >= it.tail;
        rests.then_some((execution_id, it.cursor, it.manner.at_the_tail()))
    }

    /// The session that rested at this cursor, of a log that goes to `last_seq` now. It looks at once whether there is
    /// more; the client notices nothing.
    pub fn resumed(
        config: SessionConfig,
        now: Time,
        execution_id: ExecutionId,
        cursor: Cursor,
        (manner, last_seq): (Manner, Seq),
    ) -> Self {
        let mut session = Self::new(config, now);
        let mut it = Subscription::new(Wish {
            after: Position::After(cursor),
            filter: Filter::default(),
            pace: None,
            window: None,
            manner,
        });
        it.opened = true;
        it.waiting = false;
        it.cursor = cursor.seq;
        it.told = cursor.seq;
        it.news = cursor.seq;
        it.grown(last_seq.max(cursor.seq), true);
        it.look = true;
        session
            .subscriptions
            .insert(execution_id.clone(), Box::new(it));
        session.epochs.insert(execution_id.clone(), cursor.epoch);
        session.read(&execution_id);
        session
    }
}
