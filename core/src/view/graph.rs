//! The graph of a run: its steps in their order, and the paths between them.

use serde::Serialize;
use serde_json::Value;

use super::RunView;
use super::read::text_of;
use super::step::StepView;
use crate::id::{Seq, StepId};

/// An edge of the pipeline's graph.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct PathView {
    /// Begins at.
    pub from: String,
    /// Leads to; a step or an `end…`.
    pub to: String,
    /// The condition in words; none for always.
    pub condition: Option<String>,
    /// How often it was taken.
    pub taken: u64,
}

impl RunView {
    pub(super) fn announce_steps(&mut self, announced: &[Value], seq: Seq) {
        let earlier = std::mem::take(&mut self.steps);
        self.index.clear();
        for step in announced {
            if let Some(id) = text_of(step, "id") {
                let at = self.place(&StepId::from(id));
                if let Some(view) = self.steps.get_mut(at) {
                    view.name = text_of(step, "name");
                    view.kind = text_of(step, "kind");
                    view.last_seq = seq;
                }
            }
        }
        for step in earlier {
            let at = self.place(&StepId::from(step.id.as_str()));
            if let Some(view) = self.steps.get_mut(at) {
                let (name, kind) = (view.name.take(), view.kind.take());
                *view = step;
                view.name = name.or(view.name.take());
                view.kind = kind.or(view.kind.take());
            }
        }
    }

    pub(super) fn announce_paths(&mut self, announced: &[Value]) {
        let earlier = std::mem::take(&mut self.paths);
        self.paths = announced
            .iter()
            .filter_map(|path| {
                Some(PathView {
                    from: text_of(path, "from")?,
                    to: text_of(path, "to")?,
                    condition: text_of(path, "condition"),
                    taken: 0,
                })
            })
            .collect();
        for path in earlier {
            self.take_path(&path.from, &path.to, path.taken);
        }
    }

    /// Where the step is; at the end where nobody announced it.
    pub(super) fn place(&mut self, id: &StepId) -> usize {
        if let Some(&at) = self.index.get(id) {
            return at;
        }
        let at = self.steps.len();
        self.steps.push(StepView::new(id.as_str()));
        self.index.insert(id.clone(), at);
        at
    }

    pub(super) fn take_path(&mut self, from: &str, to: &str, times: u64) {
        let is_it = |path: &&mut PathView| path.from == from && path.to == to;
        if let Some(path) = self.paths.iter_mut().find(is_it) {
            path.taken = path.taken.saturating_add(times);
        } else {
            self.paths.push(PathView {
                from: from.to_owned(),
                to: to.to_owned(),
                condition: None,
                taken: times,
            });
        }
    }
}
