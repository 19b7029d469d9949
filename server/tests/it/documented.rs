//! What the documentation promises is what the code has.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use stepcast::config::Config;
use stepcast::step::StepRegistry;

use crate::harness::Server;
use crate::scrape::Scrape;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

#[test]
fn every_setting_stands_in_the_table_with_its_default() {
    let page = page("docs/configuration.md");
    let defaults = serde_json::to_value(Config::default()).unwrap();
    let defaults = defaults.as_object().unwrap();
    // a table of settings has a row for each of them
    let (tables, settings): (Vec<_>, Vec<_>) = defaults.iter().partition(|(key, _)| {
        [
            "artifacts",
            "metrics",
            "python",
            "edge",
            "compression",
            "graphql",
            "steps",
            "tls",
            "redaction",
            "limits",
            "alerts",
            "otlp",
        ]
        .contains(&key.as_str())
    });
    let within = tables.iter().flat_map(|(table, settings)| {
        let settings = settings.as_object().unwrap().iter();
        settings.map(move |(key, value)| (format!("{table}.{key}"), value))
    });
    let settings = settings
        .into_iter()
        .map(|(key, value)| (key.clone(), value));
    for (key, value) in settings.chain(within) {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let row = format!("| `{key}` | `{value}` |");
        assert!(page.contains(&row), "docs/configuration.md lacks {row}");
    }
}

#[tokio::test]
async fn every_metric_of_prometheus_is_described() {
    let page = page("docs/observability.md");
    let server = Server::start().await;
    let scrape = Scrape::of(&server).await;
    assert!(scrape.families().count() > 30);
    for (name, kind) in scrape.families() {
        let named = format!("`{name}`");
        assert!(
            page.contains(&named),
            "docs/observability.md lacks {named}, a {kind}"
        );
    }
    server.stop().await;
}

#[test]
fn every_kind_of_step_is_described() {
    let page = page("docs/pipelines.md");
    for kind in StepRegistry::builtin().kinds() {
        let heading = format!("### `{kind}`\n");
        assert!(
            page.contains(&heading),
            "docs/pipelines.md lacks {heading:?}"
        );
    }
}

#[test]
fn the_pipelines_of_the_documentation_load() {
    for name in ["docs/pipelines.md", "docs/llm.md"] {
        let page = page(name);
        let (_, after) = page.split_once("```json\n").unwrap();
        let (text, _) = after.split_once("```").unwrap();
        let definition: Value = serde_json::from_str(text).unwrap();
        let registry = StepRegistry::builtin();
        let pipeline = stepcast::pipeline::Pipeline::from_json(&definition, &registry).unwrap();
        assert!(pipeline.warnings().is_empty(), "{name}");
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    for name in [
        "README.md",
        "examples/README.md",
        "examples/producers/README.md",
        "docs/ag-ui.md",
        "docs/ai-sdk.md",
        "docs/api.md",
        "docs/artifacts.md",
        "docs/cloudevents.md",
        "docs/configuration.md",
        "docs/frontend.md",
        "docs/graphql.md",
        "docs/llm.md",
        "docs/metrics.md",
        "docs/observability.md",
        "docs/operations.md",
        "docs/pipelines.md",
        "docs/producers.md",
        "docs/protocol.md",
        "docs/python.md",
        "docs/testing.md",
    ] {
        let folder = root().join(name);
        let folder = folder.parent().unwrap();
        let page = page(name);
        let targets = page
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
            .filter(|target| !target.contains("://"));
        for target in targets {
            let file = target.split('#').next().unwrap_or_default();
            assert!(
                folder.join(file).exists(),
                "{name} links to {target}, which is not there"
            );
        }
    }
}
