//! What a step sees: the input, overwritten by what its ancestors gave, and each ancestor's output under its id.
//!
//! Branches share values and never write into one another: a copy holds references and a record of the
//! executions it descends from, by which a join tells what was written since the fork.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

/// The data of one branch.
#[derive(Clone, Debug, Default)]
pub struct Data {
    fields: BTreeMap<Arc<str>, Entry>,
    outputs: BTreeMap<Arc<str>, Entry>,
    history: History,
    last: Option<Entry>,
}

/// Who wrote a value, and the value: the whole `source`, or the member of it that the entry's key names.
#[derive(Clone, Debug)]
struct Entry {
    source: Arc<Value>,
    by: u32,
    order: u64,
}

/// The executions a branch descends from, as a set of bits.
#[derive(Clone, Debug, Default)]
struct History(Vec<u64>);

impl Data {
    /// The data of a run that begins: its input, an object.
    pub fn new(input: Arc<Value>) -> Self {
        let mut data = Self::default();
        data.history.insert(0);
        data.write_fields(0, &input);
        data
    }

    /// Adds what an execution of `step` gave: under the step's id, and, of an object, each member.
    pub fn record(&mut self, step: &str, execution: u32, output: &Arc<Value>) {
        self.write_fields(execution, output);
        let order = self
            .outputs
            .get(step)
            .map_or(place_of(execution, 0), |old| old.order);
        let entry = Entry {
            source: Arc::clone(output),
            by: execution,
            order,
        };
        self.last = Some(entry.clone());
        self.outputs.insert(Arc::from(step), entry);
        self.history.insert(execution);
    }

    /// Joins another branch. A key that one branch alone wrote since the fork is that branch's;
    /// of a key that both wrote, `other`'s is taken.
    pub fn merge(&mut self, other: &Self) {
        merge_entries(
            (&mut self.fields, &self.history),
            (&other.fields, &other.history),
        );
        merge_entries(
            (&mut self.outputs, &self.history),
            (&other.outputs, &other.history),
        );
        self.history.union(&other.history);
        self.last.clone_from(&other.last);
    }

    /// A step's output by the step's id, else a field of the merged map.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.output_of(key).or_else(|| self.field(key))
    }

    /// A field of the merged map: of the input, or of an output.
    pub fn field(&self, key: &str) -> Option<&Value> {
        self.fields.get(key)?.source.get(key)
    }

    /// What a step gave last.
    pub fn output_of(&self, step: &str) -> Option<&Value> {
        self.outputs.get(step).map(|entry| entry.source.as_ref())
    }

    /// What the step before gave.
    pub fn last(&self) -> Option<&Value> {
        self.last.as_ref().map(|entry| entry.source.as_ref())
    }

    /// The merged map, in the order of writing.
    pub fn to_map(&self) -> Map<String, Value> {
        let fields = self.fields.iter().filter_map(|(key, entry)| {
            let value = entry.source.get(key.as_ref())?;
            Some((entry.order, key, value))
        });
        let outputs = self
            .outputs
            .iter()
            .map(|(step, entry)| (entry.order, step, entry.source.as_ref()));
        let mut all: Vec<_> = fields
            .filter(|(_, key, _)| !self.outputs.contains_key(*key))
            .chain(outputs)
            .collect();
        all.sort_by_key(|(order, ..)| *order);
        all.into_iter()
            .map(|(_, key, value)| (key.to_string(), value.clone()))
            .collect()
    }

    /// The fields alone, without the outputs under their steps' ids.
    pub fn fields_to_map(&self) -> Map<String, Value> {
        let plain = Self {
            fields: self.fields.clone(),
            ..Self::default()
        };
        plain.to_map()
    }

    fn write_fields(&mut self, execution: u32, source: &Arc<Value>) {
        let Some(object) = source.as_object() else {
            return;
        };
        for (at, key) in object.keys().enumerate() {
            let order = match self.fields.get(key.as_str()) {
                Some(old) => old.order,
                None => place_of(execution, at + 1),
            };
            let entry = Entry {
                source: Arc::clone(source),
                by: execution,
                order,
            };
            self.fields.insert(Arc::from(key.as_str()), entry);
        }
    }
}

impl History {
    fn insert(&mut self, execution: u32) {
        let (word, bit) = split(execution);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= 1 << bit;
        }
    }

    fn contains(&self, execution: u32) -> bool {
        let (word, bit) = split(execution);
        self.0.get(word).is_some_and(|bits| bits & (1 << bit) != 0)
    }

    fn union(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (bits, more) in self.0.iter_mut().zip(&other.0) {
            *bits |= more;
        }
    }
}

fn merge_entries(
    (into, into_history): (&mut BTreeMap<Arc<str>, Entry>, &History),
    (from, from_history): (&BTreeMap<Arc<str>, Entry>, &History),
) {
    for (key, theirs) in from {
        let Some(ours) = into.get_mut(key) else {
            into.insert(Arc::clone(key), theirs.clone());
            continue;
        };
        let only_we_wrote = into_history.contains(theirs.by) && !from_history.contains(ours.by);
        if ours.by != theirs.by && !only_we_wrote {
            let order = ours.order.min(theirs.order);
            *ours = Entry {
                order,
                ..theirs.clone()
            };
        }
    }
}

fn split(execution: u32) -> (usize, u32) {
    ((execution / u64::BITS) as usize, execution % u64::BITS)
}

/// Orders the keys of the merged map: by execution, then by the output's own order; the id comes first.
fn place_of(execution: u32, at: usize) -> u64 {
    (u64::from(execution) << 24) | (at as u64).min((1 << 24) - 1)
}
