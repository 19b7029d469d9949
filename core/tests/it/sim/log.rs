//! A model of the server's log: append-only, with retention, and with an epoch where it is recreated.

use std::borrow::Cow;

use serde_json::json;
use stepcast_core::control::EndReason;
use stepcast_core::event::{EventType, StreamEvent};
use stepcast_core::id::{Cursor, Epoch, ExecutionId, Position, Seq};
use stepcast_core::session::{Input, Record};
use stepcast_core::time::Timestamp;
use stepcast_core::view::RunView;
use stepcast_core::wire::page::{Page, PageEnd, PageGap};

use crate::any::Dice;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored(pub(crate) StreamEvent);

impl Record for Stored {
    fn seq(&self) -> Seq {
        self.0.seq
    }

    fn event_type(&self) -> &str {
        self.0.event_type.as_str()
    }

    fn step_id(&self) -> Option<&str> {
        self.0.step_id.as_ref().map(|id| id.as_str())
    }

    fn unix_millis(&self) -> Option<u64> {
        self.0.timestamp.unix_millis()
    }

    fn json(&self) -> Cow<'_, str> {
        serde_json::to_string(&self.0).unwrap().into()
    }

    fn altered(&self, json: String) -> Option<Self> {
        Some(Self(serde_json::from_str(&json).unwrap()))
    }
}

pub(crate) struct Log {
    pub(crate) id: ExecutionId,
    pub(crate) epoch: Epoch,
    /// Every event of this epoch, the dropped ones too.
    pub(crate) events: Vec<StreamEvent>,
    pub(crate) earliest: Seq,
    pub(crate) end: Option<EndReason>,
}

/// What a read gives.
pub(crate) struct Read {
    pub(crate) records: Vec<Stored>,
    pub(crate) gap: Option<(Seq, Seq)>,
    pub(crate) ended: Option<(Seq, EndReason)>,
}

impl Log {
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self {
            id: "run_1".parse().unwrap(),
            epoch,
            events: Vec::new(),
            earliest: 1,
            end: None,
        }
    }

    pub(crate) fn last_seq(&self) -> Seq {
        self.events.len() as Seq
    }

    /// Appends an event whose content says where it belongs.
    pub(crate) fn append(&mut self, dice: &mut Dice) {
        let step = *dice.one(&[&None, &Some("a"), &Some("b"), &Some("schritt ü")]);
        let event_type = *dice.one(&[&"step_start", &"step_progress", &"step_output", &"later"]);
        let text = *dice.one(&[
            &"",
            &"one\ntwo\r\nthree",
            &"grüße 🎈 \u{2028}",
            &"{\"seq\":9}",
        ]);
        self.push(event_type.into(), step, json!({"text": text}));
    }

    pub(crate) fn finish(&mut self, reason: EndReason) {
        let (event_type, data) = if reason == EndReason::Complete {
            (EventType::PipelineComplete, json!({}))
        } else {
            let data = json!({"reason": reason.as_str()});
            (EventType::PipelineError, data)
        };
        self.push(event_type, None, data);
        self.end = Some(reason);
    }

    /// What the events come to.
    pub(crate) fn viewed(&self, execution_id: ExecutionId) -> Input<'static, Stored> {
        let mut view = RunView::default();
        self.events.iter().for_each(|event| view.apply(event));
        Input::Viewed {
            execution_id,
            seq: self.last_seq(),
            view: serde_json::to_value(&view).unwrap(),
        }
    }

    pub(crate) fn read(&self, after: Seq, max: usize) -> Read {
        let gap = (after + 1 < self.earliest).then(|| (after + 1, self.earliest - 1));
        let from = after.max(self.earliest - 1);
        let skip = usize::try_from(from).unwrap();
        let records: Vec<Stored> = self
            .events
            .iter()
            .skip(skip)
            .take(max)
            .cloned()
            .map(Stored)
            .collect();
        let at_end = from + records.len() as Seq == self.last_seq();
        Read {
            records,
            gap,
            ended: self
                .end
                .filter(|_| at_end)
                .map(|end| (self.last_seq(), end)),
        }
    }

    /// The answer to a long poll; `None` where it is to be held.
    pub(crate) fn page(&self, after: Position, hold: bool) -> Result<Option<Page>, u16> {
        let (after, foreign) = match after {
            Position::Earliest => (0, None),
            Position::Now => (self.last_seq(), None),
            Position::After(at) if at.epoch != self.epoch => (0, Some(at.seq)),
            Position::After(at) if at.seq > self.last_seq() => return Err(400),
            Position::After(at) => (at.seq, None),
        };
        let read = self.read(after, 7);
        if hold && read.records.is_empty() && read.ended.is_none() && foreign.is_none() {
            return Ok(None);
        }
        let retention = read.gap.map(|(from, to)| PageGap {
            from,
            to,
            reason: stepcast_core::control::GapReason::Retention,
            epoch: None,
        });
        let recreated = foreign.map(|to| PageGap {
            from: 1,
            to,
            reason: stepcast_core::control::GapReason::Epoch,
            epoch: Some(self.epoch),
        });
        let last = read.records.last().map(|it| it.0.seq);
        let seq = last.or(read.gap.map(|(_, to)| to)).unwrap_or(after);
        Ok(Some(Page {
            execution_id: self.id.clone(),
            epoch: self.epoch,
            earliest: self.earliest,
            last_seq: self.last_seq(),
            events: read.records.into_iter().map(|it| it.0).collect(),
            next: Cursor {
                epoch: self.epoch,
                seq,
            },
            gap: recreated.or(retention),
            closed: read
                .ended
                .map(|(last_seq, reason)| PageEnd { last_seq, reason }),
        }))
    }

    fn push(&mut self, event_type: EventType, step: Option<&str>, data: serde_json::Value) {
        let seq = self.last_seq() + 1;
        self.events.push(StreamEvent {
            event_type,
            execution_id: self.id.clone(),
            step_id: step.map(Into::into),
            seq,
            timestamp: Timestamp::from_unix_millis(1_761_129_000_000 + seq * 40),
            data,
            metadata: Some(json!({"epoch": self.epoch})),
            extra: serde_json::Map::new(),
        });
    }
}
