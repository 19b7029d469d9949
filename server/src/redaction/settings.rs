//! The settings of redaction, `[redaction]` in the file.

use serde::{Deserialize, Serialize};

use super::{BadRule, LEAST_SECRET, Redaction, Rules};

/// What is taken out of events before they are kept. `docs/configuration.md` holds it as a table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedactionSettings {
    /// Paths of values, as [`Rules::parse`] reads them.
    pub fields: Vec<String>,
    /// Variables of the environment whose values are secrets. Those that hold keys of language models and of the issuer
    /// of tokens by the other settings are secrets besides.
    pub secrets_from_env: Vec<String>,
}

impl Default for RedactionSettings {
    fn default() -> Self {
        let known = [
            "OPENAI_API_KEY",
            "ANTHROPIC_API_KEY",
            "GEMINI_API_KEY",
            "GOOGLE_API_KEY",
        ];
        Self {
            fields: Vec::new(),
            secrets_from_env: known.map(str::to_owned).to_vec(),
        }
    }
}

impl RedactionSettings {
    /// Which setting cannot be used, and why.
    pub(crate) fn check(&self) -> Result<(), (String, String)> {
        self.rules().map(drop)
    }

    /// With the secrets that these variables hold, and those of `more`.
    pub(crate) fn compile<'n>(
        &'n self,
        more: impl Iterator<Item = &'n str>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Redaction, (String, String)> {
        let rules = self.rules()?;
        let own = self.secrets_from_env.iter().map(String::as_str);
        let names: Vec<&str> = own.chain(more).collect();
        let secrets = variables.filter(|(name, _)| names.contains(&name.as_str()));
        let long = secrets.filter(|(name, value)| {
            let long = value.trim().len() >= LEAST_SECRET;
            if !long && !value.trim().is_empty() {
                tracing::warn!(
                    variable = name,
                    "its value is too short to be looked for in events"
                );
            }
            long
        });
        let secrets: Vec<String> = long.map(|(_, value)| value).collect();
        Ok(Redaction::new(rules, secrets))
    }

    fn rules(&self) -> Result<Rules, (String, String)> {
        Rules::parse(self.fields.iter().map(String::as_str))
            .map_err(|bad: BadRule| (format!("redaction.fields[{}]", bad.at), bad.to_string()))
    }
}
