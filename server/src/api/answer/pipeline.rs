//! Of pipelines.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use stepcast_core::schema::data;

use crate::error::Flaw;
use crate::pipeline::definition::Parameter;

/// The stored pipelines.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "PipelineList")]
pub(crate) struct Pipelines {
    /// Each of them, those that do not load too.
    pub(crate) pipelines: Vec<Stored>,
    /// Whether there is none.
    pub(crate) folder_is_empty: bool,
}

/// A stored pipeline: what it is, or what is wrong with it.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "StoredPipeline")]
#[serde(untagged)]
pub(crate) enum Stored {
    /// It does not load.
    Broken {
        /// Its file's name, by which it is asked for.
        name: String,
        /// What to call it.
        title: String,
        /// What is wrong with it.
        errors: Vec<Flaw>,
    },
    /// It can be started.
    Sound {
        /// Its file's name, by which it is started.
        name: String,
        /// What to call it.
        title: String,
        /// What it is for.
        description: Option<String>,
        /// Its version.
        version: Option<String>,
        /// How many steps it has.
        steps: usize,
        /// What it takes.
        #[schemars(with = "Vec<Value>")]
        parameters: Vec<Parameter>,
        /// What is odd about it.
        warnings: Vec<Flaw>,
    },
}

/// A stored pipeline, with its definition.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct ShownPipeline {
    /// What it is.
    #[serde(flatten)]
    pub(crate) pipeline: Stored,
    /// Its definition, where its file holds JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) definition: Option<Value>,
}

/// What a definition holds that loads.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "ValidPipeline")]
pub(crate) struct Valid {
    /// True.
    pub(crate) valid: bool,
    /// The pipeline, as `pipeline_start` would tell it.
    #[schemars(with = "data::Pipeline")]
    pub(crate) pipeline: Value,
    /// What it takes.
    #[schemars(with = "Vec<Value>")]
    pub(crate) parameters: Vec<Parameter>,
    /// What is odd about it.
    pub(crate) warnings: Vec<Flaw>,
}
