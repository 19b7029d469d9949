//! What a person has filled in so far, and the answer that it makes.

use std::collections::BTreeSet;

use serde_json::{Map, Number, Value};
use stepcast_core::view::{FieldKind, FieldView, OptionView};

/// What stands in a field. Options are known by their place: their values may be anything.
#[derive(Clone, Debug, PartialEq)]
pub enum Draft {
    /// What was typed.
    Text(String),
    /// Whether it is ticked.
    Flag(bool),
    /// The option that is chosen.
    One(Option<usize>),
    /// The options that are ticked.
    Any(BTreeSet<usize>),
}

impl Draft {
    /// What stands in a field at first: its default.
    pub(crate) fn of(field: &FieldView) -> Self {
        let default = field.default.as_ref().unwrap_or(&Value::Null);
        match field.kind {
            FieldKind::Boolean => Self::Flag(default == &Value::Bool(true)),
            FieldKind::Radio | FieldKind::Select => Self::One(place(&field.options, default)),
            FieldKind::Multiselect => {
                let chosen = default.as_array().into_iter().flatten();
                let places = chosen.filter_map(|value| place(&field.options, value));
                Self::Any(places.collect())
            }
            FieldKind::Text
            | FieldKind::Textarea
            | FieldKind::Number
            | FieldKind::Email
            | FieldKind::Url
            | FieldKind::Date
            | FieldKind::Datetime
            | FieldKind::Password
            | _ => Self::Text(typed(default)),
        }
    }

    /// What the answer has of it; none where nothing was filled in.
    ///
    /// # Errors
    /// What is wrong with it, where it makes no value at all. All else is for the server to judge.
    fn value(&self, field: &FieldView) -> Result<Option<Value>, String> {
        let option = |at: &usize| field.options.get(*at).map(|option| option.value.clone());
        Ok(match self {
            Self::Flag(flag) => Some(Value::Bool(*flag)),
            Self::One(chosen) => chosen.as_ref().and_then(option),
            Self::Any(chosen) => Some(chosen.iter().filter_map(option).collect()),
            Self::Text(text) if text.trim().is_empty() => None,
            Self::Text(text) if field.kind == FieldKind::Number => Some(number(text)?),
            Self::Text(text) => Some(Value::String(text.clone())),
        })
    }
}

/// The answer that the fields make, one entry for each that is filled in.
///
/// # Errors
/// What is wrong, by the names of the fields.
pub(crate) fn answer<'a>(
    filled: impl IntoIterator<Item = (&'a FieldView, Draft)>,
) -> Result<Map<String, Value>, Vec<(String, String)>> {
    let (mut answer, mut flaws) = (Map::new(), Vec::new());
    for (field, draft) in filled {
        match draft.value(field) {
            Ok(Some(value)) => {
                answer.insert(field.name.clone(), value);
            }
            Ok(None) => {}
            Err(flaw) => flaws.push((field.name.clone(), flaw)),
        }
    }
    if flaws.is_empty() {
        Ok(answer)
    } else {
        Err(flaws)
    }
}

/// Whether a problem at this place, such as `$.answer.decision`, is one of this field.
pub(super) fn concerns(path: &str, name: &str) -> bool {
    let path = path.trim_start_matches('$').trim_start_matches('.');
    let path = path.strip_prefix("answer").unwrap_or(path);
    let quoted = format!("['{}']", name.replace('\'', "\\'"));
    let rest = path
        .strip_prefix(&quoted)
        .or_else(|| path.trim_start_matches('.').strip_prefix(name));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// A value of an answer, for people.
pub(super) fn shown(field: Option<&FieldView>, value: &Value) -> String {
    if field.is_some_and(|field| field.kind == FieldKind::Password) && !value.is_null() {
        return "••••••".to_owned();
    }
    let options = field.map(|field| field.options.as_slice());
    let option = options.and_then(|options| options.get(place(options, value)?));
    match (option, value) {
        (Some(option), _) => option.label.clone(),
        (None, Value::Null) => "no answer".to_owned(),
        (None, Value::Bool(yes)) => if *yes { "yes" } else { "no" }.to_owned(),
        (None, Value::String(text)) => text.clone(),
        (None, Value::Array(items)) if items.is_empty() => "none".to_owned(),
        (None, Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(|item| shown(field, item)).collect();
            items.join(", ")
        }
        (None, Value::Number(_) | Value::Object(_)) => value.to_string(),
    }
}

/// A value as it stands in a field, or in an attribute of one.
pub(crate) fn typed(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None if value.is_null() => String::new(),
        None => value.to_string(),
    }
}

fn place(options: &[OptionView], value: &Value) -> Option<usize> {
    options.iter().position(|option| option.value == *value)
}

fn number(text: &str) -> Result<Value, String> {
    let text = text.trim();
    let whole = text.parse::<i64>().ok().map(Number::from);
    let number = whole.or_else(|| Number::from_f64(text.parse().ok()?));
    number
        .map(Value::Number)
        .ok_or_else(|| format!("{text} is no number"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(name: &str, kind: FieldKind) -> FieldView {
        let option = |value: Value, label: &str| OptionView {
            value,
            label: label.to_owned(),
        };
        FieldView {
            name: name.to_owned(),
            kind,
            options: vec![option(json!(1), "One"), option(json!("b"), "Two")],
            ..FieldView::default()
        }
    }

    fn text(text: &str) -> Draft {
        Draft::Text(text.to_owned())
    }

    #[test]
    fn what_is_filled_in_becomes_an_answer_of_the_fields_types() {
        let fields = [
            (field("note", FieldKind::Textarea), text("a\nb")),
            (field("left", FieldKind::Text), text(" ")),
            (field("whole", FieldKind::Number), text("12")),
            (field("part", FieldKind::Number), text(" 1.5 ")),
            (field("sure", FieldKind::Boolean), Draft::Flag(false)),
            (field("one", FieldKind::Radio), Draft::One(Some(0))),
            (field("open", FieldKind::Select), Draft::One(None)),
            (
                field("any", FieldKind::Multiselect),
                Draft::Any([1, 0].into()),
            ),
        ];
        let filled = fields.iter().map(|(field, draft)| (field, draft.clone()));
        let expected = json!({"note": "a\nb", "whole": 12, "part": 1.5, "sure": false, "one": 1, "any": [1, "b"]});
        assert_eq!(answer(filled).map(Value::Object), Ok(expected));
        let odd = field("n", FieldKind::Number);
        assert_eq!(
            answer([(&odd, text("many"))]),
            Err(vec![("n".to_owned(), "many is no number".to_owned())])
        );
    }

    #[test]
    fn a_field_begins_with_its_default() {
        let with = |kind, default| FieldView {
            default: Some(default),
            ..field("f", kind)
        };
        let of = |kind, default| Draft::of(&with(kind, default));
        assert_eq!(of(FieldKind::Number, json!(5)), text("5"));
        assert_eq!(of(FieldKind::Radio, json!("b")), Draft::One(Some(1)));
        assert_eq!(of(FieldKind::Select, json!("gone")), Draft::One(None));
        assert_eq!(
            of(FieldKind::Multiselect, json!([1])),
            Draft::Any([0].into())
        );
        assert_eq!(of(FieldKind::Boolean, json!(true)), Draft::Flag(true));
        assert_eq!(Draft::of(&field("f", FieldKind::Text)), text(""));
    }

    #[test]
    fn problems_find_their_field() {
        for path in [
            "$.answer.a",
            "answer.a",
            "a",
            "$.answer.a[2]",
            "$.answer['a']",
        ] {
            assert!(concerns(path, "a"), "{path}");
        }
        assert!(concerns("$.answer['it\\'s']", "it's"));
        for path in ["$.answer", "$.answer.ab", "$.by", ""] {
            assert!(!concerns(path, "a"), "{path}");
        }
    }

    #[test]
    fn answers_are_shown_by_their_labels_and_secrets_not_at_all() {
        let radio = field("f", FieldKind::Radio);
        assert_eq!(shown(Some(&radio), &json!(1)), "One");
        assert_eq!(shown(Some(&radio), &json!([1, "b", "c"])), "One, Two, c");
        assert_eq!(shown(None, &json!(true)), "yes");
        let secret = field("f", FieldKind::Password);
        assert_eq!(shown(Some(&secret), &json!("x")), "••••••");
        assert_eq!(shown(Some(&secret), &Value::Null), "no answer");
    }
}
