//! The configuration of an `llm` step: checked at load as far as it is known, and read again when it runs, its
//! placeholders resolved.

use serde_json::{Map, Value};

use super::message;
use super::tool;
use crate::llm::request::{Message, Request, Role};
use crate::llm::{Provider, Providers};
use crate::pipeline::definition::{Fields, Place, Problem, Problems};
use crate::pipeline::template::has_placeholder;

/// What a step says of its call.
#[derive(Debug, Default)]
pub(super) struct CallConfig {
    pub(super) provider: Option<String>,
    /// The model is the provider's own where it is not said.
    pub(super) request: Request,
    /// The path of the prompt in the step's data.
    pub(super) input_field: Option<String>,
    pub(super) output_field: Option<String>,
}

/// Reads a configuration; what holds placeholders passes unless they are `resolved`.
pub(super) fn read(
    config: &Value,
    place: &Place,
    resolved: bool,
    problems: &mut Problems,
) -> CallConfig {
    let mut call = CallConfig::default();
    let Some(mut fields) = Fields::open(config, place, "`config`", problems) else {
        return call;
    };
    refuse_addresses(&fields, problems);
    let unknown = |value: &Value| !resolved && has_placeholder(value);
    if let Some((_, value)) = fields.either(&["provider", "provider_name"], problems) {
        call.provider = text(value, &fields.place("provider"), problems);
    }
    if let Some(value) = fields.value("model") {
        call.request.model = text(value, &fields.place("model"), problems).unwrap_or_default();
    }
    let temperature = fields.value("temperature").filter(|value| !unknown(value));
    if temperature.is_some() {
        let accepted = |number: f64| (0.0..=2.0).contains(&number);
        call.request.temperature =
            fields.number("temperature", "a number from 0 to 2", accepted, problems);
    }
    let most = fields.value("max_tokens").filter(|value| !unknown(value));
    if most.is_some() {
        call.request.max_tokens = fields.count("max_tokens", 1, problems);
    }
    call.input_field = fields.text("input_field", problems).map(str::to_owned);
    call.output_field = fields.text("output_field", problems).map(str::to_owned);
    messages(&mut fields, &mut call, resolved, problems);
    if let Some(list) = fields.value("tools").filter(|value| !unknown(value)) {
        call.request.tools = tool::list(list, &fields.place("tools"), problems);
    }
    if let Some(choice) = fields.value("tool_choice").filter(|value| !unknown(value)) {
        let place = fields.place("tool_choice");
        call.request.tool_choice = tool::choice(choice, &call.request.tools, &place, problems);
    }
    if let Some(options) = fields.object("options", problems) {
        call.request.options = read_options(options, &fields.place("options"), problems);
    }
    fields.close(problems);
    call
}

/// The provider that a step names, or the default one; a problem where there is none of that name, or no model.
pub(super) fn check_provider(
    call: &CallConfig,
    providers: &Providers,
    place: &Place,
    problems: &mut Problems,
) {
    let known = |text: &str| !has_placeholder(&text.into());
    let named = call.provider.as_deref();
    if !named.is_none_or(known) {
        return;
    }
    match find(call, providers) {
        Err(message) => {
            let named = named.unwrap_or_default();
            problems.unknown(&place.key("provider"), message, named, providers.names());
        }
        Ok(provider) if call.request.model.is_empty() && provider.model().is_none() => {
            problems.error(place, no_model(provider));
        }
        Ok(_) => {}
    }
}

/// The provider of a call.
pub(super) fn find<'a>(
    call: &CallConfig,
    providers: &'a Providers,
) -> Result<&'a Provider, String> {
    let named = call.provider.as_deref();
    let found = providers.find(named);
    found.map(AsRef::as_ref).ok_or_else(|| {
        let name = named.unwrap_or_else(|| providers.default_name());
        format!(
            "no provider `{name}` is registered: {}",
            Providers::hint(name)
        )
    })
}

pub(super) fn no_model(provider: &Provider) -> String {
    let name = provider.name();
    let variable = format!("{}_MODEL", name.to_uppercase());
    format!(
        "provider `{name}` has no model of its own: say `model`, set {variable}, or `model` under [llm.providers.{name}]"
    )
}

/// The conversation: `messages`, or one message of `prompt`, or of a field of the data; `system_prompt` before it.
fn messages(
    fields: &mut Fields<'_>,
    call: &mut CallConfig,
    resolved: bool,
    problems: &mut Problems,
) {
    let system = fields.either(&["system_prompt", "system"], problems);
    let (list, prompt) = (fields.value("messages"), fields.value("prompt"));
    let mut conversation = Vec::new();
    if let Some((key, value)) = system {
        let text = text(value, &fields.place(key), problems).unwrap_or_default();
        conversation.push(Message::new(Role::System, text));
    }
    let given = [list.is_some(), prompt.is_some(), call.input_field.is_some()];
    match given.iter().filter(|given| **given).count() {
        0 => problems.error(
            fields.here(),
            "`llm` needs a `prompt`, `messages` or an `input_field`",
        ),
        1 => {}
        _ => problems.error(
            fields.here(),
            "either `prompt`, `messages` or `input_field`",
        ),
    }
    if let Some(list) = list.filter(|list| resolved || !has_placeholder(list) || list.is_array()) {
        let place = fields.place("messages");
        conversation.extend(message::list(list, &place, resolved, problems));
    }
    if let Some(prompt) = prompt {
        let text = text(prompt, &fields.place("prompt"), problems).unwrap_or_default();
        conversation.push(Message::new(Role::User, text));
    }
    call.request.messages = conversation;
}

/// A text; what a placeholder gave otherwise is its JSON.
pub(super) fn text(value: &Value, place: &Place, problems: &mut Problems) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Some(value.to_string())
        }
        Value::Null => {
            problems.error(place, "a text, not null");
            None
        }
    }
}

fn read_options(
    options: &Map<String, Value>,
    place: &Place,
    problems: &mut Problems,
) -> Map<String, Value> {
    for key in OURS.into_iter().filter(|key| options.contains_key(*key)) {
        let message =
            format!("`{key}` is not an option: it has a field of its own, or is always set");
        problems.error(&place.key(key), message);
    }
    options.clone()
}

/// Addresses and keys are the operator's: a pipeline that named them could send a key to anybody.
fn refuse_addresses(fields: &Fields<'_>, problems: &mut Problems) {
    for key in ["base_url", "api_base", "api_key", "api_key_env"] {
        if fields.has(&[key]) {
            let message = format!(
                "a pipeline names no `{key}`: register the provider under [llm.providers.NAME] in stepcast.toml, and name it in `provider`"
            );
            problems.error(&fields.place(key), message);
        }
    }
}

/// Problems of a configuration that only its placeholders could show, in one line.
pub(super) fn told(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

/// What `options` may not hold.
const OURS: [&str; 9] = [
    "model",
    "messages",
    "contents",
    "system",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "n",
];
