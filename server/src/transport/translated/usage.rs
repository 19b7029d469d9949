//! What the models of a run took, in the words that AG-UI and the AI SDK share.

use serde_json::{Map, Value};

use super::data::text;

/// One answer of a model.
#[derive(Clone, Debug)]
struct Answer {
    step: String,
    provider: Option<String>,
    model: Option<String>,
    counts: Map<String, Value>,
}

/// All answers so far, those of the same step and model behind each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage(Vec<Answer>);

impl Usage {
    /// A model is asked.
    pub(crate) fn asked(&mut self, step: &str, data: &Value) {
        self.0.push(Answer {
            step: step.to_owned(),
            provider: text(data, "provider").map(str::to_owned),
            model: text(data, "model").map(str::to_owned),
            counts: Map::new(),
        });
    }

    /// What its answer took; a later one of the same answer replaces it.
    pub(crate) fn took(&mut self, step: &str, data: &Value) {
        let last = self.0.iter_mut().rfind(|answer| answer.step == step);
        if let (Some(answer), Some(counts)) = (last, data.as_object()) {
            answer.counts = counts.clone();
        }
    }

    /// One entry for each provider and model; none where no model was asked.
    pub(crate) fn summed(&self) -> Value {
        let mut entries: Vec<Map<String, Value>> = Vec::new();
        for answer in &self.0 {
            let name = |of: &Option<String>| of.clone().map(Value::from);
            let (provider, model) = (name(&answer.provider), name(&answer.model));
            let same = |entry: &&mut Map<String, Value>| {
                entry.get("provider") == provider.as_ref() && entry.get("model") == model.as_ref()
            };
            let place = match entries.iter_mut().find(same) {
                Some(entry) => entry,
                None => {
                    let named = [("provider", provider), ("model", model)];
                    let named = named
                        .into_iter()
                        .filter_map(|(key, name)| Some((key.to_owned(), name?)));
                    entries.push(named.collect());
                    let Some(entry) = entries.last_mut() else {
                        continue;
                    };
                    entry
                }
            };
            for (ours, theirs) in COUNTS {
                if let Some(count) = answer.counts.get(ours).and_then(Value::as_u64) {
                    let before = place.get(theirs).and_then(Value::as_u64);
                    place.insert(theirs.into(), (before.unwrap_or(0) + count).into());
                }
            }
        }
        match entries.is_empty() {
            true => Value::Null,
            false => entries.into_iter().map(Value::Object).collect(),
        }
    }
}

const COUNTS: [(&str, &str); 4] = [
    ("input_tokens", "inputTokens"),
    ("output_tokens", "outputTokens"),
    ("reasoning_tokens", "reasoningTokens"),
    ("cached_tokens", "cachedInputTokens"),
];
