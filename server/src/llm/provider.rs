//! One service that answers prompts, by its name.

use std::time::Duration;

use reqwest::Url;

use super::key::ApiKey;
use super::settings::{ProviderKind, ProviderSettings, idle_timeout_seconds};

/// A service that answers prompts.
#[derive(Clone, Debug)]
pub struct Provider {
    pub(crate) name: String,
    pub(crate) kind: ProviderKind,
    pub(crate) base_url: Option<Url>,
    pub(crate) model: Option<String>,
    pub(crate) key: Option<ApiKey>,
    pub(crate) idle: Duration,
}

impl Provider {
    /// A provider at its vendor's address, without a key.
    pub fn new(name: impl Into<String>, kind: ProviderKind) -> Self {
        Self {
            name: name.into(),
            kind,
            base_url: kind.base_url().and_then(|url| Url::parse(url).ok()),
            model: None,
            key: None,
            idle: Duration::from_secs(idle_timeout_seconds()),
        }
    }

    /// The recordings that are there without any configuration.
    pub fn scripted() -> Self {
        Self {
            model: Some("recorded".to_owned()),
            ..Self::new("scripted", ProviderKind::Scripted)
        }
    }

    /// The same at another address.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub fn with_base_url(self, url: &str) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("`{url}` is no URL: {error}"))?;
        if !["http", "https"].contains(&url.scheme()) || url.host().is_none() {
            return Err("the base URL is one of http or https".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            // what stands in a URL is shown in errors
            return Err("no name or password in the URL: use `api_key_env`".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("the base URL ends with its path".to_owned());
        }
        Ok(Self {
            base_url: Some(url),
            ..self
        })
    }

    /// The same with a model for steps that name none.
    #[must_use]
    pub fn with_model(self, model: Option<String>) -> Self {
        Self { model, ..self }
    }

    /// The same with a key.
    #[must_use]
    pub fn with_key(self, key: Option<ApiKey>) -> Self {
        Self { key, ..self }
    }

    /// The same, given up after another time of silence.
    #[must_use]
    pub fn with_idle_timeout(self, idle: Duration) -> Self {
        Self { idle, ..self }
    }

    /// What steps call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it speaks.
    pub fn kind(&self) -> ProviderKind {
        self.kind
    }

    /// The model of steps that name none.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Whether its answers are recordings.
    pub fn is_scripted(&self) -> bool {
        self.kind == ProviderKind::Scripted
    }

    /// One as the configuration has it; `variable` reads the environment.
    pub(super) fn from_settings(
        name: &str,
        settings: &ProviderSettings,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let mut provider = Self::new(name, settings.kind)
            .with_model(settings.model.clone())
            .with_idle_timeout(Duration::from_secs(settings.idle_timeout_seconds.max(1)));
        match (&settings.base_url, settings.kind) {
            (Some(_), ProviderKind::Scripted) => {
                return Err("`scripted` has no `base_url`: it asks nobody".to_owned());
            }
            (Some(url), _) => provider = provider.with_base_url(url)?,
            (None, ProviderKind::OpenAiCompatible) => {
                let example = "http://127.0.0.1:11434/v1";
                return Err(format!(
                    "`openai_compatible` needs a `base_url`, as {example}"
                ));
            }
            (None, _) => {}
        }
        if provider.is_scripted() && provider.model.is_none() {
            provider.model = Self::scripted().model;
        }
        if let Some(from) = &settings.api_key_env {
            let key = variable(from).as_deref().and_then(ApiKey::new);
            if key.is_none() {
                let message = format!("`api_key_env` names {from}, which is not set, or no key");
                return Err(message);
            }
            provider.key = key;
        }
        Ok(provider)
    }
}
