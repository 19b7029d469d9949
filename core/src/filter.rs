//! Which events a subscriber wants: the same code on both ends.

use serde::{Deserialize, Serialize};

use crate::event::EventType;
use crate::id::StepId;

/// Lets an event through where every list that is not empty names it. Terminal events always pass:
/// a filtered stream ends like any other.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Event types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<EventType>,
    /// Steps; an event of no step passes only where this is empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepId>,
}

impl Filter {
    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty() && self.steps.is_empty()
    }

    /// Whether an event of this type and step passes.
    pub fn passes(&self, event_type: &EventType, step_id: Option<&str>) -> bool {
        event_type.is_terminal()
            || (self.types.is_empty() || self.types.contains(event_type))
                && (self.steps.is_empty()
                    || step_id.is_some_and(|id| self.steps.iter().any(|step| step.as_str() == id)))
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
        };
        assert!(filter.passes(&EventType::StepError, Some("a")));
        assert!(!filter.passes(&EventType::StepError, Some("b")));
        assert!(!filter.passes(&EventType::StepStart, Some("a")));
        assert!(!filter.passes(&EventType::StepError, None));
        assert!(filter.passes(&EventType::PipelineError, None));
        assert!(Filter::default().passes(&EventType::from("later"), None));
    }
}
