//! Watches: runs that are picked up as they are made.

use super::subscription::Wish;
use super::{Output, Record, Session};
use crate::control::ControlFrame;
use crate::fidelity::Manner;
use crate::filter::Filter;
use crate::id::{ExecutionId, Position};
use crate::pattern::{Mark, Pattern, Since};
use crate::time::Time;

/// Where one watch stands in the order of runs.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pattern: Pattern,
    /// What of each run.
    wish: Wish,
    /// All up to here have been looked at; none before the first answer to one that begins now.
    after: Option<Mark>,
    /// Of those that were there at the beginning only the ones that have not ended count.
    under_way: bool,
    /// The client has been told where it begins.
    told: bool,
    /// An answer is on its way.
    waiting: bool,
    /// There may be more to find.
    look: bool,
    /// The client has left; only an answer is awaited.
    leaving: bool,
}

impl Watch {
    pub(super) fn new(pattern: Pattern, since: Since, wish: Wish) -> Self {
        Self {
            pattern,
            wish,
            after: match since {
                Since::Now => None,
                Since::UnderWay => Some(Mark::default()),
                Since::After(mark) => Some(mark),
            },
            under_way: since == Since::UnderWay,
            told: false,
            waiting: false,
            look: true,
            leaving: false,
        }
    }
}

impl<R: Record> Session<R> {
    /// Follows what a URL asks for.
    pub(super) fn choose(
        &mut self,
        now: Time,
        executions: Vec<(ExecutionId, Position)>,
        watch: Option<(Pattern, Since)>,
        (filter, manner): (&Filter, Manner),
    ) {
        let wish = |after| Wish {
            after,
            filter: filter.clone(),
            pace: None,
            window: None,
            manner,
        };
        for (execution_id, after) in executions {
            self.subscribe(now, execution_id, wish(after));
        }
        if let Some((pattern, since)) = watch {
            let watch = Watch::new(pattern, since, wish(Position::Earliest));
            self.watches.insert(String::new(), watch);
            self.look_for_more();
        }
        self.close_if_done();
    }

    /// Whether a watch has picked this execution up: the client has not asked for it by name.
    pub fn is_found(&self, execution_id: &ExecutionId) -> bool {
        let it = self.subscriptions.get(execution_id);
        it.is_some_and(|it| it.found)
    }

    pub(super) fn watch(&mut self, now: Time, name: String, watch: Watch) {
        let refusal = if name.is_empty() || name.len() > LONGEST_NAME {
            Some((
                400,
                format!("a watch has a name of 1 to {LONGEST_NAME} bytes"),
            ))
        } else if self.watches.contains_key(&name) {
            Some((
                409,
                "there is a watch of this name: unwatch it first".to_owned(),
            ))
        } else if self.watches.len() >= MOST {
            Some((429, format!("a connection has at most {MOST} watches")))
        } else {
            None
        };
        if let Some((status, message)) = refusal {
            return self.error(now, None, status, message);
        }
        self.watches.insert(name, watch);
        self.look_for_more();
    }

    pub(super) fn unwatch(&mut self, now: Time, name: &str) {
        match self.watches.get_mut(name).filter(|watch| !watch.leaving) {
            Some(watch) if watch.waiting => watch.leaving = true,
            Some(_) => drop(self.watches.remove(name)),
            None => self.error(now, None, 404, "there is no watch of this name".to_owned()),
        }
    }

    /// A run was made: any watch may want it.
    pub(super) fn created(&mut self) {
        self.watches
            .values_mut()
            .for_each(|watch| watch.look = true);
        self.look_for_more();
    }

    /// Looks for what the watches want, as far as there is room for it.
    pub(super) fn look_for_more(&mut self) {
        let mut room = self
            .config
            .max_subscriptions
            .saturating_sub(self.subscriptions.len());
        for (name, watch) in &mut self.watches {
            if watch.waiting {
                // what it finds needs its room
                room = 0;
            }
            if !watch.look || watch.waiting || room == 0 {
                continue;
            }
            watch.waiting = true;
            watch.look = false;
            self.outputs.push_back(Output::Find {
                watch: name.clone(),
                pattern: watch.pattern.clone(),
                after: watch.after,
                under_way: watch.under_way,
                max: room,
            });
            room = 0;
        }
    }

    pub(super) fn found(
        &mut self,
        now: Time,
        name: &str,
        runs: Vec<(Mark, ExecutionId)>,
        mark: Mark,
        more: bool,
    ) {
        let Some(watch) = self.watches.get_mut(name).filter(|watch| watch.waiting) else {
            return;
        };
        watch.waiting = false;
        if watch.leaving {
            self.watches.remove(name);
            return self.look_for_more();
        }
        let first = !std::mem::replace(&mut watch.told, true);
        let begins = watch.after.unwrap_or(mark);
        watch.after = Some(mark);
        watch.under_way &= more;
        watch.look |= more;
        let wish = watch.wish.clone();
        if first {
            let watching = ControlFrame::Watching {
                watch: name.to_owned(),
                mark: begins,
            };
            self.control(now, watching);
        }
        for (mark, execution_id) in runs {
            // what is followed already has been told of, or asked for by name
            if self.subscriptions.contains_key(&execution_id) {
                continue;
            }
            let matched = ControlFrame::Matched {
                watch: name.to_owned(),
                execution_id: execution_id.clone(),
                mark,
            };
            self.control(now, matched);
            self.open(execution_id.clone(), wish.clone());
            if let Some(it) = self.subscriptions.get_mut(&execution_id) {
                it.found = true;
            }
        }
        self.look_for_more();
    }

    pub(super) fn unfound(&mut self, now: Time, name: &str, status: u16, message: String) {
        self.watches.remove(name);
        self.error(now, None, status, message);
        self.look_for_more();
        self.close_if_done();
    }
}

/// No connection has more watches.
const MOST: usize = 16;

/// The longest name of a watch, in bytes.
const LONGEST_NAME: usize = 64;
