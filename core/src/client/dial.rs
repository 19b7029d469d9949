//! Where a dial goes: one place that knows the URLs, for every shell.

use std::fmt::Write as _;

use super::{Dial, Transport};
use crate::fidelity::{Fidelity, Manner, WhenSlow};
use crate::id::Position;

impl Dial {
    /// Path and query of the URL, to be put after the server's origin.
    pub fn path(&self) -> String {
        let id = &self.execution_id;
        let (mut path, cursor) = match self.transport {
            Transport::WebSocket => (format!("/ws/pipeline/{id}"), "after"),
            Transport::Sse => (format!("/stream/pipeline/{id}"), "last_event_id"),
            Transport::LongPoll => (format!("/api/executions/{id}/events"), "after"),
        };
        let mut separator = '?';
        let mut add = |name: &str, value: &str| {
            path.push(separator);
            separator = '&';
            path.push_str(name);
            path.push('=');
            encode(&mut path, value);
        };
        if self.after != Position::Earliest {
            add(cursor, &self.after.to_string());
        }
        // a message for each event is what a browser would spend its time on
        if self.transport == Transport::WebSocket {
            add("batch", "true");
        }
        if self.transport == Transport::LongPoll {
            add("wait_ms", &self.wait.as_millis().to_string());
        }
        if let Some(pace) = self.pace.filter(|_| self.transport != Transport::LongPoll) {
            add("pace", &pace.to_string());
        }
        let Manner {
            fidelity,
            when_slow,
        } = self.manner;
        if self.transport != Transport::LongPoll {
            if fidelity != Fidelity::Full {
                add("fidelity", &fidelity.to_string());
            }
            if when_slow == WhenSlow::Degrade {
                add("when_slow", "degrade");
            }
        }
        for event_type in &self.filter.types {
            add("type", event_type.as_str());
        }
        for step in &self.filter.steps {
            add("step", step.as_str());
        }
        if let Some(level) = self.filter.level {
            add("level", level.as_str());
        }
        if let Some(condition) = &self.filter.condition {
            add("where", condition.as_str());
        }
        path
    }
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ok = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::Generation;
    use crate::event::EventType;
    use crate::filter::{Filter, Level};
    use crate::id::Cursor;

    #[test]
    fn the_cursor_the_pace_and_the_filter_go_into_the_url() {
        let mut dial = Dial {
            generation: Generation(1),
            transport: Transport::WebSocket,
            execution_id: "exec_1".parse().unwrap(),
            after: Position::Earliest,
            filter: Filter::default(),
            pace: None,
            manner: Manner::default(),
            wait: Duration::from_secs(25),
        };
        assert_eq!(dial.path(), "/ws/pipeline/exec_1?batch=true");
        dial.after = Position::After(Cursor { epoch: 2, seq: 7 });
        assert_eq!(dial.path(), "/ws/pipeline/exec_1?after=2.7&batch=true");
        dial.pace = Some("2.5".parse().unwrap());
        assert_eq!(
            dial.path(),
            "/ws/pipeline/exec_1?after=2.7&batch=true&pace=2.5"
        );
        dial.pace = None;
        dial.manner = Manner {
            fidelity: "coalesced:200".parse().unwrap(),
            when_slow: WhenSlow::Degrade,
        };
        assert_eq!(
            dial.path(),
            "/ws/pipeline/exec_1?after=2.7&batch=true&fidelity=coalesced%3A200&when_slow=degrade"
        );
        dial.transport = Transport::Sse;
        assert_eq!(
            dial.path(),
            "/stream/pipeline/exec_1?last_event_id=2.7&fidelity=coalesced%3A200&when_slow=degrade"
        );
        dial.transport = Transport::LongPoll;
        dial.filter = Filter {
            types: vec![EventType::StepError],
            steps: vec!["a b".into(), "ü&".into()],
            level: Some(Level::Warning),
            condition: None,
        };
        assert_eq!(
            dial.path(),
            "/api/executions/exec_1/events?after=2.7&wait_ms=25000&type=step_error&step=a%20b&step=%C3%BC%26&level=warning"
        );
    }
}
