//! What is kept of the results: the figures as JSON, and the page and the chart that are made of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::chart;
use crate::machine::Machine;
use crate::results::Outcome;
use crate::scenarios::SCENARIOS;
use crate::table;

/// All that was kept: under `now`, and under `before` where there is something to compare with.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Record(BTreeMap<String, Measured>);

/// The outcomes of one state of the product, by the keys of their cases.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Measured {
    machine: Machine,
    outcomes: BTreeMap<String, Outcome>,
}

impl Record {
    /// What there is; nothing where nothing was kept.
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(folder().join("fanout.json"));
        text.map_or_else(
            |_| Self::default(),
            |text| serde_json::from_str(&text).unwrap(),
        )
    }

    /// Keeps an outcome in place of the former one.
    pub(crate) fn keep(&mut self, name: &str, machine: &Machine, outcome: Outcome) {
        let measured = self.0.entry(name.to_owned()).or_insert_with(|| Measured {
            machine: machine.clone(),
            outcomes: BTreeMap::new(),
        });
        measured.machine = machine.clone();
        measured.outcomes.insert(outcome.key.clone(), outcome);
    }

    /// Writes the figures, the page and the chart.
    pub(crate) fn write(&self) {
        let folder = folder();
        fs::create_dir_all(&folder).unwrap();
        let json = serde_json::to_string_pretty(self).unwrap() + "\n";
        fs::write(folder.join("fanout.json"), json).unwrap();
        fs::write(folder.join("fanout.md"), self.page()).unwrap();
        let charts = ["a-1", "a-64"].map(|key| self.newest(key));
        let shown: Vec<&Outcome> = charts.into_iter().flatten().collect();
        if !shown.is_empty() {
            fs::write(folder.join("fanout.svg"), chart::svg(&shown)).unwrap();
        }
    }

    fn newest(&self, key: &str) -> Option<&Outcome> {
        self.outcome("now", key).or(self.outcome("before", key))
    }

    fn outcome(&self, name: &str, key: &str) -> Option<&Outcome> {
        self.0.get(name)?.outcomes.get(key)
    }

    fn page(&self) -> String {
        let mut page = HEAD.to_owned();
        if self.newest("a-1").is_some() {
            page += "\n![CPU-seconds per million deliveries, one event at a time and 64 in flight](fanout.svg)\n";
        }
        let named = [("before", "Before"), ("now", "Now")];
        for (name, title) in named {
            if let Some(measured) = self.0.get(name) {
                page += &format!("\n{title}: {}.\n", measured.machine.describe());
            }
        }
        for case in SCENARIOS.iter().flat_map(|it| (it.cases)()) {
            let (now, before) = (
                self.outcome("now", case.key),
                self.outcome("before", case.key),
            );
            if let Some(outcome) = now.or(before) {
                let before = now.and(before);
                page += &format!("\n{}", table::markdown(outcome, case.columns, before));
            }
        }
        page
    }
}

/// Where the documentation has it.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks")
}

const HEAD: &str = "# Fan-out: the figures

Written by `cargo bench -p stepcast-server --bench fanout -- --peers --write`. What is measured and how to read it is in [benchmarks](../benchmarks.md#fan-out). Compare rows of one table; absolute figures are those of one machine.
";
