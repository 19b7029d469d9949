//! Reads conditions in every spelling that pipeline files use.

use regex::Regex;
use serde_json::{Map, Value};

use super::{Comparison, Condition, Operator};
use crate::pipeline::definition::problem::{Place, Problems};
use crate::pipeline::definition::reader::{Fields, kind_of};
use crate::pipeline::template;

impl Condition {
    /// Reads a condition: a word such as `always` or `parameter:x`, or an object with a `type`.
    /// What is wrong is put into `problems`; the result is of use only where nothing is.
    pub fn parse(value: &Value, place: &Place, problems: &mut Problems) -> Self {
        match value {
            Value::String(text) => parse_text(text, place, problems),
            Value::Object(map) => parse_object(map, value, place, problems),
            Value::Bool(true) => Self::Always,
            Value::Null | Value::Bool(false) | Value::Number(_) | Value::Array(_) => {
                let found = kind_of(value);
                problems.error(
                    place,
                    format!("a condition is a text or an object, not {found}"),
                );
                Self::Always
            }
        }
    }
}

fn parse_text(text: &str, place: &Place, problems: &mut Problems) -> Condition {
    let text = text.trim();
    if let Some(name) = text.strip_prefix("parameter:") {
        return Condition::Truthy(format!("parameters.{}", name.trim()));
    }
    plain(text).unwrap_or_else(|| {
        problems.unknown(
            place,
            format!("unknown condition `{text}`"),
            text,
            PLAIN.into_iter().chain(["parameter:"]),
        );
        Condition::Always
    })
}

fn plain(word: &str) -> Option<Condition> {
    match word {
        "always" | "true" => Some(Condition::Always),
        "else" | "default" | "otherwise" => Some(Condition::Otherwise),
        "success" | "on_success" => Some(Condition::Success),
        "failure" | "error" => Some(Condition::Failure),
        _ => None,
    }
}

fn parse_object(
    map: &Map<String, Value>,
    value: &Value,
    place: &Place,
    problems: &mut Problems,
) -> Condition {
    let Some(mut fields) = Fields::open(value, place, "a condition", problems) else {
        return Condition::Always;
    };
    let condition = match fields.text("type", problems) {
        Some(name) => parse_typed(name, &mut fields, problems),
        None if map.contains_key("type") => Condition::Always,
        None => parse_untyped(&mut fields, problems),
    };
    fields.close(problems);
    condition
}

/// Without a `type`, the keys say what is meant: `all`, `any`, `not`, or a comparison.
fn parse_untyped(fields: &mut Fields<'_>, problems: &mut Problems) -> Condition {
    for name in ["all", "any", "not"] {
        if let Some(inner) = fields.value(name) {
            let place = fields.place(name);
            return combine(name, inner, &place, problems);
        }
    }
    if fields.either(&SOURCES, problems).is_some() {
        return compare(fields, None, problems);
    }
    problems.error(fields.here(), "a condition needs a `type`");
    Condition::Always
}

fn parse_typed(name: &str, fields: &mut Fields<'_>, problems: &mut Problems) -> Condition {
    if let Some(condition) = plain(name) {
        if let Some(config) = fields.object("config", problems)
            && !config.is_empty()
        {
            let place = fields.place("config");
            problems.error(&place, format!("`{name}` takes no configuration"));
        }
        return condition;
    }
    match name {
        "all" | "and" | "any" | "or" | "not" => parse_combination(name, fields, problems),
        "parameter" => with_config(fields, problems, |fields, problems| {
            let Some((_, name)) = fields.either(&["parameter", "name"], problems) else {
                problems.error(fields.here(), "`parameter` needs the parameter's name");
                return Condition::Always;
            };
            let source = format!("parameters.{}", name.as_str().unwrap_or_default());
            let operator = fields.text("operator", problems);
            match operator {
                None => Condition::Truthy(source),
                Some(operator) => comparison(source, operator, fields, problems),
            }
        }),
        "expression" | "threshold_condition" | "threshold" | "value" => {
            with_config(fields, problems, |fields, problems| {
                compare(fields, None, problems)
            })
        }
        "condition" => with_config(fields, problems, |fields, problems| {
            if fields.either(&SOURCES, problems).is_some() {
                return compare(fields, None, problems);
            }
            Condition::Truthy("result.matched".to_owned())
        }),
        _ => parse_field(name, fields, problems),
    }
}

/// `field_equals`, `field_greater_than`, … : the operator is in the type.
fn parse_field(name: &str, fields: &mut Fields<'_>, problems: &mut Problems) -> Condition {
    let operator = name
        .strip_prefix("field_")
        .filter(|operator| Operator::parse(operator).is_some());
    if let Some(operator) = operator {
        return with_config(fields, problems, |fields, problems| {
            compare(fields, Some(operator), problems)
        });
    }
    let place = fields.place("type");
    let message = if CODE.contains(&name) {
        format!(
            "condition type `{name}` runs code, which a path cannot: give the step a field to compare"
        )
    } else {
        format!("unknown condition type `{name}`")
    };
    problems.unknown(&place, message, name, PLAIN.into_iter().chain(TYPES));
    // what else it holds belongs to the type that is not known
    for key in [
        "config",
        "field",
        "value",
        "operator",
        "conditions",
        "plugin",
        "condition",
    ] {
        let _known = fields.value(key);
    }
    Condition::Always
}

fn parse_combination(name: &str, fields: &mut Fields<'_>, problems: &mut Problems) -> Condition {
    let key = match name {
        "and" => "all",
        "or" => "any",
        other => other,
    };
    with_config(fields, problems, |fields, problems| {
        let inner = fields.either(&["conditions", "condition", "all", "any", "not"], problems);
        match inner {
            Some((at, inner)) => {
                let place = fields.place(at);
                combine(key, inner, &place, problems)
            }
            None => {
                problems.error(fields.here(), format!("`{name}` needs `conditions`"));
                Condition::Always
            }
        }
    })
}

fn combine(name: &str, inner: &Value, place: &Place, problems: &mut Problems) -> Condition {
    let many: Vec<Condition> = match inner.as_array() {
        Some(list) => list
            .iter()
            .enumerate()
            .map(|(at, one)| Condition::parse(one, &place.index(at), problems))
            .collect(),
        None => vec![Condition::parse(inner, place, problems)],
    };
    if many.is_empty() {
        problems.error(place, format!("`{name}` needs at least one condition"));
    }
    if many.iter().any(Condition::is_otherwise) {
        problems.error(
            place,
            format!("`{name}` cannot hold `else`: it is a path's whole condition"),
        );
    }
    match name {
        "all" => Condition::All(many),
        "any" => Condition::Any(many),
        _ => match <[Condition; 1]>::try_from(many) {
            Ok([one]) => Condition::Not(Box::new(one)),
            Err(many) => Condition::Not(Box::new(Condition::Any(many))),
        },
    }
}

/// Settings stand in `config` or beside `type`; both are read.
fn with_config<'a>(
    fields: &mut Fields<'a>,
    problems: &mut Problems,
    read: impl FnOnce(&mut Fields<'a>, &mut Problems) -> Condition,
) -> Condition {
    let Some(config) = fields.value("config") else {
        return read(fields, problems);
    };
    let place = fields.place("config");
    let Some(mut inner) = Fields::open(config, &place, "`config`", problems) else {
        return Condition::Always;
    };
    let condition = read(&mut inner, problems);
    inner.close(problems);
    condition
}

fn compare(fields: &mut Fields<'_>, operator: Option<&str>, problems: &mut Problems) -> Condition {
    let source = match fields.either(&SOURCES, problems) {
        Some((key, value)) => match value.as_str().and_then(template::source_paths).as_deref() {
            Some([path]) => (*path).to_owned(),
            _ => {
                let place = fields.place(key);
                problems.error(
                    &place,
                    format!("`{key}` is a dotted path such as `step.field`"),
                );
                return Condition::Always;
            }
        },
        None => {
            problems.error(fields.here(), "a comparison needs a `source` or a `field`");
            return Condition::Always;
        }
    };
    let given = fields.text("operator", problems);
    comparison(
        source,
        operator.or(given).unwrap_or("equals"),
        fields,
        problems,
    )
}

fn comparison(
    source: String,
    operator: &str,
    fields: &mut Fields<'_>,
    problems: &mut Problems,
) -> Condition {
    let given = fields.has(&VALUES);
    let value = fields.either(&VALUES, problems);
    let Some(operator) = Operator::parse(operator) else {
        let place = fields.place("operator");
        problems.unknown(
            &place,
            format!("unknown operator `{operator}`"),
            operator,
            Operator::spellings(),
        );
        return Condition::Always;
    };
    let (place, value) = match value {
        Some((key, value)) => (fields.place(key), value.clone()),
        None => (fields.place("value"), Value::Null),
    };
    if !given && !operator.is_unary() {
        problems.error(fields.here(), "a comparison needs a `value`");
    }
    let regex = (operator == Operator::Matches)
        .then(|| read_regex(&value, &place, problems))
        .flatten();
    Condition::Compare(Comparison {
        source,
        operator,
        value,
        regex,
    })
}

fn read_regex(value: &Value, place: &Place, problems: &mut Problems) -> Option<Regex> {
    let Some(text) = value.as_str() else {
        problems.error(place, "a regular expression is a text");
        return None;
    };
    match Regex::new(text) {
        Ok(regex) => Some(regex),
        Err(error) => {
            problems.error(place, format!("no regular expression: {error}"));
            None
        }
    }
}

const VALUES: [&str; 3] = ["value", "threshold", "expected"];

const SOURCES: [&str; 3] = ["source", "field", "path"];

/// Conditions that take no settings, by every word for them.
const PLAIN: [&str; 6] = [
    "always",
    "else",
    "default",
    "otherwise",
    "success",
    "failure",
];

const TYPES: [&str; 16] = [
    "expression",
    "parameter",
    "condition",
    "threshold_condition",
    "all",
    "any",
    "not",
    "field_equals",
    "field_not_equals",
    "field_exists",
    "field_greater_than",
    "field_greater_than_or_equal",
    "field_less_than",
    "field_less_than_or_equal",
    "field_contains",
    "field_in",
];

/// Types of the original format that name code to be run.
const CODE: [&str; 4] = ["plugin", "function", "agent", "custom"];
