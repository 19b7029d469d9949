//! What the steps do, without a step around it.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// A call that a step makes.
pub(crate) enum Call {
    /// The class's method, in an interpreter that has imported it.
    Method,
    /// A new interpreter that imports the class and calls its method.
    Interpreter,
    /// A program that does nothing.
    Program,
    /// A new interpreter that prints an answer.
    Script,
}

/// A new instance for each call, as a step has it; what the loop itself takes is part of it. Prints seconds a call.
const METHOD: &str = "import time, bench
n = 20000
start = time.perf_counter()
for _ in range(n):
    bench.Count().run({})
print((time.perf_counter() - start) / n)";

impl Call {
    /// The seconds of one such call, of so many one after the other.
    pub(crate) fn seconds(&self, directory: &Path, count: usize) -> f64 {
        let python = |code: &str| told(directory, "python3", &["-c", code]);
        let call = || match self {
            Self::Interpreter => {
                python("import bench, json; print(json.dumps(bench.Count().run({})))")
            }
            Self::Script => python("print('{\"sum\": 4950}')"),
            Self::Program => told(directory, "/bin/true", &[]),
            Self::Method => python(METHOD),
        };
        if matches!(self, Self::Method) {
            return call().trim().parse().unwrap();
        }
        let start = Instant::now();
        for _ in 0..count {
            call();
        }
        #[expect(clippy::cast_precision_loss, reason = "a count")]
        let count = count as f64;
        start.elapsed().as_secs_f64() / count
    }
}

/// What a program writes.
fn told(directory: &Path, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    let ended = command
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(ended.status.success(), "{ended:?}");
    String::from_utf8(ended.stdout).unwrap()
}
