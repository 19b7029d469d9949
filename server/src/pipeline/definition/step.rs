//! One step of a pipeline, as the file declares it.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::input::{self, InputDefinition};
use super::policy::{ErrorHandling, load_timeout};
use super::problem::{Place, Problems};
use super::reader::Fields;
use super::schema::Schema;
use crate::pipeline::circuit::{Circuit, Circuits};
use crate::pipeline::template;
use crate::step::{Step, StepConfig, StepRegistry};

/// A step, with what runs it.
#[derive(Clone)]
pub struct StepDefinition {
    /// Its id: the key of its output.
    pub id: String,
    /// What people call it, where that is not the id.
    pub name: Option<String>,
    /// The built-in kind, or the class.
    pub kind: String,
    /// Its configuration, placeholders unresolved.
    pub config: Arc<Value>,
    /// Whether the configuration holds placeholders.
    pub templated: bool,
    /// Its named inputs.
    pub inputs: Vec<InputDefinition>,
    /// What its inputs, or its data where it names none, have to look like.
    pub input_schema: Option<Schema>,
    /// What its output has to look like.
    pub output_schema: Option<Schema>,
    /// What happens when it fails.
    pub error_handling: ErrorHandling,
    /// Whether it may run again after a crash in the middle of it.
    pub idempotent: bool,
    /// What stands in front of it, where it has a circuit breaker.
    pub(crate) circuit: Option<Arc<Circuit>>,
    /// What runs it.
    pub step: Arc<dyn Step>,
}

impl fmt::Debug for StepDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepDefinition")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl StepDefinition {
    /// The same, behind the circuit that it has in every run of a pipeline of this name.
    pub(super) fn with_circuit(mut self, circuits: &Circuits, pipeline: &str) -> Self {
        let breaker = self.error_handling.circuit_breaker.as_ref();
        self.circuit = breaker.map(|_| circuits.of(pipeline, &self.id));
        self
    }
}

/// Reads a step's id: `id`, else `name`.
pub(super) fn id_of<'a>(
    value: &'a Value,
    place: &Place,
    problems: &mut Problems,
) -> Option<&'a str> {
    let text = |key| value.get(key).and_then(Value::as_str);
    let id = text("id").or_else(|| text("name"));
    match id {
        Some("") => problems.error(place, "a step's id may not be empty"),
        None if value.is_object() => problems.error(place, "a step needs an `id`"),
        _ => {}
    }
    id.filter(|id| !id.is_empty())
}

/// Reads one step. None where nothing runs it.
pub(super) fn load(
    id: &str,
    value: &Value,
    place: &Place,
    global: &ErrorHandling,
    registry: &StepRegistry,
    problems: &mut Problems,
) -> Option<StepDefinition> {
    let mut fields = Fields::open(value, place, "a step", problems)?;
    let _id = fields.text("id", problems);
    let name = fields
        .text("name", problems)
        .filter(|name| *name != id)
        .map(str::to_owned);
    let class = fields
        .either(&["step_class", "class"], problems)
        .and_then(|(_, class)| class.as_str());
    let kind = fields.text("type", problems);
    let module = fields.text("module", problems);
    let empty = Map::new();
    let config = fields.object("config", problems).unwrap_or(&empty);
    // a class may have a timeout of its own meaning, and a person has another one than an attempt
    let own_timeout = class.is_some() || kind.is_some_and(|kind| ASKING.contains(&kind));
    let (error_handling, config) =
        load_error_handling(&mut fields, config, own_timeout, global, problems);
    let inputs = fields.value("inputs");
    let inputs = input::load(inputs, &fields.place("inputs"), problems);
    let input_schema = load_schema("input_schema", &mut fields, problems);
    let output_schema = load_schema("output_schema", &mut fields, problems);
    let idempotent = fields.flag("idempotent", problems).unwrap_or_default();
    // documentation in the original format: what a step gives is seen in its output
    let _outputs = fields.value("outputs");
    if class.is_some() || kind == Some("condition") {
        let _conditions = fields.value("conditions");
    }
    fields.close(problems);

    let config = Value::Object(config);
    let step_config = StepConfig {
        id,
        config: &config,
        place: place.key("config"),
        step: value,
        step_place: place.clone(),
    };
    let (kind, step) = match (class, kind) {
        (Some(class), _) => (class, registry.class(module, class, &step_config, problems)),
        (None, Some(kind)) => (kind, registry.kind(kind, &step_config, problems)),
        (None, None) => {
            problems.error(
                place,
                "a step needs a `step_class`, or a `type` that names a built-in kind",
            );
            return None;
        }
    };
    let step = step?;
    Some(StepDefinition {
        id: id.to_owned(),
        name,
        kind: kind.to_owned(),
        templated: template::has_placeholder(&config),
        config: Arc::new(config),
        inputs,
        input_schema,
        output_schema,
        error_handling,
        circuit: None,
        idempotent: idempotent || step.is_idempotent(),
        step: Arc::from(step),
    })
}

/// Error handling stands in the step or in its configuration, the step's first;
/// the configuration is returned without it.
fn load_error_handling(
    fields: &mut Fields<'_>,
    config: &Map<String, Value>,
    own_timeout: bool,
    global: &ErrorHandling,
    problems: &mut Problems,
) -> (ErrorHandling, Map<String, Value>) {
    let mut result = global.clone();
    let mut config = config.clone();
    let config_place = fields.place("config");
    if let Some(inner) = config.shift_remove("error_handling") {
        result = result.load(&inner, &config_place.key("error_handling"), problems);
    }
    if !own_timeout && let Some(timeout) = config.shift_remove("timeout_seconds") {
        let only: Value = [("timeout_seconds".to_owned(), timeout)]
            .into_iter()
            .collect::<Map<_, _>>()
            .into();
        if let Some(mut fields) = Fields::open(&only, &config_place, "`config`", problems) {
            result.timeout = load_timeout(&mut fields, problems).or(result.timeout);
        }
    }
    if let Some(own) = fields.value("error_handling") {
        result = result.load(own, &fields.place("error_handling"), problems);
    }
    result.timeout = load_timeout(fields, problems).or(result.timeout);
    (result, config)
}

fn load_schema(
    key: &'static str,
    fields: &mut Fields<'_>,
    problems: &mut Problems,
) -> Option<Schema> {
    let schema = fields.value(key)?;
    Schema::compile(schema, &fields.place(key), problems)
}

/// The kinds whose time is that of the person they ask.
const ASKING: [&str; 3] = ["approval", "human", "human_input"];
