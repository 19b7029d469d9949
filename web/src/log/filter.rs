//! Which events of a log are wanted: by type, by step, by what they hold.

use serde_json::Value;
use stepcast_core::event::{EventType, StreamEvent};

/// What an event must be like to be listed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filter {
    /// Its type; any where there is none.
    pub kind: Option<EventType>,
    /// The id of its step; any where it is empty.
    pub step: String,
    /// What its type, its step or its data must hold, upper and lower case of ASCII alike.
    pub text: String,
}

impl Filter {
    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it lets this event through.
    pub fn passes(&self, event: &StreamEvent) -> bool {
        let step = event.step_id.as_ref().map_or("", |id| id.as_str());
        self.kind
            .as_ref()
            .is_none_or(|kind| *kind == event.event_type)
            && (self.step.is_empty() || self.step == step)
            && (self.text.is_empty() || self.is_in(event, step))
    }

    fn is_in(&self, event: &StreamEvent, step: &str) -> bool {
        holds(event.event_type.as_str(), &self.text)
            || holds(step, &self.text)
            || self.is_in_value(&event.data)
    }

    /// Names and values alike.
    fn is_in_value(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => holds(text, &self.text),
            Value::Array(items) => items.iter().any(|item| self.is_in_value(item)),
            Value::Object(fields) => (fields.iter())
                .any(|(name, value)| holds(name, &self.text) || self.is_in_value(value)),
            Value::Number(number) => holds(&number.to_string(), &self.text),
            Value::Bool(_) | Value::Null => holds(&value.to_string(), &self.text),
        }
    }
}

fn holds(text: &str, wanted: &str) -> bool {
    let (text, wanted) = (text.as_bytes(), wanted.as_bytes());
    text.windows(wanted.len().max(1))
        .any(|part| part.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_passes_where_all_of_the_filter_holds() {
        let event = json!({"event_type": "step_output", "execution_id": "e", "seq": 1, "step_id": "draft",
            "timestamp": "2025-10-22T10:30:00.000Z", "data": {"output": {"Rows": [1, 27, {"name": "Brest Übersee"}], "ok": true}}});
        let event: StreamEvent = serde_json::from_value(event).unwrap();
        let passes = |kind: Option<&str>, step: &str, text: &str| {
            let kind = kind.map(EventType::from);
            let filter = Filter {
                kind,
                step: step.to_owned(),
                text: text.to_owned(),
            };
            filter.passes(&event)
        };
        assert!(Filter::default().is_empty() && passes(None, "", ""));
        for text in [
            "brest", "rows", "27", "TRUE", "Übersee", "step_out", "draft",
        ] {
            assert!(passes(Some("step_output"), "draft", text), "{text}");
        }
        assert!(!passes(Some("step_error"), "", ""));
        assert!(!passes(None, "dra", ""));
        assert!(!passes(None, "", "cork"));
        assert!(!passes(None, "", &"x".repeat(100)));
    }
}
