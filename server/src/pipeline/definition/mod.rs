//! The definition of a pipeline: read from JSON in every spelling, checked as a whole, and only then a [`Pipeline`].

mod breaker;
mod check;
mod flow;
mod input;
mod parameter;
mod policy;
pub mod problem;
pub mod reader;
mod schema;
mod step;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

pub use breaker::CircuitBreaker;
pub use flow::{PathDefinition, Target};
pub use input::{InputDefinition, InputSource};
pub use parameter::Parameter;
pub use policy::{ErrorHandling, LoopConfig, Recovery, Retry, Streaming};
pub use problem::{Place, Problem, Problems};
pub use reader::Fields;
pub use schema::Schema;
pub use step::StepDefinition;

use super::graph::Graph;
use crate::step::StepRegistry;

/// A pipeline that has passed every check, ready to run any number of times.
#[derive(Clone, Debug)]
pub struct Pipeline {
    name: String,
    description: Option<String>,
    version: Option<String>,
    parameters: Vec<Parameter>,
    steps: Vec<StepDefinition>,
    start: usize,
    paths: Vec<PathDefinition>,
    graph: Graph,
    input_schema: Option<Schema>,
    output_schema: Option<Schema>,
    outputs: Option<Map<String, Value>>,
    loop_config: LoopConfig,
    recovery: Recovery,
    streaming: Streaming,
    timeout: Option<Duration>,
    warnings: Vec<Problem>,
}

impl Pipeline {
    /// Reads a pipeline.
    ///
    /// # Errors
    /// With everything that is wrong, not only the first.
    pub fn from_json(value: &Value, registry: &StepRegistry) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let pipeline = Self::load(value, registry, &mut problems);
        let (errors, warnings) = problems.into_parts();
        match pipeline {
            Some(pipeline) if errors.is_empty() => Ok(Self {
                warnings,
                ..pipeline
            }),
            _ => Err(errors),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Its version.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// What a run has to be given.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Its steps.
    pub fn steps(&self) -> &[StepDefinition] {
        &self.steps
    }

    /// The paths between them.
    pub fn paths(&self) -> &[PathDefinition] {
        &self.paths
    }

    /// The first step, by its place in [`Pipeline::steps`].
    pub fn start(&self) -> usize {
        self.start
    }

    /// The graph of steps and paths.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The mapping that makes the run's output, where there is one.
    pub fn outputs(&self) -> Option<&Map<String, Value>> {
        self.outputs.as_ref()
    }

    /// What the output has to look like.
    pub fn output_schema(&self) -> Option<&Schema> {
        self.output_schema.as_ref()
    }

    /// The limits of its loops.
    pub fn loop_config(&self) -> &LoopConfig {
        &self.loop_config
    }

    /// What happens to a run that the server's own end has cut off.
    pub fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// The `streaming` block.
    pub fn streaming(&self) -> Streaming {
        self.streaming
    }

    /// How long a run may take.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// What loads, and is worth a look.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Checks what a run is given, and gives the values of the parameters: the input's, else the defaults.
    ///
    /// # Errors
    /// With every place of the input that is wrong.
    pub fn check_input(
        &self,
        input: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Vec<Problem>> {
        let values = parameter::values(&self.parameters, input);
        let Some(schema) = &self.input_schema else {
            return values;
        };
        let mut wrong = schema.check(&Value::Object(input.clone()), &Place::root());
        match values {
            Ok(values) if wrong.is_empty() => Ok(values),
            Ok(_) => Err(wrong),
            Err(problems) => {
                wrong.extend(problems);
                Err(wrong)
            }
        }
    }

    /// The `pipeline` object of `pipeline_start`.
    pub fn describe(&self) -> Value {
        let id = |step: usize| self.steps.get(step).map_or("", |step| step.id.as_str());
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|step| match &step.name {
                Some(name) => json!({"id": step.id, "name": name, "kind": step.kind}),
                None => json!({"id": step.id, "kind": step.kind}),
            })
            .collect();
        let paths: Vec<Value> = self
            .paths
            .iter()
            .map(|path| {
                let (from, to) = (id(path.from), self.target_name(&path.to));
                if path.condition.is_always() {
                    json!({"from": from, "to": to})
                } else {
                    json!({"from": from, "to": to, "condition": path.condition.to_string()})
                }
            })
            .collect();
        let mut out = Map::new();
        out.insert("name".into(), self.name.as_str().into());
        for (key, value) in [
            ("description", &self.description),
            ("version", &self.version),
        ] {
            if let Some(text) = value {
                out.insert(key.into(), text.as_str().into());
            }
        }
        out.insert("steps".into(), steps.into());
        out.insert("paths".into(), paths.into());
        out.insert("start_at".into(), id(self.start).into());
        out.into()
    }

    /// A target as the file names it.
    pub fn target_name<'a>(&'a self, target: &'a Target) -> &'a str {
        match target {
            Target::Step(step) => self.steps.get(*step).map_or("", |step| step.id.as_str()),
            Target::End(name) => name,
        }
    }

    fn load(value: &Value, registry: &StepRegistry, problems: &mut Problems) -> Option<Self> {
        let root = Place::root();
        let mut fields = Fields::open(value, &root, "a pipeline", problems)?;
        for id in ["id", "pipeline_id"] {
            let _shown = fields.text(id, problems);
        }
        let name = fields.text("name", problems);
        if name.is_none() && !fields.has(&["name"]) {
            problems.error(&root, "a pipeline needs a `name`");
        }
        let description = fields.text("description", problems).map(str::to_owned);
        let version = fields.value("version").map(as_text);
        let parameters = fields.value("parameters");
        let parameters = parameter::load(parameters, &root.key("parameters"), problems);
        let global = match fields.value("error_handling") {
            Some(value) => {
                ErrorHandling::default().load(value, &root.key("error_handling"), problems)
            }
            None => ErrorHandling::default(),
        };
        let input_schema = load_schema("input_schema", &mut fields, problems);
        let output_schema = load_schema("output_schema", &mut fields, problems);
        let outputs = load_outputs(&mut fields, problems);
        let loop_config = fields
            .value("loop_config")
            .map_or_else(LoopConfig::default, |value| {
                LoopConfig::load(value, &root.key("loop_config"), problems)
            });
        let recovery = fields
            .value("recovery")
            .map_or_else(Recovery::default, |value| {
                Recovery::load(value, &root.key("recovery"), problems)
            });
        let streaming = fields
            .value("streaming")
            .map_or_else(Streaming::default, |value| {
                Streaming::load(value, &root.key("streaming"), problems)
            });
        let timeout = policy::load_timeout(&mut fields, problems);
        let list = fields.list("steps", problems).unwrap_or_default();
        if list.is_empty() {
            problems.error(&root.key("steps"), "a pipeline needs at least one step");
        }
        if list.len() > MOST_STEPS {
            let message = format!("a pipeline has at most {MOST_STEPS} steps");
            problems.error(&root.key("steps"), message);
            return None;
        }
        let ids = step_ids(list, problems);
        let steps = load_steps(list, name.unwrap_or_default(), &global, registry, problems);
        let flow = match fields.value("flow") {
            Some(flow) => Some(flow::load(flow, &root.key("flow"), &ids, problems)),
            None => {
                problems.error(&root, "a pipeline needs a `flow`");
                None
            }
        };
        fields.close(problems);
        // places of steps hold only where every step has loaded
        let (flow, steps) = (flow?, steps?);
        let graph = Graph::new(steps.len(), flow.start, &edges(&flow.paths));
        check::graph(&graph, &steps, &flow.paths, problems);
        let mapped = outputs.clone().map(Value::Object);
        check::names(&steps, &flow.paths, mapped.as_ref(), &parameters, problems);
        Some(Self {
            name: name.unwrap_or_default().to_owned(),
            description,
            version,
            parameters,
            steps,
            start: flow.start,
            paths: flow.paths,
            graph,
            input_schema,
            output_schema,
            outputs,
            loop_config,
            recovery,
            streaming,
            timeout,
            warnings: Vec::new(),
        })
    }
}

/// Steps of one pipeline: who waits for whom is a table of the square of it.
const MOST_STEPS: usize = 5_000;

fn edges(paths: &[PathDefinition]) -> Vec<(usize, Option<usize>)> {
    paths
        .iter()
        .map(|path| (path.from, path.to.step()))
        .collect()
}

/// Every step's place by its id; a problem where two share one, or one is a word for the end.
fn step_ids<'a>(list: &'a [Value], problems: &mut Problems) -> BTreeMap<&'a str, usize> {
    let place = Place::root().key("steps");
    let mut ids = BTreeMap::new();
    for (at, value) in list.iter().enumerate() {
        let place = place.index(at);
        let Some(id) = step::id_of(value, &place, problems) else {
            continue;
        };
        if ["end", "end_with_success", "end_with_failure"].contains(&id) {
            problems.error(
                &place.key("id"),
                format!("`{id}` is a word for the end of a branch"),
            );
        }
        if ids.insert(id, at).is_some() {
            problems.error(&place.key("id"), format!("two steps have the id `{id}`"));
        }
    }
    ids
}

/// Reads every step; none where one cannot be.
fn load_steps(
    list: &[Value],
    pipeline: &str,
    global: &ErrorHandling,
    registry: &StepRegistry,
    problems: &mut Problems,
) -> Option<Vec<StepDefinition>> {
    let place = Place::root().key("steps");
    let loaded: Vec<Option<StepDefinition>> = list
        .iter()
        .enumerate()
        .map(|(at, value)| {
            // a missing id has been reported already
            let id = step::id_of(value, &place, &mut Problems::default()).unwrap_or_default();
            let step = step::load(id, value, &place.index(at), global, registry, problems)?;
            Some(step.with_circuit(registry.circuits(), pipeline))
        })
        .collect();
    loaded.into_iter().collect()
}

fn load_schema(
    key: &'static str,
    fields: &mut Fields<'_>,
    problems: &mut Problems,
) -> Option<Schema> {
    let schema = fields.value(key)?;
    Schema::compile(schema, &fields.place(key), problems)
}

/// Reads `outputs`: an object of templates, or a list of names.
fn load_outputs(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Map<String, Value>> {
    let outputs = fields.value("outputs")?;
    let Some(names) = outputs.as_array() else {
        return fields.object("outputs", problems).cloned();
    };
    let named = names
        .iter()
        .filter_map(Value::as_str)
        .map(|name| (name.to_owned(), format!("{{{{ {name} }}}}").into()));
    Some(named.collect())
}

fn as_text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
