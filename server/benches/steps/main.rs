//! What a step costs over the bare call that it makes: `cargo bench -p stepcast-server --bench steps`.
//!
//! A run of many steps of one kind, with its log in SQLite, beside a loop that does nothing but what these steps do.
//! Figures are compared within one run; on a shared machine absolute times say little. The rows are explained in
//! `docs/benchmarks.md`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and ends when something is wrong"
)]

mod bare;
mod run;

use std::path::Path;

use serde_json::{Map, json};
use stepcast::step::PythonSettings;

use run::Chain;

/// Rounds of each row; the median counts.
const ROUNDS: usize = 5;

/// What the Python steps and the bare calls of Python do.
const CODE: &str = "class Count:
    def run(self, data):
        return {'sum': sum(range(100))}
";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("bench.py"), CODE).unwrap();
    runtime.block_on(measure(directory.path()));
}

async fn measure(directory: &Path) {
    let class = json!({ "step_class": "Count", "module": "bench" });
    let program = json!({ "type": "command", "config": { "argv": ["/bin/true"] } });
    let script = json!({ "type": "command", "config": { "argv": ["python3", "-c", "print('{\"sum\": 4950}')"] } });
    let anew = PythonSettings {
        max_uses: 1,
        ..PythonSettings::default()
    };
    let warm = PythonSettings::default();
    let chain = |step, count, python: &PythonSettings| Chain::new(directory, step, count, python);
    let kinds = [
        Kind {
            step: "`set`: nothing at all",
            call: "none",
            chain: chain(
                &json!({ "type": "set", "config": { "values": { "sum": 4950 } } }),
                500,
                &warm,
            ),
            bare: None,
        },
        Kind {
            step: "a Python class, in a worker that is used again",
            call: "the method, in a Python that is there",
            chain: chain(&class, 500, &warm),
            bare: Some(bare::Call::Method),
        },
        Kind {
            step: "a Python class, each in a worker of its own",
            call: "`python3 -c` with the same class",
            chain: chain(&class, 20, &anew),
            bare: Some(bare::Call::Interpreter),
        },
        Kind {
            step: "`command`: `/bin/true`",
            call: "`/bin/true`",
            chain: chain(&program, 100, &warm),
            bare: Some(bare::Call::Program),
        },
        Kind {
            step: "`command`: `python3 -c`",
            call: "`python3 -c` that prints the same",
            chain: chain(&script, 20, &warm),
            bare: Some(bare::Call::Script),
        },
    ];
    println!(
        "| a step | a bare call | step, µs | call, µs | more, µs | ratio |\n| --- | --- | ---: | ---: | ---: | ---: |"
    );
    for kind in kinds {
        kind.row(directory).await;
    }
}

struct Kind {
    step: &'static str,
    call: &'static str,
    chain: Chain,
    bare: Option<bare::Call>,
}

impl Kind {
    async fn row(self, directory: &Path) {
        let (mut steps, mut calls) = (Vec::new(), Vec::new());
        // what starts once, a worker and its imports, is started before
        self.chain.run(Map::new()).await;
        for _ in 0..ROUNDS {
            steps.push(self.chain.run(Map::new()).await);
            if let Some(call) = &self.bare {
                calls.push(call.seconds(directory, self.chain.count()));
            }
        }
        let step = median(steps) * 1e6;
        let Self {
            step: name, call, ..
        } = self;
        if calls.is_empty() {
            println!("| {name} | {call} | {step:.0} | | | |");
            return;
        }
        let bare = median(calls) * 1e6;
        let (more, ratio) = (step - bare, step / bare);
        println!("| {name} | {call} | {step:.0} | {bare:.1} | {more:.0} | {ratio:.2} |");
    }
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
