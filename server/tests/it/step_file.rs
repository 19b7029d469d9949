//! `file`: formats, and that nothing outside the run's directory is touched.

use std::path::Path;

use serde_json::{Value, json};
use stepcast::pipeline::RunOptions;
use stepcast::step::StepRegistry;

use crate::pipeline_harness::{Ran, pipeline, start};

async fn file(directory: &Path, config: Value, input: Value) -> Ran {
    let definition = pipeline(
        json!([{"id": "f", "type": "file", "config": config}]),
        json!([]),
    );
    let options = RunOptions {
        work_dir: directory.to_owned(),
        ..RunOptions::default()
    };
    start(&StepRegistry::builtin(), &definition, input, options)
        .end()
        .await
}

#[tokio::test]
async fn every_format_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("t.txt", "one\ntwo\n");
    write("j.json", "{\"a\": [1]}");
    write("n.ndjson", "{\"a\":1}\n\n{\"a\":2}\n");
    write("c.csv", "\u{feff}name,n\n\"Ada, C.\",1\nBob,x\n");
    for (config, expected) in [
        (
            json!({"path": "t.txt"}),
            json!({"text": "one\ntwo\n", "path": "t.txt", "bytes": 8}),
        ),
        (
            json!({"path": "{{ input.which }}", "format": "lines"}),
            json!({"count": 2, "lines": ["one", "two"], "path": "t.txt", "bytes": 8}),
        ),
        (
            json!({"path": "j.json"}),
            json!({"json": {"a": [1]}, "path": "j.json", "bytes": 10}),
        ),
        (
            json!({"path": "n.ndjson"}),
            json!({"count": 2, "rows": [{"a": 1}, {"a": 2}], "path": "n.ndjson", "bytes": 17}),
        ),
        (
            json!({"path": "c.csv", "numbers": true}),
            json!({"count": 2, "rows": [{"name": "Ada, C.", "n": 1}, {"name": "Bob", "n": "x"}], "path": "c.csv", "bytes": 28}),
        ),
    ] {
        let ran = file(directory.path(), config.clone(), json!({"which": "t.txt"})).await;
        assert_eq!(
            ran.result.output["f"], expected,
            "{config}: {:?}",
            ran.result.error
        );
    }
}

#[tokio::test]
async fn what_is_written_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let rows = json!([{"a": "x,y", "b": 1}, {"a": "z", "b": null}]);
    for (name, text) in [
        ("o.csv", "a,b\n\"x,y\",1\nz,\n"),
        (
            "o.ndjson",
            "{\"a\":\"x,y\",\"b\":1}\n{\"a\":\"z\",\"b\":null}\n",
        ),
    ] {
        let config = json!({"action": "write", "path": name, "content": "{{ input.rows }}"});
        let ran = file(directory.path(), config, json!({"rows": rows})).await;
        assert_eq!(ran.result.output["f"]["bytes"], text.len());
        assert_eq!(
            std::fs::read_to_string(directory.path().join(name)).unwrap(),
            text
        );
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn nothing_outside_the_directory_is_touched() {
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("work");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(outer.path().join("secret"), "s").unwrap();
    std::os::unix::fs::symlink(outer.path().join("secret"), inner.join("link")).unwrap();
    std::os::unix::fs::symlink(outer.path().join("new"), inner.join("dangling")).unwrap();
    let absolute = outer.path().join("secret").display().to_string();
    for path in ["../secret", "link", absolute.as_str(), "../work/../secret"] {
        let ran = file(&inner, json!({"path": path}), json!({})).await;
        let error = ran.result.error.unwrap();
        assert_eq!(error.category.as_str(), "configuration", "{path}: {error}");
    }
    for path in ["../new", "link", "dangling"] {
        let config = json!({"action": "write", "path": path, "content": "x"});
        let ran = file(&inner, config, json!({})).await;
        assert_eq!(
            ran.result.error.unwrap().category.as_str(),
            "configuration",
            "{path}"
        );
    }
    assert_eq!(
        std::fs::read_to_string(outer.path().join("secret")).unwrap(),
        "s"
    );
    assert!(!outer.path().join("new").exists());
}

#[tokio::test]
async fn a_large_file_is_read_with_progress_and_one_too_large_is_not() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("big"), "x".repeat(1 << 20)).unwrap();
    let ran = file(directory.path(), json!({"path": "big"}), json!({})).await;
    assert_eq!(ran.progress("f", "").len(), 4);
    let ran = file(
        directory.path(),
        json!({"path": "big", "max_bytes": 1000}),
        json!({}),
    )
    .await;
    assert_eq!(ran.result.error.unwrap().category.as_str(), "resource");
    let ran = file(directory.path(), json!({"path": "none"}), json!({})).await;
    assert_eq!(ran.result.error.unwrap().category.as_str(), "resource");
}
