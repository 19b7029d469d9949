//! Says of a schema what is true of what travels, and in words without marks of Rust.

use serde_json::{Map, Value};

/// What may be left out is left out, and never null; and descriptions name no paths of Rust.
pub fn tidy(schema: &mut Value) {
    in_plain_words(schema);
    without_null(schema);
}

/// Descriptions name no paths of Rust, and what may be anything is `{}`.
pub fn in_plain_words(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(text)) = members.get_mut("description") {
                *text = text
                    .replace("[`", "`")
                    .replace("`]", "`")
                    .replace('\n', " ");
            }
            // the same, in the form that every reader of schemas knows
            if let Some(items @ Value::Bool(true)) = members.get_mut("items") {
                *items = Value::Object(Map::new());
            }
            if let Some(Value::Object(properties)) = members.get_mut("properties") {
                for property in properties.values_mut().filter(|it| **it == true) {
                    *property = Value::Object(Map::new());
                }
            }
            members.values_mut().for_each(in_plain_words);
        }
        Value::Array(items) => items.iter_mut().for_each(in_plain_words),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let required: Vec<String> = members
                .get("required")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect();
            if let Some(Value::Object(properties)) = members.get_mut("properties") {
                for (name, property) in properties {
                    if !required.contains(name) {
                        deny_null(property);
                    }
                }
            }
            members.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn deny_null(property: &mut Value) {
    let Some(members) = property.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(types)) = members.get_mut("type") {
        types.retain(|it| it != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            members.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(ways)) = members.get_mut("anyOf") {
        ways.retain(|it| it.get("type").is_none_or(|word| word != "null"));
        if let [only] = ways.as_slice()
            && let Some(only) = only.as_object().cloned()
        {
            members.remove("anyOf");
            members.extend(only);
        }
    }
    if members.get("default").is_some_and(Value::is_null) {
        members.remove("default");
    }
}
