//! Reads questions in every spelling.

use std::time::Duration;

use serde_json::{Map, Value};

use super::Question;
use super::field::Field;
use super::form::Form;
use super::load_field::load_options;
use super::load_form::load_form;
use crate::pipeline::definition::reader::kind_of;
use crate::pipeline::definition::{Fields, Place, Problems};
use crate::pipeline::template::has_placeholder;

/// When a question is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    /// With the pipeline: what has a placeholder is looked at when the step runs.
    File,
    /// When the step runs.
    Run,
    /// From what a step gave, of which much may be none of the question's.
    Output,
}

/// What is asked where the question has no form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Preset {
    /// Words.
    Input,
    /// A decision, and comments.
    Approval,
    /// A decision within five minutes, with a default.
    Urgent,
}

/// The members that are read of a question; no part of what its step gives.
pub(super) const KEYS: [&str; 12] = [
    "prompt",
    "form",
    "ui_schema",
    "choices",
    "timeout_seconds",
    "timeout",
    "decision_timeout",
    "default",
    "default_action",
    "assigned_users",
    "channels",
    "context",
];

/// Reads a question. None where its form cannot be read.
pub(crate) fn load(
    value: &Value,
    place: &Place,
    stage: Stage,
    preset: Preset,
    problems: &mut Problems,
) -> Option<Question> {
    let mut fields = Fields::open(value, place, "a question", problems)?;
    let prompt = fields.value("prompt");
    let prompt = prompt.and_then(|value| text(value, &place.key("prompt"), stage, problems));
    let title = fields
        .value("title")
        .filter(|_| stage != Stage::Output)
        .and_then(|value| text(value, &place.key("title"), stage, problems));
    let form = load_form_of(&mut fields, stage, preset, problems);
    let timeout = load_timeout(&mut fields, stage, problems);
    let default = fields.either(&["default", "default_action"], problems);
    let users = fields.value("assigned_users");
    let assigned_users = texts(users, &place.key("assigned_users"), stage, problems);
    let channels = fields.value("channels");
    let channels = texts(channels, &place.key("channels"), stage, problems);
    let context = fields
        .value("context")
        .or_else(|| fields.value("review_content"));
    if stage == Stage::File || stage == Stage::Run {
        let _resolved_by_the_step = fields.value("content_key");
        fields.close(problems);
    }
    let mut form = form?;
    if form.title.is_none() {
        form.title.clone_from(&title);
    }
    let urgent = preset == Preset::Urgent;
    let timeout = timeout.or(urgent.then_some(URGENT));
    let default = match default {
        Some((key, _)) if timeout.is_none() && stage == Stage::File && !fields_later(value) => {
            let message = format!("`{key}` is the answer at the deadline: give `timeout_seconds`");
            problems.error(&place.key(key), message);
            None
        }
        Some((key, value)) => load_default(&form, value, &place.key(key), stage, problems),
        None if urgent => {
            let proceed = Value::from("proceed");
            load_default(
                &form,
                &proceed,
                place,
                Stage::Output,
                &mut Problems::default(),
            )
        }
        None => None,
    };
    let prompt = prompt.or(title);
    Some(Question {
        prompt: prompt.unwrap_or_else(|| PROMPT.to_owned()),
        form,
        context: context.cloned(),
        assigned_users,
        channels,
        timeout,
        default,
    })
}

/// Whether the time of a question is known only when it runs.
fn fields_later(question: &Value) -> bool {
    TIMEOUTS
        .iter()
        .filter_map(|key| question.get(key))
        .any(has_placeholder)
}

fn load_form_of(
    fields: &mut Fields<'_>,
    stage: Stage,
    preset: Preset,
    problems: &mut Problems,
) -> Option<Form> {
    let place = fields.here().clone();
    let form = fields.either(&["form", "ui_schema"], problems);
    // an empty schema is how the original library says that there is none
    let form = form.filter(|(_, form)| form.as_object().is_none_or(|form| !form.is_empty()));
    let choices = fields.value("choices");
    match (form, choices) {
        (Some((key, _)), Some(_)) => {
            let message = format!("`choices` is short for a form: give it or `{key}`");
            problems.error(&place.key("choices"), message);
            None
        }
        (Some((_, form)), None) if later(form, stage) => Some(Form::default()),
        (Some((key, form)), None) => load_form(form, &place.key(key), stage, problems),
        (None, Some(choices)) => {
            let place = place.key("choices");
            let choices = load_options(choices, &place, stage, problems);
            Some(Form::one(Field::choice("decision", choices)))
        }
        (None, None) => Some(match preset {
            Preset::Input => Form::input(),
            Preset::Approval => Form::approval(),
            Preset::Urgent => Form::urgent(),
        }),
    }
}

fn load_timeout(
    fields: &mut Fields<'_>,
    stage: Stage,
    problems: &mut Problems,
) -> Option<Duration> {
    let (key, value) = fields.either(&TIMEOUTS, problems)?;
    if later(value, stage) {
        return None;
    }
    let wanted = "a number of seconds above 0";
    let fits = |seconds: f64| seconds > 0.0 && seconds <= YEAR;
    let seconds = fields.number(key, wanted, fits, problems)?;
    Some(Duration::from_secs_f64(seconds))
}

/// The answer at the deadline: the whole of it, or the word of the field that is chosen.
fn load_default(
    form: &Form,
    value: &Value,
    place: &Place,
    stage: Stage,
    problems: &mut Problems,
) -> Option<Map<String, Value>> {
    if later(value, stage) || form.fields.is_empty() {
        return None;
    }
    let answer = match value {
        Value::Object(answer) => answer.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            let chosen = form.fields.iter().find(|field| field.kind.chooses());
            let field = chosen.or_else(|| form.fields.first())?;
            [(field.name.clone(), value.clone())].into_iter().collect()
        }
    };
    match form.check_default(&answer, place) {
        Ok(answer) => Some(answer),
        // options with placeholders are known only later
        Err(_) if stage == Stage::File && form_later(form) => None,
        Err(found) => {
            problems.extend(found);
            None
        }
    }
}

fn form_later(form: &Form) -> bool {
    form.fields.iter().any(|field| {
        let mut options = field.options.iter();
        options.any(|option| has_placeholder(&option.value))
            || (field.kind.chooses() && field.options.is_empty())
    })
}

/// A text. What a placeholder has turned out to be is written out.
pub(super) fn text(
    value: &Value,
    place: &Place,
    stage: Stage,
    problems: &mut Problems,
) -> Option<String> {
    if stage == Stage::File && !value.is_string() {
        problems.error(place, format!("this is a text, not {}", kind_of(value)));
        return None;
    }
    Some(shown(value))
}

fn texts(
    value: Option<&Value>,
    place: &Place,
    stage: Stage,
    problems: &mut Problems,
) -> Vec<String> {
    match value {
        None => Vec::new(),
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(list)) if list.iter().all(Value::is_string) => list
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        Some(other) => {
            if stage != Stage::Output {
                let found = kind_of(other);
                problems.error(place, format!("this is a list of texts, not {found}"));
            }
            Vec::new()
        }
    }
}

pub(super) fn later(value: &Value, stage: Stage) -> bool {
    stage == Stage::File && has_placeholder(value)
}

pub(super) fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

const TIMEOUTS: [&str; 3] = ["timeout_seconds", "timeout", "decision_timeout"];

/// How long a decision that cannot wait may take where nothing is said.
const URGENT: Duration = Duration::from_secs(300);

const YEAR: f64 = 31_536_000.0;

const PROMPT: &str = "Human input required";
