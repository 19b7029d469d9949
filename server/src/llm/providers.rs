//! The providers that steps can name, and the one of steps that name none.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::key::ApiKey;
use super::provider::Provider;
use super::settings::{LlmSettings, ProviderKind};

/// Providers by name. A pipeline can name these and no others: addresses and keys are the operator's.
#[derive(Clone, Debug)]
pub struct Providers {
    known: BTreeMap<String, Arc<Provider>>,
    default: String,
}

impl Default for Providers {
    /// The recordings alone.
    fn default() -> Self {
        let scripted = Provider::scripted();
        let default = scripted.name.clone();
        let known = [(default.clone(), Arc::new(scripted))];
        Self {
            known: known.into(),
            default,
        }
    }
}

impl Providers {
    /// The recordings, what the environment has keys for, and what the settings name; the later of these wins
    /// where two have one name.
    ///
    /// # Errors
    /// Which setting is wrong, and what is wrong with it.
    pub fn load(
        settings: &LlmSettings,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, (String, String)> {
        let variables: BTreeMap<String, String> = variables
            .filter(|(_, value)| !value.trim().is_empty())
            .collect();
        let variable = |name: &str| variables.get(name).cloned();
        let mut providers = Self::default();
        let mut first = None;
        for vendor in &VENDORS {
            if let Some(provider) = vendor.provider(variable)? {
                first.get_or_insert_with(|| provider.name.clone());
                providers.add(provider);
            }
        }
        for (name, settings) in &settings.providers {
            let provider = Provider::from_settings(name, settings, variable)
                .map_err(|message| (format!("llm.providers.{name}"), message))?;
            providers.add(provider);
        }
        let mut named = settings.providers.keys();
        let only = named.next().cloned();
        let (setting, default) = match (&settings.default, variable(DEFAULT)) {
            (Some(default), _) => ("llm.default", Some(default.clone())),
            (None, Some(default)) => (DEFAULT, Some(default)),
            (None, None) if named.next().is_some() => {
                let message =
                    "several providers are configured: name the one of steps that name none";
                return Err(("llm.default".to_owned(), message.to_owned()));
            }
            (None, None) => ("", only.or(first)),
        };
        if let Some(default) = default {
            let known: Vec<&str> = providers.names().collect();
            let known = known.join("`, `");
            if !providers.set_default(&default) {
                let message = format!("no provider `{default}` is registered; there are `{known}`");
                return Err((setting.to_owned(), message));
            }
        }
        Ok(providers)
    }

    /// Registers a provider under its name, in place of one of that name.
    pub fn add(&mut self, provider: Provider) {
        self.known.insert(provider.name.clone(), Arc::new(provider));
    }

    /// Makes a registered provider the one of steps that name none; whether there is one of that name.
    #[must_use]
    pub fn set_default(&mut self, name: &str) -> bool {
        let found = self.find(Some(name)).map(|provider| provider.name.clone());
        match found {
            Some(name) => {
                self.default = name;
                true
            }
            None => false,
        }
    }

    /// The provider of this name, or of no name.
    pub fn find(&self, name: Option<&str>) -> Option<&Arc<Provider>> {
        let name = name.unwrap_or(&self.default);
        // the plan calls it so
        let other = if name == "google" { "gemini" } else { name };
        self.known.get(name).or_else(|| self.known.get(other))
    }

    /// The registered names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(String::as_str)
    }

    /// The provider of steps that name none.
    pub fn default_name(&self) -> &str {
        &self.default
    }

    /// What would register a provider of this name.
    pub(crate) fn hint(name: &str) -> String {
        let vendor = VENDORS.iter().find(|vendor| {
            vendor.kind.as_str() == name
                || (name == "google" && vendor.kind == ProviderKind::Gemini)
        });
        let keys = vendor.map_or_else(String::new, |vendor| {
            format!("set {}, or ", vendor.keys.join(" or "))
        });
        format!("{keys}configure [llm.providers.{name}]")
    }
}

/// A vendor that the environment may have a key of.
struct Vendor {
    kind: ProviderKind,
    keys: &'static [&'static str],
    model: &'static str,
    base_url: &'static str,
}

impl Vendor {
    fn provider(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Provider>, (String, String)> {
        let found = self
            .keys
            .iter()
            .find_map(|name| Some((name, variable(name)?)));
        let Some((name, key)) = found else {
            return Ok(None);
        };
        let Some(key) = ApiKey::new(&key) else {
            let message = "this key cannot stand in a header".to_owned();
            return Err(((*name).to_owned(), message));
        };
        let url = variable(self.base_url);
        let elsewhere = url.is_some() && self.kind == ProviderKind::OpenAi;
        let kind = if elsewhere {
            ProviderKind::OpenAiCompatible
        } else {
            self.kind
        };
        let mut provider = Provider::new(self.kind.as_str(), kind)
            .with_model(variable(self.model))
            .with_key(Some(key));
        if let Some(url) = url {
            provider = provider
                .with_base_url(&url)
                .map_err(|message| (self.base_url.to_owned(), message))?;
        }
        Ok(Some(provider))
    }
}

/// In the order in which one becomes the default.
const VENDORS: [Vendor; 3] = [
    Vendor {
        kind: ProviderKind::OpenAi,
        keys: &["OPENAI_API_KEY"],
        model: "OPENAI_MODEL",
        base_url: "OPENAI_BASE_URL",
    },
    Vendor {
        kind: ProviderKind::Anthropic,
        keys: &["ANTHROPIC_API_KEY"],
        model: "ANTHROPIC_MODEL",
        base_url: "ANTHROPIC_BASE_URL",
    },
    Vendor {
        kind: ProviderKind::Gemini,
        keys: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        model: "GEMINI_MODEL",
        base_url: "GEMINI_BASE_URL",
    },
];

/// The variable that names the provider of steps that name none.
const DEFAULT: &str = "DEFAULT_LLM_PROVIDER";

#[cfg(test)]
mod tests {
    use super::super::settings::ProviderSettings;
    use super::*;

    fn load(
        settings: &LlmSettings,
        variables: &[(&str, &str)],
    ) -> Result<Providers, (String, String)> {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        Providers::load(settings, variables.iter().map(owned))
    }

    fn local() -> LlmSettings {
        let local = ProviderSettings {
            kind: ProviderKind::OpenAiCompatible,
            base_url: Some("http://127.0.0.1:11434/v1".to_owned()),
            model: Some("llama".to_owned()),
            api_key_env: None,
            idle_timeout_seconds: 10,
        };
        LlmSettings {
            default: None,
            providers: [("local".to_owned(), local)].into(),
        }
    }

    #[test]
    fn without_any_key_the_recordings_answer() {
        let providers = load(&LlmSettings::default(), &[("OPENAI_API_KEY", " ")]).unwrap();
        assert_eq!(providers.default_name(), "scripted");
        assert!(providers.find(None).unwrap().is_scripted());
    }

    #[test]
    fn the_environment_registers_vendors_and_names_the_default() {
        let keys = [
            ("ANTHROPIC_API_KEY", "a"),
            ("GOOGLE_API_KEY", "g"),
            ("GEMINI_MODEL", "m"),
        ];
        let providers = load(&LlmSettings::default(), &keys).unwrap();
        assert_eq!(
            providers.names().collect::<Vec<_>>(),
            ["anthropic", "gemini", "scripted"]
        );
        assert_eq!(providers.default_name(), "anthropic");
        assert_eq!(providers.find(Some("google")).unwrap().model(), Some("m"));
        let named = [&keys[..], &[("DEFAULT_LLM_PROVIDER", "google")]].concat();
        assert_eq!(
            load(&LlmSettings::default(), &named)
                .unwrap()
                .default_name(),
            "gemini"
        );
        let (setting, message) = load(&local(), &[("DEFAULT_LLM_PROVIDER", "gpt")]).unwrap_err();
        assert_eq!(setting, "DEFAULT_LLM_PROVIDER");
        assert!(message.contains("`local`"), "{message}");
    }

    #[test]
    fn what_is_configured_comes_before_what_is_found() {
        let mut settings = local();
        assert_eq!(
            load(&settings, &[("OPENAI_API_KEY", "k")])
                .unwrap()
                .default_name(),
            "local"
        );
        let other = settings.providers["local"].clone();
        settings.providers.insert("other".to_owned(), other);
        assert_eq!(load(&settings, &[]).unwrap_err().0, "llm.default");
        settings.default = Some("other".to_owned());
        assert_eq!(load(&settings, &[]).unwrap().default_name(), "other");
    }

    #[test]
    fn a_key_is_not_shown_and_a_missing_one_is_told() {
        let mut settings = local();
        settings.providers.get_mut("local").unwrap().api_key_env = Some("LOCAL_KEY".to_owned());
        let (setting, message) = load(&settings, &[]).unwrap_err();
        assert_eq!(setting, "llm.providers.local");
        assert!(message.contains("LOCAL_KEY"), "{message}");
        let providers = load(&settings, &[("LOCAL_KEY", "sk-secret")]).unwrap();
        assert!(!format!("{providers:?} {settings:?}").contains("sk-secret"));
    }

    #[test]
    fn an_address_that_cannot_be_meant_is_refused() {
        for url in [
            "ftp://x/v1",
            "nonsense",
            "http://u:p@x/v1",
            "http://x/v1?k=1",
        ] {
            let mut settings = local();
            settings.providers.get_mut("local").unwrap().base_url = Some(url.to_owned());
            assert!(load(&settings, &[]).is_err(), "{url}");
        }
    }
}
