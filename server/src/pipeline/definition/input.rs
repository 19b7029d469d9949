//! The inputs of a step: named values, each from a path, a template or a constant.

use serde_json::Value;

use super::problem::{Place, Problems};
use super::reader::{Fields, kind_of};
use super::schema::Schema;
use crate::pipeline::template;

/// One input of a step.
#[derive(Clone, Debug)]
pub struct InputDefinition {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub source: InputSource,
    /// Whether the step fails without it.
    pub required: bool,
    /// What is taken where the source has nothing.
    pub default: Option<Value>,
    /// What it has to look like.
    pub schema: Option<Schema>,
}

/// Where an input comes from.
#[derive(Clone, Debug)]
pub enum InputSource {
    /// The first of these paths that has a value.
    Paths(Vec<String>),
    /// A value with placeholders.
    Template(Value),
}

/// Reads `inputs`: a list of `{name, source, schema, required}` or of names, or an object of templates.
pub(super) fn load(
    value: Option<&Value>,
    place: &Place,
    problems: &mut Problems,
) -> Vec<InputDefinition> {
    match value {
        None => Vec::new(),
        Some(Value::Array(list)) => list
            .iter()
            .enumerate()
            .filter_map(|(at, value)| load_listed(value, &place.index(at), problems))
            .collect(),
        Some(Value::Object(map)) => map
            .iter()
            .map(|(name, value)| {
                let described = value
                    .as_object()
                    .is_some_and(|map| map.contains_key("source"));
                let place = place.key(name);
                let loaded = described
                    .then(|| load_described(Some(name), value, &place, problems))
                    .flatten();
                loaded.unwrap_or_else(|| InputDefinition {
                    name: name.clone(),
                    source: template_or_path(value),
                    required: false,
                    default: None,
                    schema: None,
                })
            })
            .collect(),
        Some(other) => {
            let found = kind_of(other);
            problems.error(
                place,
                format!("`inputs` is a list or an object, not {found}"),
            );
            Vec::new()
        }
    }
}

fn load_listed(value: &Value, place: &Place, problems: &mut Problems) -> Option<InputDefinition> {
    if let Some(name) = value.as_str() {
        return Some(InputDefinition {
            name: name.to_owned(),
            source: InputSource::Paths(vec![name.to_owned()]),
            required: false,
            default: None,
            schema: None,
        });
    }
    load_described(None, value, place, problems)
}

fn load_described(
    name: Option<&str>,
    value: &Value,
    place: &Place,
    problems: &mut Problems,
) -> Option<InputDefinition> {
    let mut fields = Fields::open(value, place, "an input", problems)?;
    let own = fields.text("name", problems);
    let Some(name) = name.or(own).map(str::to_owned) else {
        problems.error(place, "an input needs a `name`");
        return None;
    };
    let source = match fields.value("source") {
        Some(Value::String(text)) => match template::source_paths(text) {
            Some(paths) => InputSource::Paths(paths.into_iter().map(str::to_owned).collect()),
            None if template::has_placeholder(&Value::from(text.as_str())) => {
                InputSource::Template(text.as_str().into())
            }
            None => {
                let place = fields.place("source");
                problems.error(
                    &place,
                    "a source is `{step.field}`, or several joined by `|`",
                );
                InputSource::Paths(Vec::new())
            }
        },
        Some(other) => InputSource::Template(other.clone()),
        None => InputSource::Paths(vec![name.clone()]),
    };
    let required = fields.flag("required", problems).unwrap_or_default();
    let default = fields.value("default").cloned();
    let schema = fields
        .value("schema")
        .and_then(|schema| Schema::compile(schema, &fields.place("schema"), problems));
    let _shown = fields.text("type", problems);
    fields.close(problems);
    Some(InputDefinition {
        name,
        source,
        required,
        default,
        schema,
    })
}

/// `{a.b}` is a path; anything else is a template or a constant.
fn template_or_path(value: &Value) -> InputSource {
    let single = value
        .as_str()
        .filter(|text| text.starts_with('{') && !text.starts_with("{{"))
        .and_then(template::source_paths);
    match single {
        Some(paths) => InputSource::Paths(paths.into_iter().map(str::to_owned).collect()),
        None => InputSource::Template(value.clone()),
    }
}
