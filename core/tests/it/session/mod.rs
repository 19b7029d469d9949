//! The session, rule by rule; each test is named after the rule.

mod detail;
mod filtered;
mod many;
mod one;
mod paced;
mod watching;

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Value, json};
use stepcast_core::control::EndReason;
use stepcast_core::event::StreamEvent;
use stepcast_core::fidelity::Manner;
use stepcast_core::filter::Filter;
use stepcast_core::id::{Position, Seq};
use stepcast_core::pattern::Mark;
use stepcast_core::session::{Input, Output, Record, Session, SessionConfig};
use stepcast_core::time::Time;

/// An event of a run, as `a3` for event 3 of run `a`; its type is `step_progress`, of the last its own.
#[derive(Clone, Debug, PartialEq)]
struct Stored(char, Seq, &'static str);

impl Record for Stored {
    fn seq(&self) -> Seq {
        self.1
    }

    fn event_type(&self) -> &str {
        self.2
    }

    fn step_id(&self) -> Option<&str> {
        self.1.is_multiple_of(2).then_some("even")
    }

    /// One a second.
    fn unix_millis(&self) -> Option<u64> {
        match self.2 {
            "timeless" => None,
            "clock set back" => Some(0),
            _ => Some(self.1 * 1000),
        }
    }

    fn json(&self) -> Cow<'_, str> {
        let Self(_, seq, event_type) = self;
        let data = match *event_type {
            "step_progress" => r#"{"kind":"token","text":"x"}"#,
            _ => "{}",
        };
        format!(
            r#"{{"event_type":"{event_type}","execution_id":"a","seq":{seq},"timestamp":"","data":{data}}}"#
        )
        .into()
    }

    /// Its type says what has become of it.
    fn altered(&self, json: String) -> Option<Self> {
        let event: StreamEvent = serde_json::from_str(&json).unwrap();
        assert_eq!((event.seq, event.event_type.as_str()), (self.1, self.2));
        let how = match event.extra.get("from_seq") {
            Some(from) => {
                let merged = event.data["text"].as_str().unwrap().len() as Seq;
                assert_eq!(merged, self.1 + 1 - from.as_u64().unwrap());
                format!(" from {from}")
            }
            None => format!(" abridged {}", event.extra["abridged"]),
        };
        Some(Self(self.0, self.1, how.leak()))
    }
}

/// A session with a clock, whose logs are the test.
struct Rig {
    session: Session<Stored>,
    now: Time,
    due: Option<Time>,
}

impl Rig {
    fn new(change: impl FnOnce(&mut SessionConfig)) -> Self {
        let mut config = SessionConfig {
            page: 3,
            single: true,
            ..SessionConfig::default()
        };
        change(&mut config);
        let now = Time::from_millis(1_000);
        Self {
            session: Session::new(config, now),
            now,
            due: None,
        }
    }

    /// A session that follows run `a` from a position; its log has epoch 1.
    fn following(after: &str, earliest: Seq, last_seq: Seq) -> (Self, Vec<String>) {
        let mut rig = Self::new(|_| {});
        assert_eq!(rig.subscribe('a', after, Filter::default()), ["open a"]);
        let said = rig.opened('a', earliest, last_seq);
        (rig, said)
    }

    /// Hands in one input and tells what is said, in short.
    fn feed(&mut self, input: Input<'_, Stored>) -> Vec<String> {
        self.session.handle(self.now, input);
        self.said()
    }

    /// Tells what is said, in short.
    fn said(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        loop {
            let output = self.session.poll();
            if let Output::Timeout(due) = output {
                self.due = due;
                return said;
            }
            said.push(short(&output));
        }
    }

    /// A session that follows run `a` at a pace.
    fn paced(pace: &str, after: &str, last_seq: Seq, filter: Filter) -> Self {
        let mut rig = Self::new(|_| {});
        rig.feed(Input::Subscribe {
            execution_id: id('a'),
            after: after.parse().unwrap(),
            filter,
            pace: Some(pace.parse().unwrap()),
            manner: Manner::default(),
        });
        let said = rig.opened('a', 1, last_seq);
        assert_eq!(said.len(), 2, "{said:?}");
        rig
    }

    fn subscribe(&mut self, run: char, after: &str, filter: Filter) -> Vec<String> {
        let after: Position = after.parse().unwrap();
        self.feed(Input::Subscribe {
            execution_id: id(run),
            after,
            filter,
            pace: None,
            manner: Manner::default(),
        })
    }

    fn opened(&mut self, run: char, earliest: Seq, last_seq: Seq) -> Vec<String> {
        self.feed(Input::Opened {
            execution_id: id(run),
            epoch: 1,
            earliest,
            last_seq,
        })
    }

    fn refused(&mut self, run: char, status: u16) -> Vec<String> {
        self.feed(Input::Refused {
            execution_id: id(run),
            status,
            message: "no".to_owned(),
        })
    }

    fn grown(&mut self, run: char, last_seq: Seq) -> Vec<String> {
        self.feed(Input::Grown {
            execution_id: id(run),
            last_seq,
        })
    }

    fn page(&mut self, run: char, seqs: impl IntoIterator<Item = Seq>) -> Vec<String> {
        let records = seqs
            .into_iter()
            .map(|seq| Stored(run, seq, "step_progress"));
        self.feed(Input::Page {
            execution_id: id(run),
            records: records.collect(),
            gap: None,
            ended: None,
        })
    }

    /// The last page of a run.
    fn last_page(&mut self, run: char, seq: Seq) -> Vec<String> {
        self.feed(Input::Page {
            execution_id: id(run),
            records: vec![Stored(run, seq, "pipeline_complete")],
            gap: None,
            ended: Some((seq, EndReason::Complete)),
        })
    }

    fn created(&mut self) -> Vec<String> {
        self.feed(Input::Created)
    }

    /// What was found for watch `w`: runs by mark and name.
    fn found(&mut self, runs: &[(u64, char)], mark: u64, more: bool) -> Vec<String> {
        let runs = runs.iter().map(|&(number, run)| (mark_of(number), id(run)));
        self.feed(Input::Found {
            watch: "w".to_owned(),
            runs: runs.collect(),
            mark: mark_of(mark),
            more,
        })
    }

    fn written(&mut self) -> Vec<String> {
        self.feed(Input::Written)
    }

    fn text(&mut self, frame: &Value) -> Vec<String> {
        self.feed(Input::Text(&frame.to_string()))
    }

    fn pass(&mut self, span: Duration) -> Vec<String> {
        self.now = self.now + span;
        self.feed(Input::Tick)
    }
}

fn mark_of(number: u64) -> Mark {
    Mark { epoch: 1, number }
}

fn id(run: char) -> stepcast_core::id::ExecutionId {
    run.to_string().parse().unwrap()
}

fn short(output: &Output<Stored>) -> String {
    match output {
        Output::Open(id) => format!("open {id}"),
        Output::Read {
            execution_id,
            after,
            max,
        } => format!("read {execution_id} {after} {max}"),
        Output::View(id) => format!("view {id}"),
        Output::Drop(id) => format!("drop {id}"),
        Output::Find {
            watch,
            after,
            under_way,
            max,
            ..
        } => {
            let after = after.map_or("now".to_owned(), |mark| mark.to_string());
            let what = if *under_way { " under way" } else { "" };
            format!("find {watch} {after}{what} {max}")
        }
        Output::Event(Stored(run, seq, how)) => {
            let how = if how.starts_with(' ') { how } else { "" };
            format!("{run}{seq}{how}")
        }
        Output::Asked(frame) => format!("asked {}", serde_json::to_string(frame).unwrap()),
        Output::Close(code) => format!("close {code:?}"),
        Output::Timeout(_) => "timeout".to_owned(),
        Output::Control(frame) => {
            let json = serde_json::to_value(frame).unwrap();
            let field = |name: &str| json.get(name).map(|value| format!(" {value}"));
            let fields = [
                "execution_id",
                "from",
                "to",
                "last_seq",
                "reason",
                "epoch",
                "status",
                "watch",
                "mark",
                "cursor",
                "fidelity",
            ];
            let fields: String = fields.into_iter().filter_map(field).collect();
            (json["control"].as_str().unwrap().to_owned() + &fields).replace('"', "")
        }
    }
}

fn subscribe(run: char) -> Value {
    json!({"action": "subscribe", "execution_id": id(run)})
}

fn unsubscribe(run: char) -> Value {
    json!({"action": "unsubscribe", "execution_id": id(run)})
}
