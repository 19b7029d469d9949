//! Answers of language models: who was asked, which tools they call, what they took, how they ended.

use leptos::prelude::*;
use serde_json::Value;
use stepcast_core::view::{ModelView, StepView, ToolCallView, Usage};

use super::words;
use crate::store::Step;

/// The answers of language models that a step asked for.
#[component]
pub fn Models(
    /// The step.
    step: Step,
) -> AnyView {
    let numbers = step.memo(|step| {
        let first = step.models_dropped;
        (first..first + step.models.len() as u64).collect::<Vec<_>>()
    });
    view! {
        <div class="models">
            <For each=move || numbers.get() key=|number| *number let(number)>
                <Model step number/>
            </For>
        </div>
    }
    .into_any()
}

/// One answer: a line that is there from the beginning, and its tool calls.
#[component]
fn Model(step: Step, number: u64) -> AnyView {
    let told = step.memo(move |step| find(step, number).map(Told::of).unwrap_or_default());
    let calls = step.memo(move |step| {
        let calls = find(step, number).map(|model| model.tool_calls.iter());
        let calls = calls.into_iter().flatten();
        calls.map(|call| call.call_id.clone()).collect::<Vec<_>>()
    });
    let tone = move || told.with(|told| told.end.map(|(tone, _)| tone));
    let end = move || told.with(|told| told.end.map(|(_, words)| words).unwrap_or_default());
    view! {
        <p class="model" data-testid="model">
            <span class="model-name">{move || told.with(|told| told.name.clone())}</span>
            {move || told.with(|told| told.scripted).then(|| view! {
                <span class="badge" data-testid="scripted" title="A recorded answer that is replayed: no model was asked">"Scripted"</span>
            })}
            <span class="model-usage" data-testid="usage">{move || told.with(|told| told.usage.clone())}</span>
            <span class="model-end" data-testid="finish" data-tone=tone>
                {move || told.with(|told| told.other.clone())} {end}
            </span>
        </p>
        <For each=move || calls.get() key=String::clone let(id)>
            <ToolCall step number id/>
        </For>
    }
    .into_any()
}

/// A call of a tool: its arguments as they come, and in order once they are whole.
#[component]
fn ToolCall(step: Step, number: u64, id: String) -> AnyView {
    let call = step.memo(move |step| {
        let calls = find(step, number).map(|model| &model.tool_calls);
        let call = calls.into_iter().flatten().find(|call| call.call_id == id);
        call.cloned().unwrap_or_default()
    });
    let name = move || call.with(|call| call.name.clone().unwrap_or_else(|| "tool".to_owned()));
    let text = Memo::new(move |_| call.with(arguments));
    let ended = step.memo(|step| step.status.is_ended());
    let state = move || match (call.with(|call| call.done), ended.get()) {
        (true, _) => "called",
        (false, false) => "writing…",
        (false, true) => "not finished",
    };
    view! {
        <div class="call" data-testid="tool-call" data-done=move || call.with(|call| call.done).to_string()>
            <p class="call-head">
                <span class="call-name">{name}</span>
                <span class="call-state">{state}</span>
            </p>
            <pre class="call-arguments" tabindex="0" role="group" aria-label="Arguments">{text}</pre>
        </div>
    }
    .into_any()
}

/// The line of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
struct Told {
    name: String,
    scripted: bool,
    usage: String,
    /// How it ended: a tone and words.
    end: Option<(&'static str, &'static str)>,
    /// The provider's own word for how it ended.
    other: Option<String>,
}

impl Told {
    fn of(model: &ModelView) -> Self {
        let named = [&model.provider, &model.model].into_iter().flatten();
        let name = named.map(String::as_str).collect::<Vec<_>>().join(" / ");
        let reason = model.finish_reason.as_deref();
        let end = reason.and_then(end);
        Self {
            name: if name.is_empty() {
                "model".to_owned()
            } else {
                name
            },
            scripted: model.scripted,
            usage: usage(&model.usage),
            end,
            other: reason.filter(|_| end.is_none()).map(str::to_owned),
        }
    }
}

/// What an answer took, in words: `12 tokens in, 40 out (8 reasoning)`.
pub(super) fn usage(usage: &Usage) -> String {
    let more = |n: Option<u64>, what: &str| {
        let n = n.filter(|n| *n > 0)?;
        Some(format!(" ({} {what})", words::count(n)))
    };
    let given = usage.input_tokens.map(|n| {
        let cached = more(usage.cached_tokens, "cached").unwrap_or_default();
        format!("{} in{cached}", words::counted(n, "token"))
    });
    let gave = usage.output_tokens.map(|n| {
        let thought = more(usage.reasoning_tokens, "reasoning").unwrap_or_default();
        let unit = if given.is_some() {
            words::count(n)
        } else {
            words::counted(n, "token")
        };
        format!("{unit} out{thought}")
    });
    let parts = [given, gave].into_iter().flatten();
    parts.collect::<Vec<_>>().join(", ")
}

/// How an answer ended: a tone and words. None for a word that only its provider knows.
fn end(reason: &str) -> Option<(&'static str, &'static str)> {
    Some(match reason {
        "stop" => ("plain", "finished"),
        "tool_calls" => ("plain", "calls tools"),
        "length" => ("warning", "cut off: the limit of tokens was reached"),
        "content_filter" => ("failed", "held back by the provider's filter"),
        "refusal" => ("failed", "the model refused to answer"),
        _ => return None,
    })
}

/// The arguments as they are shown.
fn arguments(call: &ToolCallView) -> String {
    if call.arguments_dropped > 0 {
        let dropped = words::counted(call.arguments_dropped, "more byte");
        return format!("{}\n… {dropped}", call.arguments);
    }
    let whole = call
        .done
        .then(|| serde_json::from_str::<Value>(&call.arguments));
    match whole {
        Some(Ok(value)) => serde_json::to_string_pretty(&value).unwrap_or_default(),
        Some(Err(_)) | None => call.arguments.clone(),
    }
}

fn find(step: &StepView, number: u64) -> Option<&ModelView> {
    let at = number.checked_sub(step.models_dropped)?;
    step.models.get(usize::try_from(at).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_took_is_said_as_far_as_it_is_known() {
        let mut took = Usage::default();
        assert_eq!(usage(&took), "");
        took.output_tokens = Some(1);
        assert_eq!(usage(&took), "1 token out");
        took.input_tokens = Some(1200);
        took.reasoning_tokens = Some(0);
        assert_eq!(usage(&took), "1\u{202f}200 tokens in, 1 out");
        took.cached_tokens = Some(7);
        took.reasoning_tokens = Some(8);
        took.output_tokens = Some(40);
        assert_eq!(
            usage(&took),
            "1\u{202f}200 tokens in (7 cached), 40 out (8 reasoning)"
        );
    }

    #[test]
    fn arguments_are_in_order_once_they_are_whole() {
        let mut call = ToolCallView {
            arguments: "{\"q\":1}".to_owned(),
            ..ToolCallView::default()
        };
        assert_eq!(arguments(&call), "{\"q\":1}");
        call.done = true;
        assert_eq!(arguments(&call), "{\n  \"q\": 1\n}");
        call.arguments_dropped = 5;
        assert!(arguments(&call).ends_with("… 5 more bytes"));
        call.arguments_dropped = 0;
        call.arguments = "not JSON".to_owned();
        assert_eq!(arguments(&call), "not JSON");
    }
}
