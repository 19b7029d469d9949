//! A run of one kind of step, again and again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::{Map, Value, json};
use stepcast::context::StreamingContext;
use stepcast::log::{Budget, Durability, Log, NewExecution, SqliteStore};
use stepcast::pipeline::{self, Pipeline, RunOptions};
use stepcast::step::{PythonSettings, StepRegistry};

pub(crate) struct Chain {
    pipeline: Arc<Pipeline>,
    directory: PathBuf,
    log: Log,
    count: usize,
    runs: AtomicUsize,
    _store: tempfile::TempDir,
}

impl Chain {
    /// So many steps like this one, one after the other.
    pub(crate) fn new(
        directory: &Path,
        step: &Value,
        count: usize,
        python: &PythonSettings,
    ) -> Self {
        let registry = StepRegistry::builtin().with_python(python);
        let named = |n: usize| {
            let mut step = step.clone();
            step["id"] = format!("s{n}").into();
            step["name"] = format!("Step {n}").into();
            step
        };
        let steps: Vec<Value> = (0..count).map(named).collect();
        let paths: Vec<Value> = (1..count)
            .map(|n| json!({ "from": format!("s{}", n - 1), "to": format!("s{n}") }))
            .collect();
        let definition = json!({ "name": "bench", "steps": steps, "flow": { "start_at": "s0", "paths": paths } });
        let store = tempfile::tempdir().unwrap();
        let kept = SqliteStore::open(store.path(), Durability::Process).unwrap();
        Self {
            pipeline: Arc::new(Pipeline::from_json(&definition, &registry).unwrap()),
            directory: directory.to_owned(),
            log: Log::new(Arc::new(kept)),
            count,
            runs: AtomicUsize::new(0),
            _store: store,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The seconds that one step of a run took.
    pub(crate) async fn run(&self, input: Map<String, Value>) -> f64 {
        let id = format!("run-{}", self.runs.fetch_add(1, Ordering::Relaxed));
        let new = NewExecution::named(id.parse().unwrap(), "bench", 0);
        let stream = self.log.create(&new, Budget::default()).unwrap();
        let options = RunOptions {
            work_dir: self.directory.clone(),
            ..RunOptions::default()
        };
        let context = StreamingContext::new(stream);
        let start = Instant::now();
        let result = pipeline::run(self.pipeline.clone(), input, context, options).await;
        let seconds = start.elapsed().as_secs_f64();
        assert!(result.error.is_none(), "{:?}", result.error);
        #[expect(clippy::cast_precision_loss, reason = "a count")]
        let count = self.count as f64;
        seconds / count
    }
}
