//! Reads the fields of a form, and their options.

use serde_json::{Number, Value};

use super::field::{Choice, Field, FieldType};
use super::load::{Stage, later, shown, text};
use crate::pipeline::definition::reader::kind_of;
use crate::pipeline::definition::{Fields, Place, Problems};

/// Reads a field; `name` is the key that it has in an object.
pub(super) fn load_field(
    name: Option<&str>,
    value: &Value,
    place: &Place,
    stage: Stage,
    problems: &mut Problems,
) -> Option<Field> {
    let mut members = Fields::open(value, place, "a field", problems)?;
    let own = words(&mut members, &["name", "id", "key"], stage, problems);
    let name = name.map(str::to_owned).or(own);
    let name = name.filter(|name| !name.trim().is_empty());
    if name.is_none() {
        problems.error(place, "a field needs a `name`");
    }
    let label = words(&mut members, &["label", "title"], stage, problems);
    let about = ["description", "help", "help_text"];
    let about = words(&mut members, &about, stage, problems);
    let placeholder = words(&mut members, &["placeholder"], stage, problems);
    let required = match members.value("required") {
        Some(value) if later(value, stage) => false,
        Some(_) => members.flag("required", problems).unwrap_or_default(),
        None => false,
    };
    let rows = match members.value("rows") {
        Some(value) if later(value, stage) => None,
        Some(_) => members.count("rows", 1, problems),
        None => None,
    };
    let options = members.either(&["options", "choices", "enum"], problems);
    let items = members.value("items");
    let options = options.or_else(|| Some(("items", items?.get("enum")?)));
    let (options_key, options) = options.map_or(("options", None), |(key, it)| (key, Some(it)));
    let options = options.map(|it| load_options(it, &place.key(options_key), stage, problems));
    let format = members.value("format").and_then(Value::as_str);
    let word = members.either(&["type", "widget"], problems);
    let kind = load_kind(word, format, options.is_some(), place, stage, problems)?;
    let min = bound(&mut members, &LEAST, stage, problems);
    let max = bound(&mut members, &GREATEST, stage, problems);
    let default = members.either(&["default", "default_value"], problems);
    if stage != Stage::Output {
        members.close(problems);
    }
    if kind.chooses() && options.as_ref().is_none() {
        problems.error(place, "a field that is chosen needs `options`");
    }
    let field = Field {
        label,
        required,
        options: options.filter(|_| kind.chooses()).unwrap_or_default(),
        placeholder,
        rows,
        min,
        max,
        default: default.map(|(_, value)| value.clone()),
        description: about,
        ..Field::plain(&name?, kind, "")
    };
    check_field(&field, place, stage, problems);
    Some(field)
}

/// A member that is a text, in any of these spellings.
pub(super) fn words(
    members: &mut Fields<'_>,
    keys: &[&'static str],
    stage: Stage,
    problems: &mut Problems,
) -> Option<String> {
    let (key, value) = members.either(keys, problems)?;
    text(value, &members.place(key), stage, problems)
}

fn check_field(field: &Field, place: &Place, stage: Stage, problems: &mut Problems) {
    let bounds = [&field.min, &field.max].map(|it| it.as_ref().and_then(Number::as_f64));
    if let [Some(min), Some(max)] = bounds
        && min > max
    {
        problems.error(&place.key("max"), "`max` is at least `min`");
    }
    let Some(default) = field.default.as_ref().filter(|it| !Field::is_blank(it)) else {
        return;
    };
    let unknown = later(default, stage) || field.options.iter().any(|it| later(&it.value, stage));
    if !unknown
        && (!field.kind.chooses() || !field.options.is_empty())
        && let Some(wrong) = field.wrong(default)
    {
        problems.error(&place.key("default"), format!("the default {wrong}"));
    }
}

fn load_kind(
    word: Option<(&'static str, &Value)>,
    format: Option<&str>,
    chooses: bool,
    place: &Place,
    stage: Stage,
    problems: &mut Problems,
) -> Option<FieldType> {
    let chosen = if chooses {
        FieldType::Radio
    } else {
        FieldType::Text
    };
    let Some((key, word)) = word else {
        return Some(chosen);
    };
    let word = text(word, &place.key(key), stage, problems)?;
    if word == "array" {
        return Some(FieldType::Multiselect);
    }
    let kind = match FieldType::parse(&word) {
        Some(FieldType::Text) if chooses => FieldType::Select,
        Some(FieldType::Boolean) if chooses => FieldType::Multiselect,
        Some(FieldType::Text) => format.and_then(FieldType::parse).unwrap_or(FieldType::Text),
        Some(kind) => kind,
        // the original library hands any word on to whoever draws the form
        None if stage == Stage::Output => chosen,
        None => {
            let message = format!("unknown type of field `{word}`");
            problems.unknown(&place.key(key), message, &word, FieldType::WORDS);
            return None;
        }
    };
    Some(kind)
}

/// Options: values, or objects of `value` and `label`; or an object of labels by value.
pub(super) fn load_options(
    value: &Value,
    place: &Place,
    stage: Stage,
    problems: &mut Problems,
) -> Vec<Choice> {
    if value.is_string() && later(value, stage) {
        return Vec::new();
    }
    let mut options: Vec<Choice> = Vec::new();
    match value {
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                options.extend(load_option(value, &place.index(at), problems));
            }
        }
        Value::Object(map) => options.extend(map.iter().map(|(value, label)| Choice {
            value: value.as_str().into(),
            label: shown(label),
        })),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let found = kind_of(value);
            problems.error(place, format!("options are a list, not {found}"));
            return options;
        }
    }
    if options.is_empty() && problems.is_empty() {
        problems.error(place, "there is no option to choose");
    }
    for (at, option) in options.iter().enumerate() {
        let mut before = options.iter().take(at);
        if before.any(|other| other.value == option.value) {
            let message = format!("option {} is there twice", option.value);
            problems.error(place, message);
        }
    }
    options
}

fn load_option(value: &Value, place: &Place, problems: &mut Problems) -> Option<Choice> {
    let (value, label) = match value {
        Value::Object(map) => (
            map.get("value").or_else(|| map.get("id"))?,
            map.get("label").or_else(|| map.get("title")),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            (value, None)
        }
    };
    if !(value.is_string() || value.is_number() || value.is_boolean()) {
        let message = "an option is a text, a number, or an object of `value` and `label`";
        problems.error(place, message);
        return None;
    }
    Some(Choice {
        label: label.map_or_else(|| shown(value), shown),
        value: value.clone(),
    })
}

fn bound(
    members: &mut Fields<'_>,
    keys: &[&'static str],
    stage: Stage,
    problems: &mut Problems,
) -> Option<Number> {
    let (key, value) = members.either(keys, problems)?;
    if later(value, stage) {
        return None;
    }
    let number = value.as_number();
    if number.is_none() {
        let found = kind_of(value);
        problems.error(
            &members.place(key),
            format!("`{key}` is a number, not {found}"),
        );
    }
    number.cloned()
}

const LEAST: [&str; 5] = ["min", "minimum", "min_length", "minLength", "minItems"];

const GREATEST: [&str; 5] = ["max", "maximum", "max_length", "maxLength", "maxItems"];
