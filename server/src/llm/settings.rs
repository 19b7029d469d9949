//! Which language models an operator offers, as the configuration says it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The `[llm]` table.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LlmSettings {
    /// The provider of steps that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Providers by the name that steps use.
    pub providers: BTreeMap<String, ProviderSettings>,
}

/// One `[llm.providers.NAME]` table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSettings {
    /// What it speaks.
    pub kind: ProviderKind,
    /// Where it is, up to what the protocol adds; the vendor's own address where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The model of steps that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The variable of the environment that holds the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// A connection that says nothing for so long is given up, in seconds. Models that think before they speak are
    /// silent for minutes.
    #[serde(default = "idle_timeout_seconds")]
    pub idle_timeout_seconds: u64,
}

/// What a provider speaks.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// OpenAI's chat completions.
    #[serde(rename = "openai")]
    OpenAi,
    /// The same, as vLLM, Ollama, llama.cpp and many others speak it.
    #[serde(rename = "openai_compatible", alias = "openai-compatible")]
    OpenAiCompatible,
    /// Anthropic's messages.
    Anthropic,
    /// Google's Gemini.
    #[serde(alias = "google")]
    Gemini,
    /// Recordings that are replayed: no key, no network, no model.
    Scripted,
}

impl ProviderKind {
    /// The kind as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::OpenAiCompatible => "openai_compatible",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Scripted => "scripted",
        }
    }

    /// Where its vendor serves it; none where there is no vendor.
    pub fn base_url(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some("https://api.openai.com/v1"),
            Self::Anthropic => Some("https://api.anthropic.com"),
            Self::Gemini => Some("https://generativelanguage.googleapis.com"),
            Self::OpenAiCompatible | Self::Scripted => None,
        }
    }
}

/// The default of [`ProviderSettings::idle_timeout_seconds`].
pub(super) fn idle_timeout_seconds() -> u64 {
    300
}
