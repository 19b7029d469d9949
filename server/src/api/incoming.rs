//! Reads what a producer sends as events, with errors that say where.

use axum::http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use stepcast_core::event::EventType;
use stepcast_core::id::ExecutionId;

use super::body::too_deep;
use crate::cloudevent::{self, NoEvent};
use crate::context::Draft;
use crate::error::{Flaw, Problem};
use crate::limits::is_deeper;

/// What the events must fit.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Of which execution they are.
    pub execution_id: &'a ExecutionId,
    /// How long each may be.
    pub max_event_bytes: usize,
    /// How deep arrays and objects of each may stand in each other.
    pub max_depth: usize,
}

impl Expected<'_> {
    /// A body of JSON: one event, or an array of them that belong together.
    pub fn body(&self, text: &[u8]) -> Result<Vec<Draft>, Problem> {
        self.each(text, |event, path, flaws| self.event(event, path, flaws))
    }

    /// The same, of CloudEvents in structured mode.
    pub fn cloud_events(&self, text: &[u8]) -> Result<Vec<Draft>, Problem> {
        self.each(text, |event, path, flaws| {
            let attributes = self.object(event, path, flaws)?;
            Ok(attributes.and_then(|it| self.cloud_event(it, path, flaws)))
        })
    }

    /// One CloudEvent in binary mode.
    pub fn cloud_event_of(&self, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Draft>, Problem> {
        if body.len() > self.max_event_bytes {
            return Err(too_large(self.max_event_bytes));
        }
        if is_deeper(body, self.max_depth) {
            return Err(too_deep(self.max_depth));
        }
        let mut flaws = Vec::new();
        let draft = match cloudevent::from_headers(headers, body) {
            Ok(attributes) => self.cloud_event(attributes, "$", &mut flaws),
            Err(NoEvent(attribute, what)) => {
                flaws.push(flaw("$", &attribute, what));
                None
            }
        };
        draft
            .map(|draft| vec![draft])
            .ok_or_else(|| Problem::invalid("The event cannot be taken.", flaws))
    }

    fn cloud_event(
        &self,
        attributes: Map<String, Value>,
        path: &str,
        flaws: &mut Vec<Flaw>,
    ) -> Option<Draft> {
        let before = flaws.len();
        let members = match cloudevent::members(attributes) {
            Ok(members) => members,
            Err(NoEvent(attribute, what)) => {
                flaws.push(flaw(path, &attribute, what));
                return None;
            }
        };
        let draft = self.draft(members, path, flaws);
        Some(draft).filter(|_| flaws.len() == before)
    }

    fn each(
        &self,
        text: &[u8],
        mut read: impl FnMut(&[u8], &str, &mut Vec<Flaw>) -> Result<Option<Draft>, Problem>,
    ) -> Result<Vec<Draft>, Problem> {
        let one = !text.trim_ascii_start().starts_with(b"[");
        let raw: Vec<&RawValue> = if one {
            vec![serde_json::from_slice(text).map_err(|error| unreadable(&error))?]
        } else {
            serde_json::from_slice(text).map_err(|error| unreadable(&error))?
        };
        if raw.is_empty() {
            let detail = "The body holds no event: send one, or an array of at least one.";
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
        }
        let (mut drafts, mut flaws) = (Vec::with_capacity(raw.len()), Vec::new());
        for (at, event) in raw.iter().enumerate() {
            let path = if one {
                "$".to_owned()
            } else {
                format!("$[{at}]")
            };
            drafts.extend(read(event.get().as_bytes(), &path, &mut flaws)?);
            if flaws.len() >= MOST_FLAWS {
                break;
            }
        }
        if flaws.is_empty() {
            flaws.extend(after_the_end(&drafts));
        }
        if flaws.is_empty() {
            return Ok(drafts);
        }
        flaws.truncate(MOST_FLAWS);
        Err(Problem::invalid(
            "The events cannot be taken; none of them was.",
            flaws,
        ))
    }

    /// One event: none where flaws were found.
    pub fn event(
        &self,
        text: &[u8],
        path: &str,
        flaws: &mut Vec<Flaw>,
    ) -> Result<Option<Draft>, Problem> {
        let Some(members) = self.object(text, path, flaws)? else {
            return Ok(None);
        };
        let before = flaws.len();
        let draft = self.draft(members, path, flaws);
        Ok(Some(draft).filter(|_| flaws.len() == before))
    }

    fn object(
        &self,
        text: &[u8],
        path: &str,
        flaws: &mut Vec<Flaw>,
    ) -> Result<Option<Map<String, Value>>, Problem> {
        if text.len() > self.max_event_bytes {
            return Err(too_large(self.max_event_bytes).with("path", path));
        }
        if is_deeper(text, self.max_depth) {
            return Err(too_deep(self.max_depth).with("path", path));
        }
        let value: Value =
            serde_json::from_slice(text).map_err(|error| unreadable(&error).with("path", path))?;
        let Value::Object(members) = value else {
            flaws.push(flaw(path, "", "an event is an object"));
            return Ok(None);
        };
        Ok(Some(members))
    }

    fn draft(&self, members: Map<String, Value>, path: &str, flaws: &mut Vec<Flaw>) -> Draft {
        let mut wrong = |member: &str, message: &str| {
            flaws.push(flaw(path, member, message));
        };
        let mut draft = Draft {
            event_type: EventType::Unknown(String::new()),
            step_id: None,
            data: Value::Object(Map::new()),
            metadata: None,
        };
        let (mut unknown, typed) = (Vec::new(), members.contains_key("event_type"));
        for (member, value) in members {
            match (member.as_str(), value) {
                ("event_type", Value::String(word)) if is_word(&word) => {
                    draft.event_type = EventType::from(word.as_str());
                }
                ("event_type", _) => wrong(&member, "must be a word of a-z, 0-9 and _"),
                ("step_id", Value::String(id)) if !id.is_empty() => draft.step_id = Some(id.into()),
                ("step_id" | "metadata" | "data", Value::Null) => {}
                ("step_id", _) => wrong(&member, "must be a text that is not empty"),
                ("data", data @ Value::Object(_)) => draft.data = data,
                ("metadata", metadata @ Value::Object(_)) => draft.metadata = Some(metadata),
                ("data" | "metadata", _) => wrong(&member, "must be an object"),
                ("execution_id", Value::String(id)) if id == self.execution_id.as_str() => {}
                ("execution_id", _) => wrong(&member, "is not the execution of the address"),
                ("seq", _) => wrong(&member, "is given by the server: leave it out"),
                ("timestamp", _) => wrong(
                    &member,
                    "is given by the server: put a time of your own into metadata",
                ),
                _ => unknown.push(member),
            }
        }
        let left = MOST_FLAWS.saturating_sub(flaws.len());
        let unknown = unknown.iter().take(left.max(1));
        flaws.extend(unknown.map(|member| unknown_member(path, member)));
        if draft.event_type.as_str().is_empty() && !typed {
            flaws.push(flaw(path, "event_type", "is missing"));
        }
        if draft.event_type.as_str().starts_with("step_") && draft.step_id.is_none() {
            flaws.push(flaw(
                path,
                "step_id",
                "is missing: the event is one of a step",
            ));
        }
        draft
    }
}

/// The event is larger than the setting allows.
pub(crate) fn too_large(max_event_bytes: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("An event has at most {max_event_bytes} bytes; the setting is max_event_bytes."),
    )
}

fn unreadable(error: &serde_json::Error) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        format!("The JSON cannot be read: {error}."),
    )
}

/// Nothing follows a terminal event.
fn after_the_end(drafts: &[Draft]) -> Option<Flaw> {
    let end = drafts
        .iter()
        .position(|draft| draft.event_type.is_terminal())?;
    let next = end + 1;
    (next < drafts.len()).then(|| {
        flaw(
            &format!("$[{next}]"),
            "",
            "follows the event that ends the execution: send that one last",
        )
    })
}

fn is_word(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=LONGEST_TYPE).contains(&text.len()) && text.bytes().all(plain)
}

fn flaw(path: &str, member: &str, message: &str) -> Flaw {
    let dot = if member.is_empty() { "" } else { "." };
    Flaw {
        path: format!("{path}{dot}{member}"),
        message: message.to_owned(),
        suggestion: None,
    }
}

/// The name is not repeated: it may be anything.
fn unknown_member(path: &str, member: &str) -> Flaw {
    // what is much longer than every name is a slip for none
    let near = MEMBERS
        .into_iter()
        .filter(|_| member.len() <= LONGEST_TYPE)
        .find(|known| strsim::jaro_winkler(known, &member.to_ascii_lowercase()) > 0.8);
    Flaw {
        path: path.to_owned(),
        message:
            "has a member that events do not have; what is your own goes into data or metadata"
                .to_owned(),
        suggestion: near.map(str::to_owned),
    }
}

const MEMBERS: [&str; 5] = ["event_type", "step_id", "data", "metadata", "execution_id"];

/// A word that is longer is none.
const LONGEST_TYPE: usize = 64;

/// Flaws told at once.
const MOST_FLAWS: usize = 20;
