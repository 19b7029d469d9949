//! What is taken out of events before they are kept: values that rules name by their path, and secrets of the
//! environment wherever they stand.
//!
//! It happens once, where an event gets its place ([`crate::log::Stream::append`]). So everything that shows an event
//! shows the same, and what was taken out is on no disk. The run itself goes on with the real values.

mod rules;
mod secrets;
mod settings;

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

pub use self::rules::{BadRule, Rules};
use self::secrets::Secrets;
pub use self::settings::RedactionSettings;
use crate::context::Draft;

/// What stands in the place of what was taken out.
pub const REDACTED: &str = "[redacted]";

/// What is to be taken out; nothing by default. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Redaction {
    /// The operator's, and a pipeline's own.
    rules: [Option<Arc<Rules>>; 2],
    secrets: Option<Arc<Secrets>>,
}

impl Redaction {
    /// By these rules, and these secrets wherever they stand. Secrets of less than [`LEAST_SECRET`] bytes are passed
    /// over: they would be found in every text.
    pub fn new<S: AsRef<str>>(rules: Rules, secrets: impl IntoIterator<Item = S>) -> Self {
        Self {
            rules: [Some(rules).filter(|it| !it.is_empty()).map(Arc::new), None],
            secrets: Secrets::new(secrets).map(Arc::new),
        }
    }

    /// The same, and what a pipeline's own rules name.
    #[must_use]
    pub fn with(&self, rules: Rules) -> Self {
        let [operator, _] = &self.rules;
        Self {
            rules: [
                operator.clone(),
                Some(rules).filter(|it| !it.is_empty()).map(Arc::new),
            ],
            secrets: self.secrets.clone(),
        }
    }

    /// The same, and what the rules of this definition name in `streaming.redact`.
    #[must_use]
    pub(crate) fn of_pipeline(&self, definition: &Value) -> Self {
        let own = definition.pointer("/streaming/redact");
        let own = own.and_then(Value::as_array).map(Vec::as_slice);
        let texts = own.unwrap_or_default().iter().filter_map(Value::as_str);
        // it was checked when the pipeline was loaded
        match Rules::parse(texts) {
            Ok(rules) if !rules.is_empty() => self.with(rules),
            Ok(_) | Err(_) => self.clone(),
        }
    }

    /// Whether nothing is ever taken out.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_none() && self.rules.iter().all(Option::is_none)
    }

    /// The event as it may be kept; borrowed where nothing is taken out of it.
    pub fn draft<'d>(&self, draft: &'d Draft) -> Cow<'d, Draft> {
        let data = self.touches(&["data"], &draft.data);
        let metadata = draft.metadata.as_ref();
        let metadata = metadata.is_some_and(|it| self.touches(&["metadata"], it));
        if !data && !metadata {
            return Cow::Borrowed(draft);
        }
        let mut draft = draft.clone();
        if data {
            self.apply(&["data"], &mut draft.data);
        }
        if let Some(metadata) = draft.metadata.as_mut().filter(|_| metadata) {
            self.apply(&["metadata"], metadata);
        }
        Cow::Owned(draft)
    }

    /// Whether something is taken out of the value at this path of an event.
    pub fn touches(&self, path: &[&str], value: &Value) -> bool {
        let mut rules = self.rules.iter().flatten();
        rules.any(|rules| rules.touches(path, value))
            || self.secrets.as_ref().is_some_and(|it| it.touches(value))
    }

    /// Takes out of the value at this path of an event what is to be taken out.
    pub fn apply(&self, path: &[&str], value: &mut Value) {
        for rules in self.rules.iter().flatten() {
            rules.apply(path, value);
        }
        if let Some(secrets) = &self.secrets {
            secrets.apply(value);
        }
    }

    /// The value at this path as it may be shown; none where nothing is taken out of it.
    pub fn of(&self, path: &[&str], value: &Value) -> Option<Value> {
        self.touches(path, value).then(|| {
            let mut value = value.clone();
            self.apply(path, &mut value);
            value
        })
    }

    /// A definition as it may be kept: what stands in it for `pipeline_start`, and no secret. None where nothing is taken
    /// out.
    pub(crate) fn definition(&self, definition: &Value) -> Option<Value> {
        let told = definition.get("external");
        let told = told.and_then(|told| self.of(&["data", "pipeline"], told));
        let mut definition = Cow::Borrowed(definition);
        if let Some(told) = told
            && let Some(map) = definition.to_mut().as_object_mut()
        {
            map.insert("external".to_owned(), told);
        }
        if let Some(secrets) = self.secrets.as_ref().filter(|it| it.touches(&definition)) {
            secrets.apply(definition.to_mut());
        }
        match definition {
            Cow::Borrowed(_) => None,
            Cow::Owned(definition) => Some(definition),
        }
    }

    /// A text in which no secret stands.
    pub(crate) fn text(&self, text: &str) -> String {
        match &self.secrets {
            Some(secrets) => secrets.text(text).into_owned(),
            None => text.to_owned(),
        }
    }
}

/// The shortest secret that is looked for, in bytes.
pub const LEAST_SECRET: usize = 8;
