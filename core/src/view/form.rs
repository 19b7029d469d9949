//! The form that a person is asked to fill in.

use serde::Serialize;
use serde_json::Value;

use super::read::{count_of, is_set, list_of, text_of, value_of};

/// A form, as the server has brought it into shape.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct FormView {
    /// Its title.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What there is to fill in.
    pub fields: Vec<FieldView>,
}

/// One field of a form.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct FieldView {
    /// Its name: the answer has it as a key.
    pub name: String,
    /// What it takes.
    #[serde(rename = "type")]
    pub kind: FieldKind,
    /// What to call it, where that is not its name.
    pub label: Option<String>,
    /// Whether an answer needs it.
    pub required: bool,
    /// What there is to choose from.
    pub options: Vec<OptionView>,
    /// What to show where it is empty.
    pub placeholder: Option<String>,
    /// How many lines to show.
    pub rows: Option<u64>,
    /// The least it takes.
    #[cfg_attr(feature = "types", ts(type = "any"))]
    pub min: Option<Value>,
    /// The most it takes.
    #[cfg_attr(feature = "types", ts(type = "any"))]
    pub max: Option<Value>,
    /// What it holds at first.
    #[cfg_attr(feature = "types", ts(type = "any"))]
    pub default: Option<Value>,
    /// What it is for.
    pub description: Option<String>,
}

/// What a field takes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FieldKind {
    /// A line of text; so is what a later version may call otherwise.
    #[default]
    Text,
    /// Lines of text.
    Textarea,
    /// A number.
    Number,
    /// Yes or no.
    Boolean,
    /// One of a few, all in sight.
    Radio,
    /// One of several.
    Select,
    /// Any of several.
    Multiselect,
    /// An address of e-mail.
    Email,
    /// An address in the web.
    Url,
    /// A day.
    Date,
    /// A day and a time.
    Datetime,
    /// A text that is not shown.
    Password,
}

/// Something to choose.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct OptionView {
    /// What the answer has of it.
    #[cfg_attr(feature = "types", ts(type = "any"))]
    pub value: Value,
    /// What to call it.
    pub label: String,
}

impl FormView {
    /// Reads a form; fields without a name are none.
    pub(super) fn read(value: &Value) -> Self {
        let fields = list_of(value, "fields").iter();
        Self {
            title: text_of(value, "title"),
            description: text_of(value, "description"),
            fields: fields.filter_map(FieldView::read).collect(),
        }
    }
}

impl FieldView {
    /// What to call it.
    pub fn shown_label(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.name)
    }

    fn read(value: &Value) -> Option<Self> {
        Some(Self {
            name: text_of(value, "name")?,
            kind: FieldKind::read(&text_of(value, "type").unwrap_or_default()),
            label: text_of(value, "label"),
            required: is_set(value, "required"),
            options: list_of(value, "options")
                .iter()
                .map(OptionView::read)
                .collect(),
            placeholder: text_of(value, "placeholder"),
            rows: count_of(value, "rows"),
            min: value_of(value, "min"),
            max: value_of(value, "max"),
            default: value_of(value, "default"),
            description: text_of(value, "description"),
        })
    }
}

impl FieldKind {
    fn read(name: &str) -> Self {
        match name {
            "textarea" => Self::Textarea,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            "radio" => Self::Radio,
            "select" => Self::Select,
            "multiselect" => Self::Multiselect,
            "email" => Self::Email,
            "url" => Self::Url,
            "date" => Self::Date,
            "datetime" => Self::Datetime,
            "password" => Self::Password,
            _ => Self::Text,
        }
    }
}

impl OptionView {
    /// Reads an option; a bare value is its own label.
    fn read(value: &Value) -> Self {
        let own = value.get("value").unwrap_or(value);
        let label = text_of(value, "label").or_else(|| own.as_str().map(str::to_owned));
        Self {
            value: own.clone(),
            label: label.unwrap_or_else(|| own.to_string()),
        }
    }
}
