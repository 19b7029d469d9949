//! Classes in Python: what they may rely on, and that nothing they do reaches further than their step.

use std::path::Path;

use serde_json::{Value, json};
use stepcast::pipeline::{Pipeline, RunOptions, RunStatus};
use stepcast::step::{PythonSettings, StepRegistry};
use stepcast_core::event::EventType;

use crate::pipeline_harness::{Ran, Running, paths, pipeline, start};

pub(crate) fn settings() -> PythonSettings {
    PythonSettings::default()
}

pub(crate) fn begin(
    directory: &Path,
    code: &str,
    definition: &Value,
    settings: &PythonSettings,
) -> Running {
    std::fs::write(directory.join("steps.py"), code).unwrap();
    let options = RunOptions {
        work_dir: directory.to_owned(),
        ..RunOptions::default()
    };
    let registry = StepRegistry::builtin().with_python(settings);
    start(&registry, definition, json!({ "who": "Ada" }), options)
}

pub(crate) fn class(id: &str, class: &str, more: Value) -> Value {
    let mut step =
        json!({ "id": id, "name": id, "step_class": class, "module": "steps", "config": {} });
    for (key, value) in more.as_object().unwrap() {
        step[key] = value.clone();
    }
    step
}

/// One step of class `S`.
async fn one(code: &str, more: Value, settings: &PythonSettings) -> Ran {
    let directory = tempfile::tempdir().unwrap();
    let definition = pipeline(json!([class("s", "S", more)]), json!([]));
    begin(directory.path(), code, &definition, settings)
        .end()
        .await
}

pub(crate) fn failure(ran: &Ran) -> (&str, &str) {
    let error = &ran.of(EventType::StepError)[0].data["error"];
    (
        error["category"].as_str().unwrap(),
        error["message"].as_str().unwrap(),
    )
}

fn logged(ran: &Ran, step: &str) -> Vec<String> {
    let lines = ran.progress(step, "log").into_iter();
    lines
        .map(|line| line["message"].as_str().unwrap().to_owned())
        .collect()
}

const UNMODIFIED: &str = r#"
from typing import Any, Dict
from ia_modules.pipeline.core import Step

class Prepare(Step):
    async def run(self, data: Dict[str, Any]) -> Dict[str, Any]:
        self.logger.info("preparing %s", data["who"])
        await self.emit_progress(0.5, "Half")
        return {"message": self.config["greeting"] + ", " + data["who"], "name": self.name}

class Finish(Step):
    async def run(self, data):
        if self.streaming_context:
            from ia_modules.pipeline.streaming import StreamEvent
            await self.streaming_context.emit(StreamEvent(event_type="step_progress", data={"progress": 0.25, "message": "Quarter"}))
        for word in data["message"].split():
            await self.emit_token(word + " ")
        return {"final": data["message"], "run": self.streaming_context.execution_id}
"#;

#[tokio::test]
async fn a_pipeline_of_ia_modules_runs_unmodified() {
    let directory = tempfile::tempdir().unwrap();
    let steps = json!([
        class(
            "step1",
            "Prepare",
            json!({ "config": { "greeting": "Hello" } })
        ),
        class("step2", "Finish", json!({})),
    ]);
    let definition = pipeline(steps, paths("step1>step2"));
    let ran = begin(directory.path(), UNMODIFIED, &definition, &settings())
        .end()
        .await;
    assert_eq!(ran.result.status, RunStatus::Completed, "{:?}", ran.last());
    let output = &ran.last().data["output"];
    assert_eq!(output["final"], "Hello, Ada");
    assert_eq!(output["step1"]["name"], "step1");
    assert_eq!(output["run"], "exec_1");
    assert_eq!(logged(&ran, "step1"), ["INFO Step.step1: preparing Ada"]);
    let told = |step: &str| {
        let all = ran.of(EventType::StepProgress).into_iter();
        let fraction = all.filter(|event| {
            event.step_id.as_ref().unwrap().as_str() == step && event.data.get("progress").is_some()
        });
        fraction.map(|event| event.data.clone()).collect::<Vec<_>>()
    };
    assert!(told("step1").contains(&json!({ "progress": 0.5, "message": "Half" })));
    assert!(told("step2").contains(&json!({ "progress": 0.25, "message": "Quarter" })));
    let text: String = ran
        .progress("step2", "token")
        .iter()
        .map(|token| token["text"].as_str().unwrap())
        .collect();
    assert_eq!(text, "Hello, Ada ");
}

#[tokio::test]
async fn plain_classes_of_every_shape_run() {
    for (code, output) in [
        (
            "class S:\n  def run(self, data):\n    return {'who': data['who']}",
            json!({ "who": "Ada" }),
        ),
        (
            "class S:\n  def __init__(self, config):\n    self.config = config\n  async def run(self, data):\n    return self.config",
            json!({ "a": 1 }),
        ),
        (
            "class S:\n  def __init__(self, *args, **more):\n    self.args = args\n  def run(self, data):\n    return {'args': self.args}",
            json!({ "args": ["s", { "a": 1 }] }),
        ),
        (
            "class S:\n  __slots__ = ()\n  def run(self, data):\n    import stepcast\n    stepcast.emit_output({'n': 1})\n    return {'n': 2}",
            json!({ "n": 2 }),
        ),
        (
            "class S:\n  async def run(self, data):\n    yield 'Hel'\n    yield 'lo'\n    yield {'done': True}",
            json!({ "done": true }),
        ),
        (
            "import dataclasses, datetime\n@dataclasses.dataclass\nclass R:\n  x: int\nclass S:\n  def run(self, data):\n    return {'r': R(1), 'd': datetime.date(2026, 1, 2), 's': {3}, 'b': b'x'}",
            json!({ "r": { "x": 1 }, "d": "2026-01-02", "s": [3], "b": "x" }),
        ),
    ] {
        let ran = one(code, json!({ "config": { "a": 1 } }), &settings()).await;
        assert_eq!(
            ran.result.status,
            RunStatus::Completed,
            "{code}: {:?}",
            ran.last()
        );
        assert_eq!(
            ran.of(EventType::StepComplete)[0].data["output"],
            output,
            "{code}"
        );
    }
}

#[tokio::test]
async fn what_goes_wrong_is_an_error_of_the_step_and_nothing_worse() {
    let own = "class E(Exception):\n  class category:\n    value = 'validation'\n";
    for (code, category, message) in [
        ("class S:\n  def run(self, data):\n    return 1 / 0".to_owned(), "logic", "ZeroDivisionError: division by zero"),
        (format!("{own}class S:\n  def run(self, data):\n    raise E('no')"), "validation", "steps.E: no"),
        ("class S:\n  def run(self, data):\n    raise ConnectionRefusedError('gone')".to_owned(), "network", "ConnectionRefusedError: gone"),
        ("class S:\n  def run(self, data):\n    import sys; sys.exit(3)".to_owned(), "logic", "SystemExit: 3"),
        ("class S:\n  def run(self, data):\n    return {'x': float('nan')}".to_owned(), "logic", "not JSON compliant"),
        ("class Other: pass".to_owned(), "logic", "has no attribute 'S'"),
        ("import nosuchmodule".to_owned(), "configuration", "No module named 'nosuchmodule'"),
        ("S = 5".to_owned(), "logic", "steps.S is no class"),
        ("def broken(:".to_owned(), "logic", "SyntaxError"),
        ("class S:\n  def run(self, data):\n    import os; os._exit(7)".to_owned(), "dependency", "ended before the step did: exit status: 7"),
        ("class S:\n  def run(self, data):\n    import os, signal; os.kill(os.getpid(), signal.SIGSEGV)".to_owned(), "dependency", "signal: 11"),
        ("class S:\n  def run(self, data):\n    return {'x': len(bytearray(3 << 30))}".to_owned(), "resource", "MemoryError"),
    ] {
        let limited = PythonSettings { max_memory_bytes: 1 << 30, ..settings() };
        let ran = one(&code, json!({}), &limited).await;
        assert_eq!(ran.result.status, RunStatus::Failed, "{code}");
        let (found, told) = failure(&ran);
        assert_eq!(found, category, "{code}: {told}");
        assert!(told.contains(message), "{code}: {told}");
    }
    let missing = PythonSettings {
        interpreter: "no-such-python".into(),
        ..settings()
    };
    let ran = one("", json!({}), &missing).await;
    assert_eq!(failure(&ran).0, "configuration");
    assert!(
        failure(&ran)
            .1
            .contains("`no-such-python` cannot be started"),
        "{:?}",
        failure(&ran)
    );
    let wrong = PythonSettings {
        interpreter: "false".into(),
        ..settings()
    };
    let ran = one("", json!({}), &wrong).await;
    assert!(
        failure(&ran)
            .1
            .contains("`false` cannot run steps: exit status: 1"),
        "{:?}",
        failure(&ran)
    );
}

#[tokio::test]
async fn where_it_was_raised_is_in_the_log_without_the_servers_own_frames() {
    let code =
        "def deep():\n    raise KeyError('x')\nclass S:\n    def run(self, data):\n        deep()";
    let ran = one(code, json!({}), &settings()).await;
    let log = logged(&ran, "s").join("\n");
    assert!(
        log.contains("steps.py\", line 5, in run") && log.contains("line 2, in deep"),
        "{log}"
    );
    assert!(!log.contains("<string>"), "{log}");
}

#[tokio::test]
async fn what_is_printed_is_a_log_line_and_no_answer() {
    let code = r#"
import os, subprocess, sys
class S:
    def run(self, data):
        print('{"result": {"forged": true}}')
        os.write(1, b'{"failed": {}}\n')
        os.write(1, b'\xff\xfe not text\n')
        subprocess.run(["echo", '{"output": {"forged": true}}'])
        print("to stderr", file=sys.stderr)
        assert sys.stdin is None or sys.stdin.read() == ""
        return {"real": True}
"#;
    let ran = one(code, json!({}), &settings()).await;
    assert_eq!(
        ran.of(EventType::StepComplete)[0].data["output"],
        json!({ "real": true }),
        "{:?}",
        ran.last()
    );
    let log = logged(&ran, "s");
    for line in [
        r#"{"result": {"forged": true}}"#,
        r#"{"failed": {}}"#,
        r#"{"output": {"forged": true}}"#,
        "to stderr",
    ] {
        assert!(log.iter().any(|logged| logged == line), "{line}: {log:?}");
    }
    assert!(
        ran.of(EventType::StepOutput)
            .iter()
            .all(|event| event.data["output"]["forged"].is_null())
    );
}

#[tokio::test]
async fn a_worker_serves_one_step_after_another_until_it_has_done_its_part() {
    let code = "import os\nclass S:\n  def run(self, data):\n    return {'pid': os.getpid()}";
    let steps: Vec<Value> = (0..5)
        .map(|n| class(&format!("s{n}"), "S", json!({})))
        .collect();
    let definition = pipeline(steps.into(), paths("s0>s1 s1>s2 s2>s3 s3>s4"));
    let directory = tempfile::tempdir().unwrap();
    let limited = PythonSettings {
        max_uses: 2,
        ..settings()
    };
    let ran = begin(directory.path(), code, &definition, &limited)
        .end()
        .await;
    let pids: Vec<u64> = ran
        .of(EventType::StepComplete)
        .iter()
        .map(|event| event.data["output"]["pid"].as_u64().unwrap())
        .collect();
    assert_eq!(pids.len(), 5, "{:?}", ran.last());
    assert!(pids[0] == pids[1] && pids[2] == pids[3], "{pids:?}");
    assert!(pids[1] != pids[2] && pids[3] != pids[4], "{pids:?}");
}

#[tokio::test]
async fn branches_have_a_worker_each() {
    let code = "import os, time\nclass S:\n  def run(self, data):\n    time.sleep(0.3)\n    return {'pid': os.getpid()}";
    let steps: Vec<Value> = ["a", "b", "c", "d"]
        .map(|id| class(id, "S", json!({})))
        .into();
    let definition = pipeline(steps.into(), paths("a>b a>c b>d c>d"));
    let directory = tempfile::tempdir().unwrap();
    let ran = begin(directory.path(), code, &definition, &settings())
        .end()
        .await;
    let pid = |step: &str| ran.last().data["output"][step]["pid"].as_u64().unwrap();
    assert_ne!(pid("b"), pid("c"));
}

#[test]
fn where_python_is_not_enabled_or_not_meant_loading_says_so() {
    let definition = |step: Value| pipeline(json!([step]), json!([]));
    let problems = |definition: &Value, registry: &StepRegistry| {
        let problems = Pipeline::from_json(definition, registry).unwrap_err();
        let problems = problems.iter().map(ToString::to_string);
        problems.collect::<Vec<_>>().join("\n")
    };
    let enabled = StepRegistry::builtin().with_python(&settings());
    let disabled = StepRegistry::builtin().with_python(&PythonSettings {
        enabled: false,
        ..settings()
    });
    let told = problems(&definition(class("s", "S", json!({}))), &disabled);
    assert!(
        told.contains("$.steps[0].step_class") && told.contains("not enabled"),
        "{told}"
    );
    let told = problems(
        &definition(class("s", "S", json!({ "module": "a/../b" }))),
        &enabled,
    );
    assert!(told.contains("$.steps[0].module"), "{told}");
    let told = problems(&definition(class("s", "S()", json!({}))), &enabled);
    assert!(told.contains("$.steps[0].step_class"), "{told}");
    let told = problems(
        &definition(json!({ "id": "s", "step_class": "S" })),
        &enabled,
    );
    assert!(told.contains("needs a `module`"), "{told}");
}
