//! Where a stream of many executions stands: what its reader hands back to go on exactly.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use stepcast_core::control::ControlFrame;
use stepcast_core::id::{Cursor, ExecutionId};
use stepcast_core::pattern::Mark;

use crate::log::Record;

/// The places of all executions that a stream follows, and of its watch.
///
/// Written `m3.41~7:3.17~9:3.0`: the watch's mark, or nothing where there is none, then for each execution the store's
/// number of it and the cursor. Opaque to readers. An execution that the watch found and that has ended is left out: it
/// lies before the mark. One that the reader names in its URL stays, or it would come again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    pub(crate) mark: Option<Mark>,
    pub(crate) at: BTreeMap<i64, Cursor>,
    /// What is followed by now: the number, and whether the watch found it.
    followed: HashMap<ExecutionId, (i64, bool)>,
    /// What the watch found and is being opened.
    found: HashSet<ExecutionId>,
}

/// A text that is no place.
#[derive(Debug, thiserror::Error)]
#[error("a place in a stream of many executions is what that stream gave as `id`, unchanged")]
pub(crate) struct NoPlaces;

impl Places {
    /// The watch found this one, before the reader came back.
    pub(crate) fn restore(&mut self, execution_id: ExecutionId) {
        self.found.insert(execution_id);
    }

    /// An execution is followed, from here on.
    pub(crate) fn begin(&mut self, execution_id: &ExecutionId, key: i64, cursor: Cursor) {
        let found = self.found.remove(execution_id);
        self.followed.insert(execution_id.clone(), (key, found));
        self.at.insert(key, cursor);
    }

    /// An event has been written.
    pub(crate) fn seen(&mut self, record: &Record) {
        let key = record.execution_id().parse().ok();
        let key = key.and_then(|id: ExecutionId| self.followed.get(&id));
        if let Some((key, _)) = key {
            self.at.insert(*key, record.cursor());
        }
    }

    /// Something about the stream has been written.
    pub(crate) fn heard(&mut self, frame: &ControlFrame) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "no other moves a place")]
        match frame {
            ControlFrame::Watching { mark, .. } => self.mark = Some(*mark),
            ControlFrame::Matched {
                mark, execution_id, ..
            } => {
                self.mark = Some(*mark);
                self.found.insert(execution_id.clone());
            }
            ControlFrame::Place {
                execution_id,
                cursor,
            }
            | ControlFrame::Snapshot {
                execution_id,
                cursor,
                ..
            }
            | ControlFrame::Fidelity {
                execution_id,
                cursor,
                ..
            } => {
                if let Some((key, _)) = self.followed.get(execution_id) {
                    self.at.insert(*key, *cursor);
                }
            }
            ControlFrame::Closed { execution_id, .. } => {
                if let Some((key, true)) = self.followed.remove(execution_id) {
                    self.at.remove(&key);
                }
            }
            _ => {}
        }
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(mark) = self.mark {
            write!(f, "{mark}")?;
        }
        self.at
            .iter()
            .try_for_each(|(key, cursor)| write!(f, "~{key}:{cursor}"))
    }
}

impl FromStr for Places {
    type Err = NoPlaces;

    fn from_str(text: &str) -> Result<Self, NoPlaces> {
        let mut parts = text.split('~');
        let mark = match parts.next() {
            None | Some("") => None,
            Some(mark) => Some(mark.parse().map_err(|_error| NoPlaces)?),
        };
        let place = |text: &str| {
            let (key, cursor) = text.split_once(':')?;
            let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit());
            Some((
                plain.then(|| key.parse().ok()).flatten()?,
                cursor.parse().ok()?,
            ))
        };
        let at: BTreeMap<i64, Cursor> = parts
            .map(|text| place(text).ok_or(NoPlaces))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            mark,
            at,
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        for text in ["", "m3.41", "~7:3.17", "m3.41~7:3.17~9:3.0"] {
            assert_eq!(text.parse::<Places>().unwrap().to_string(), text);
        }
        for text in [
            "3.41", "~", "m3.41~", "~x:3.1", "~-7:3.1", "~7:31", "~7", "m3.41 ",
        ] {
            assert!(text.parse::<Places>().is_err(), "{text}");
        }
    }
}
