//! How far a text has come.

use stepcast_core::view::StepView;

use super::Channel;

/// How far a text has come. Two places of one round differ by what was appended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Place {
    iteration: u64,
    attempt: u64,
    end: u64,
}

impl Place {
    pub(super) fn of(step: &StepView, channel: Channel) -> Self {
        let (text, dropped) = channel.of(step);
        Self {
            iteration: step.iteration,
            attempt: step.attempt,
            end: dropped + text.len() as u64,
        }
    }

    /// What `text`, which ends at `self`, has beyond `earlier`; none where it must be shown anew.
    pub(super) fn appended(self, earlier: Self, text: &str) -> Option<&str> {
        let same = self.iteration == earlier.iteration && self.attempt == earlier.attempt;
        let new = usize::try_from(self.end.checked_sub(earlier.end)?).ok()?;
        let from = text.len().checked_sub(new)?;
        same.then(|| text.get(from..)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_appended() {
        let place = |iteration, end| Place {
            iteration,
            attempt: 1,
            end,
        };
        assert_eq!(place(1, 5).appended(place(1, 3), "Hello"), Some("lo"));
        assert_eq!(place(1, 5).appended(place(1, 5), "Hello"), Some(""));
        // another round, or more new than is kept: all anew
        assert_eq!(place(2, 5).appended(place(1, 3), "Hello"), None);
        assert_eq!(place(1, 90).appended(place(1, 3), "Hello"), None);
        // a shorter text is another one
        assert_eq!(place(1, 2).appended(place(1, 3), "He"), None);
        // never within a character
        assert_eq!(place(1, 3).appended(place(1, 2), "aü"), None);
    }
}
