//! A form filled in line by line.

use serde_json::{Map, Value};

use super::words::clean;
use crate::step::{Field, FieldType, Form};

/// One question being answered in a terminal.
#[derive(Debug)]
pub(super) struct Dialog {
    form: Form,
    answer: Map<String, Value>,
    at: usize,
}

impl Dialog {
    /// Begins with the first field.
    pub(super) fn new(form: Form) -> Self {
        Self {
            form,
            answer: Map::new(),
            at: 0,
        }
    }

    /// What is above the fields.
    pub(super) fn opening(form: &Form) -> Vec<String> {
        let texts = [&form.title, &form.description];
        let texts = texts.into_iter().flatten();
        texts.map(|text| format!("  {}", clean(text))).collect()
    }

    /// What to type next; none where everything is filled in.
    pub(super) fn asks(&self) -> Option<String> {
        self.form.fields.get(self.at).map(describe)
    }

    /// Takes a line for the field that is asked.
    ///
    /// # Errors
    /// Where it is no answer; the field is asked again.
    pub(super) fn take(&mut self, line: &str) -> Result<(), String> {
        let Some(field) = self.form.fields.get(self.at) else {
            return Ok(());
        };
        if line.trim().is_empty() {
            if field.required && field.default.is_none() {
                return Err(format!("`{}` is required", clean(&field.name)));
            }
        } else {
            let value = value_of(field, line)?;
            self.answer.insert(field.name.clone(), value);
        }
        self.at += 1;
        Ok(())
    }

    /// What was filled in.
    pub(super) fn answer(self) -> Map<String, Value> {
        self.answer
    }
}

/// A field in a line.
pub(super) fn describe(field: &Field) -> String {
    let label = field.label.as_deref().unwrap_or(&field.name);
    let mut line = format!("  {}", clean(label));
    if !field.options.is_empty() {
        let options = field.options.iter().zip(1..);
        let options: Vec<String> = options
            .map(|(option, n)| format!("{n} {}", clean(&option.label)))
            .collect();
        line = format!("{line}: {}", options.join(", "));
    }
    let hint = match field.kind {
        FieldType::Boolean => Some("yes or no"),
        FieldType::Multiselect => Some("several, with commas"),
        FieldType::Date => Some("as 2025-10-22"),
        FieldType::Datetime => Some("as 2025-10-22T10:30"),
        FieldType::Text
        | FieldType::Textarea
        | FieldType::Number
        | FieldType::Radio
        | FieldType::Select
        | FieldType::Email
        | FieldType::Url
        | FieldType::Password => None,
    };
    let default = field.default.as_ref();
    let default = default.map(|value| format!("else {}", clean(&plain(value))));
    let may_be_left = !field.required && default.is_none();
    let notes: Vec<String> = [
        hint.map(str::to_owned),
        default,
        may_be_left.then(|| "may be left empty".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if notes.is_empty() {
        line
    } else {
        format!("{line} ({})", notes.join("; "))
    }
}

/// What a person typed for a field, as its value.
///
/// # Errors
/// Where it is none.
pub(super) fn value_of(field: &Field, text: &str) -> Result<Value, String> {
    let text = text.trim();
    let value = match field.kind {
        FieldType::Number => text.parse::<serde_json::Number>().ok().map(Value::Number),
        FieldType::Boolean => match text.to_lowercase().as_str() {
            "y" | "yes" | "true" | "1" => Some(true.into()),
            "n" | "no" | "false" | "0" => Some(false.into()),
            _ => None,
        },
        FieldType::Radio | FieldType::Select => option_of(field, text),
        FieldType::Multiselect => text
            .split(',')
            .map(|part| option_of(field, part.trim()))
            .collect::<Option<Vec<Value>>>()
            .map(Value::from),
        FieldType::Text
        | FieldType::Textarea
        | FieldType::Email
        | FieldType::Url
        | FieldType::Date
        | FieldType::Datetime
        | FieldType::Password => Some(text.into()),
    };
    let value = value.unwrap_or_else(|| text.into());
    match field.wrong(&value) {
        None => Ok(value),
        Some(wrong) => Err(format!("`{}` {wrong}", clean(&field.name))),
    }
}

/// The option of a value, a label, or a number in the list.
fn option_of(field: &Field, text: &str) -> Option<Value> {
    let mut options = field.options.iter();
    let named = options.find(|it| plain(&it.value) == text || it.label.eq_ignore_ascii_case(text));
    let place = || text.parse::<usize>().ok()?.checked_sub(1);
    let option = named.or_else(|| field.options.get(place()?))?;
    Some(option.value.clone())
}

/// A value as a person writes it.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::step::Question;

    fn form(fields: &Value) -> Form {
        let question = Question::from_json(&json!({"form": fields}));
        question.unwrap().form
    }

    #[test]
    fn a_form_is_filled_in_line_by_line_and_a_slip_is_asked_again() {
        let mut dialog = Dialog::new(form(&json!([
            {"name": "go", "label": "Go\u{1b}?", "options": [{"value": "y", "label": "Yes"}, {"value": 2, "label": "Two"}], "required": true},
            {"name": "n", "type": "number", "max": 5},
            {"name": "ok", "type": "boolean", "default": true},
            {"name": "many", "type": "multiselect", "options": ["a", "b", "c"]},
        ])));
        assert_eq!(dialog.asks().unwrap(), "  Go?: 1 Yes, 2 Two");
        assert_eq!(dialog.take(""), Err("`go` is required".to_owned()));
        assert_eq!(
            dialog.take("maybe"),
            Err("`go` is one of \"y\", 2".to_owned())
        );
        dialog.take("yes").unwrap();
        assert_eq!(dialog.asks().unwrap(), "  n (may be left empty)");
        assert!(dialog.take("six").is_err() && dialog.take("6").is_err());
        dialog.take("5").unwrap();
        assert_eq!(dialog.asks().unwrap(), "  ok (yes or no; else true)");
        dialog.take("").unwrap();
        dialog.take("1, c").unwrap();
        assert_eq!(dialog.asks(), None);
        let answer = json!({"go": "y", "n": 5, "many": ["a", "c"]});
        assert_eq!(Value::Object(dialog.answer()), answer);
    }

    #[test]
    fn a_value_goes_before_a_number_in_the_list() {
        let form = form(&json!([{"name": "n", "options": [2, 1]}]));
        let field = form.fields.first().unwrap();
        assert_eq!(value_of(field, "1"), Ok(json!(1)));
        assert_eq!(value_of(field, "2"), Ok(json!(2)));
        assert!(value_of(field, "3").is_err());
    }
}
