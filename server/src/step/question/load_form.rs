//! Reads forms in every spelling: with `fields` as a list or by name, or as a JSON Schema with `properties`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::field::Field;
use super::form::Form;
use super::load::{Stage, later};
use super::load_field::{load_field, words};
use crate::pipeline::definition::reader::kind_of;
use crate::pipeline::definition::{Fields, Place, Problems};

/// Reads a form, or the list of its fields.
pub(super) fn load_form(
    value: &Value,
    place: &Place,
    stage: Stage,
    problems: &mut Problems,
) -> Option<Form> {
    if value.is_array() {
        let fields = load_fields(value, place, &BTreeSet::new(), stage, problems);
        return Some(Form {
            fields,
            ..Form::default()
        });
    }
    let mut members = Fields::open(value, place, "a form", problems)?;
    let _word_for_people = members.value("type");
    let title = words(&mut members, &["title"], stage, problems);
    let description = words(&mut members, &["description"], stage, problems);
    for shown_elsewhere in ["review_content", "submit_label", "submit_text"] {
        let _shown = members.value(shown_elsewhere);
    }
    let required = members.value("required").and_then(Value::as_array);
    let required: BTreeSet<&str> = required
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let fields = match members.either(&["fields", "properties"], problems) {
        Some((key, list)) => load_fields(list, &place.key(key), &required, stage, problems),
        None => {
            problems.error(place, "a form needs `fields`");
            Vec::new()
        }
    };
    if stage != Stage::Output {
        members.close(problems);
    }
    Some(Form {
        title,
        description,
        fields,
    })
}

/// The fields of a form: a list, or an object with each below its name.
fn load_fields(
    value: &Value,
    place: &Place,
    required: &BTreeSet<&str>,
    stage: Stage,
    problems: &mut Problems,
) -> Vec<Field> {
    if later(value, stage) && value.is_string() {
        return Vec::new();
    }
    let mut fields: Vec<Field> = Vec::new();
    match value {
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                fields.extend(load_field(None, value, &place.index(at), stage, problems));
            }
        }
        Value::Object(map) => {
            for (name, value) in map {
                let field = load_field(Some(name), value, &place.key(name), stage, problems);
                fields.extend(field.map(|field| Field {
                    required: field.required || required.contains(name.as_str()),
                    ..field
                }));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let found = kind_of(value);
            problems.error(
                place,
                format!("fields are a list or an object, not {found}"),
            );
            return fields;
        }
    }
    if fields.is_empty() && problems.is_empty() {
        problems.error(place, "a form needs at least one field");
    }
    let mut names = BTreeSet::new();
    for field in &fields {
        if !names.insert(field.name.as_str()) {
            let message = format!("two fields have the name `{}`", field.name);
            problems.error(place, message);
        }
    }
    fields
}
