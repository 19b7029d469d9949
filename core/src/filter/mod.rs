//! Which events a subscriber wants: the same code on both ends.

#[cfg(feature = "conditions")]
mod condition;
mod level;
#[cfg(not(feature = "conditions"))]
mod unconditional;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

#[cfg(feature = "conditions")]
pub use self::condition::{Condition, ConditionError, FUNCTIONS};
pub use self::level::{Level, LevelError};
#[cfg(not(feature = "conditions"))]
pub use self::unconditional::{Condition, ConditionError};
use crate::event::EventType;
use crate::id::StepId;

/// Lets an event through where every list that is not empty names it, its level is high enough, and its condition holds.
/// Terminal events always pass: a filtered stream ends like any other.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Event types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<EventType>,
    /// Steps; an event of no step passes only where this is empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepId>,
    /// The least level; an event that has none passes only where this is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// What must hold of the whole event.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}

impl Filter {
    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an event passes that has this type and step, and is this JSON, which is made only where it is looked into.
    pub fn passes<'a>(
        &self,
        event_type: &EventType,
        step_id: Option<&str>,
        json: impl FnOnce() -> Cow<'a, str>,
    ) -> bool {
        event_type.is_terminal()
            || (self.types.is_empty() || self.types.contains(event_type))
                && (self.steps.is_empty()
                    || step_id.is_some_and(|id| self.steps.iter().any(|step| step.as_str() == id)))
                && (self.level.is_none() && self.condition.is_none()
                    || self.holds(event_type, &json()))
    }

    fn holds(&self, event_type: &EventType, json: &str) -> bool {
        (self.level).is_none_or(|least| Level::of(event_type, json) >= Some(least))
            && (self.condition.as_ref()).is_none_or(|condition| condition.holds(json))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_must_name_the_event() {
        let filter = Filter {
            types: vec![EventType::StepError],
            steps: vec!["a".into()],
            ..Filter::default()
        };
        assert!(filter.passes(&EventType::StepError, Some("a"), || "{}".into()));
        assert!(!filter.passes(&EventType::StepError, Some("b"), || "{}".into()));
        assert!(!filter.passes(&EventType::StepStart, Some("a"), || "{}".into()));
        assert!(!filter.passes(&EventType::StepError, None, || "{}".into()));
        assert!(filter.passes(&EventType::PipelineError, None, || "{}".into()));
        assert!(Filter::default().passes(&EventType::from("later"), None, || "{}".into()));
    }

    #[test]
    fn what_has_no_level_passes_only_where_none_is_asked_for() {
        let filter = Filter {
            level: Some(Level::Warning),
            ..Filter::default()
        };
        let line = |level: &str| format!(r#"{{"data":{{"kind":"log","level":"{level}"}}}}"#);
        let passes = |json: &str| filter.passes(&EventType::StepProgress, None, || json.into());
        assert!(passes(&line("warning")) && passes(&line("error")));
        assert!(!passes(&line("info")) && !passes("{}"));
    }
}
