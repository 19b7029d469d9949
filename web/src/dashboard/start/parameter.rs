//! From a parameter with its JSON Schema to a field of a form, and from what was filled in to the run's input.

use serde_json::{Map, Value};
use stepcast_core::view::{FieldKind, FieldView, OptionView};

use crate::dashboard::api::Parameter;
use crate::monitor::draft::{self, Draft};

/// The field in which a person gives a parameter.
pub(super) fn field(parameter: &Parameter) -> FieldView {
    let schema = parameter.schema.as_ref();
    let text = |key: &str| schema.and_then(|schema| schema.get(key)?.as_str());
    let bound = |key: &str| schema.and_then(|schema| schema.get(key)).cloned();
    let choices = schema.and_then(|schema| schema.get("enum")?.as_array());
    let has_default = parameter.default.is_some();
    let mut field = FieldView {
        name: parameter.name.clone(),
        required: parameter.required && !has_default,
        default: parameter.default.clone(),
        description: parameter.description.clone(),
        ..FieldView::default()
    };
    // what is taken where it is left empty
    field.placeholder = parameter.default.as_ref().map(draft::typed);
    if let Some(choices) = choices {
        field.kind = FieldKind::Select;
        field.options = choices.iter().map(option).collect();
        field.placeholder = Some(NOT_GIVEN.to_owned());
        return field;
    }
    match kind(schema) {
        "string" => {
            field.kind = match text("format") {
                Some("email") => FieldKind::Email,
                Some("uri") => FieldKind::Url,
                Some("date") => FieldKind::Date,
                _ => FieldKind::Text,
            };
            (field.min, field.max) = (bound("minLength"), bound("maxLength"));
        }
        "number" | "integer" => {
            field.kind = FieldKind::Number;
            (field.min, field.max) = (bound("minimum"), bound("maximum"));
        }
        // a tick is always given; a choice may be left open
        "boolean" if has_default => field.kind = FieldKind::Boolean,
        "boolean" => {
            field.kind = FieldKind::Select;
            field.options = [Value::Bool(true), Value::Bool(false)]
                .iter()
                .map(option)
                .collect();
            field.placeholder = Some(NOT_GIVEN.to_owned());
        }
        _ => {
            field.kind = FieldKind::Textarea;
            field.rows = Some(3);
            let default = parameter.default.as_ref();
            field.default = default.map(|value| {
                serde_json::to_string_pretty(value)
                    .unwrap_or_default()
                    .into()
            });
        }
    }
    field
}

/// What a parameter takes, in a word: `text`, `whole number`, `JSON list`.
pub(super) fn takes(parameter: &Parameter) -> &'static str {
    let schema = parameter.schema.as_ref();
    if schema.is_some_and(|schema| schema.get("enum").is_some()) {
        return "one of these";
    }
    match kind(schema) {
        "string" => "text",
        "number" => "number",
        "integer" => "whole number",
        "boolean" => "yes or no",
        "array" => "JSON list",
        "object" => "JSON object",
        _ => "text or JSON",
    }
}

/// The input that the fields make. What was left empty is left out, and the server takes the default.
///
/// # Errors
/// What is wrong, by the names of the parameters.
pub(super) fn input(
    filled: &[(Parameter, FieldView, Draft)],
) -> Result<Map<String, Value>, Vec<(String, String)>> {
    let fields = filled
        .iter()
        .map(|(_, field, draft)| (field, draft.clone()));
    let mut input = draft::answer(fields)?;
    let mut flaws = Vec::new();
    for (parameter, field, _) in filled {
        let Some(value) = input.get_mut(&parameter.name) else {
            continue;
        };
        let kind = kind(parameter.schema.as_ref());
        if field.kind == FieldKind::Textarea {
            match as_json(kind, value.as_str().unwrap_or_default()) {
                Ok(read) => *value = read,
                Err(flaw) => flaws.push((parameter.name.clone(), flaw)),
            }
        } else if kind == "integer"
            && field.kind == FieldKind::Number
            && value.as_f64().is_some_and(|n| n.fract() != 0.0)
        {
            flaws.push((
                parameter.name.clone(),
                format!("{value} is no whole number"),
            ));
        }
    }
    if flaws.is_empty() {
        Ok(input)
    } else {
        Err(flaws)
    }
}

/// JSON of this kind; of no kind in particular, JSON where it is JSON, and text otherwise.
fn as_json(kind: &str, text: &str) -> Result<Value, String> {
    let read = serde_json::from_str::<Value>(text);
    match (kind, read) {
        ("array", Ok(value)) if !value.is_array() => Err("It has to be a list: [ … ]".to_owned()),
        ("object", Ok(value)) if !value.is_object() => {
            Err("It has to be an object: { … }".to_owned())
        }
        (_, Ok(value)) => Ok(value),
        ("array" | "object", Err(error)) => Err(format!("No JSON: {error}")),
        (_, Err(_)) => Ok(Value::String(text.to_owned())),
    }
}

fn kind(schema: Option<&Value>) -> &str {
    let kind = schema.and_then(|schema| schema.get("type"));
    kind.and_then(Value::as_str).unwrap_or("any")
}

fn option(value: &Value) -> OptionView {
    let label = match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    OptionView {
        value: value.clone(),
        label,
    }
}

/// A choice that was not made.
const NOT_GIVEN: &str = "not given";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parameter(schema: Value) -> Parameter {
        let (required, default) = (
            schema.get("required").is_some(),
            schema.get("default").cloned(),
        );
        serde_json::from_value(
            json!({"name": "p", "schema": schema, "required": required, "default": default}),
        )
        .unwrap()
    }

    #[test]
    fn every_type_has_its_field() {
        for (schema, kind) in [
            (json!({"type":"string"}), FieldKind::Text),
            (json!({"type":"string","format":"email"}), FieldKind::Email),
            (json!({"type":"integer","minimum":1}), FieldKind::Number),
            (json!({"type":"number"}), FieldKind::Number),
            (json!({"type":"boolean"}), FieldKind::Select),
            (json!({"type":"boolean","default":true}), FieldKind::Boolean),
            (json!({"enum":["a",1]}), FieldKind::Select),
            (json!({"type":"array"}), FieldKind::Textarea),
            (json!({"type":["string","null"]}), FieldKind::Textarea),
            (json!({}), FieldKind::Textarea),
        ] {
            assert_eq!(field(&parameter(schema.clone())).kind, kind, "{schema}");
        }
        assert!(field(&parameter(json!({"required":true}))).required);
        assert!(!field(&parameter(json!({"required":true,"default":1}))).required);
        assert_eq!(
            field(&parameter(json!({"type":"integer","minimum":1}))).min,
            Some(json!(1))
        );
    }

    #[test]
    fn what_was_filled_in_becomes_what_the_schema_asks_for() {
        let given = |schema: Value, text: &str| {
            let parameter = parameter(schema);
            let field = field(&parameter);
            let read = input(&[(parameter, field, Draft::Text(text.to_owned()))]);
            read.map(|input| input.get("p").cloned())
                .map_err(|flaws| flaws[0].1.clone())
        };
        assert_eq!(given(json!({"type":"string"}), "12"), Ok(Some(json!("12"))));
        assert_eq!(given(json!({"type":"integer"}), "12"), Ok(Some(json!(12))));
        assert_eq!(
            given(json!({"type":"integer"}), "1.5"),
            Err("1.5 is no whole number".to_owned())
        );
        assert_eq!(given(json!({"type":"array"}), "[1]"), Ok(Some(json!([1]))));
        assert_eq!(
            given(json!({"type":"object"}), "[1]"),
            Err("It has to be an object: { … }".to_owned())
        );
        assert!(
            given(json!({"type":"array"}), "[1")
                .unwrap_err()
                .starts_with("No JSON: EOF")
        );
        assert_eq!(given(json!({}), "plain"), Ok(Some(json!("plain"))));
        assert_eq!(given(json!({}), "{\"a\":1}"), Ok(Some(json!({"a":1}))));
        assert_eq!(given(json!({"type":"string"}), " "), Ok(None));
    }
}
