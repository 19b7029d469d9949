//! The `tools` of an `llm` step: functions, each with a JSON Schema of its arguments.

use serde_json::{Value, json};

use crate::llm::request::{Tool, ToolChoice};
use crate::pipeline::definition::{Fields, Place, Problems};

/// Reads a list of functions, plain or wrapped as OpenAI has them.
pub(super) fn list(value: &Value, place: &Place, problems: &mut Problems) -> Vec<Tool> {
    let Some(list) = value.as_array() else {
        problems.error(place, "`tools` is a list");
        return Vec::new();
    };
    let mut tools: Vec<Tool> = Vec::new();
    for (at, value) in list.iter().enumerate() {
        let place = place.index(at);
        let Some(tool) = tool(value, &place, problems) else {
            continue;
        };
        if tools.iter().any(|known| known.name == tool.name) {
            problems.error(&place, format!("a tool `{}` is there already", tool.name));
        }
        tools.push(tool);
    }
    tools
}

fn tool(value: &Value, place: &Place, problems: &mut Problems) -> Option<Tool> {
    let mut fields = Fields::open(value, place, "a tool", problems)?;
    let wrapped = fields.value("function");
    if let Some(function) = wrapped {
        if fields
            .text("type", problems)
            .is_some_and(|kind| kind != "function")
        {
            problems.error(&fields.place("type"), "a tool is a `function`");
        }
        fields.close(problems);
        return tool(function, &place.key("function"), problems);
    }
    let name = fields.text("name", problems).unwrap_or_default().to_owned();
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_word) {
        problems.error(
            &fields.place("name"),
            "a tool's `name` is of a-z, A-Z, 0-9, _ and -, at most 64 of them",
        );
    }
    let description = fields.value("description").and_then(Value::as_str);
    let parameters = fields.either(&["parameters", "input_schema"], problems);
    let parameters = parameters.map_or_else(
        || json!({"type": "object", "properties": {}}),
        |(key, value)| {
            if let Err(error) = jsonschema::meta::validate(value) {
                problems.error(&fields.place(key), format!("no JSON Schema: {error}"));
            } else if !value.is_object() {
                problems.error(&fields.place(key), "the schema of an object");
            }
            value.clone()
        },
    );
    let _strictness_is_the_providers = fields.value("strict");
    fields.close(problems);
    Some(Tool {
        name,
        description: description.map(str::to_owned),
        parameters,
    })
}

/// Reads `auto`, `none`, `required`, or the name of a tool.
pub(super) fn choice(
    value: &Value,
    tools: &[Tool],
    place: &Place,
    problems: &mut Problems,
) -> Option<ToolChoice> {
    let word = value.as_str().unwrap_or_default();
    match word {
        "auto" => return Some(ToolChoice::Auto),
        "none" => return Some(ToolChoice::None),
        "required" | "any" => return Some(ToolChoice::Required),
        _ => {}
    }
    if tools.iter().any(|tool| tool.name == word) {
        return Some(ToolChoice::Named(word.to_owned()));
    }
    let names = tools.iter().map(|tool| tool.name.as_str());
    let known: Vec<&str> = ["auto", "none", "required"]
        .into_iter()
        .chain(names)
        .collect();
    let message = "`tool_choice` is `auto`, `none`, `required`, or the name of a tool";
    problems.unknown(place, message, word, known);
    None
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}
