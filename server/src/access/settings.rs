//! Who may come in, as the configuration says it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::scope::Scope;

/// The `[access]` table. Where it asks for nothing there are no accounts, and the server listens on loopback only.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessSettings {
    /// Tokens made by `stepcast token create` are taken.
    pub tokens: bool,
    /// Tokens of another issuer are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt: Option<JwtSettings>,
    /// A browser is signed in for so long, in seconds, or until its token expires where that is sooner.
    pub session_seconds: u64,
    /// A session that its page keeps renewing ends so long after it began, in seconds.
    pub longest_session_seconds: u64,
    /// Whether cookies go over TLS only; where nothing is said, unless the server listens on loopback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secure_cookies: Option<bool>,
    /// So many entries of the audit log stay.
    pub audit_entries: u64,
}

impl Default for AccessSettings {
    fn default() -> Self {
        Self {
            tokens: false,
            jwt: None,
            session_seconds: 12 * 3_600,
            longest_session_seconds: 7 * 24 * 3_600,
            secure_cookies: None,
            audit_entries: 100_000,
        }
    }
}

/// The `[access.jwt]` table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct JwtSettings {
    /// The one algorithm that is taken, whatever a token says of itself.
    pub algorithm: Algorithm,
    /// A file that holds the key: PEM, or the secret itself for HS256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The variable of the environment that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// Where the issuer publishes its keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// The keys from there are taken anew after so long, in seconds.
    #[serde(default = "jwks_refresh_seconds")]
    pub jwks_refresh_seconds: u64,
    /// A key that is not known is asked for there, but not more often than this, in seconds.
    #[serde(default = "jwks_again_seconds")]
    pub jwks_again_seconds: u64,
    /// Who must have issued it: the claim `iss`.
    pub issuer: String,
    /// Whom it must be for: the claim `aud`.
    pub audience: String,
    /// How far the issuer's clock may be off, in seconds.
    #[serde(default = "leeway_seconds")]
    pub leeway_seconds: u64,
    /// The claim that names the user.
    #[serde(default = "user_claim")]
    pub user_claim: String,
    /// The claim that lists the user's roles: a list of texts, or one text with spaces in between. Dots lead into
    /// objects.
    #[serde(default = "roles_claim")]
    pub roles_claim: String,
    /// What each role may do.
    #[serde(default)]
    pub roles: BTreeMap<String, Vec<Scope>>,
    /// What everybody may do who has a token that is valid.
    #[serde(default)]
    pub everyone: Vec<Scope>,
}

/// How a token is signed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    HS256,
    /// RSA with SHA-256.
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519.
    EdDSA,
}

impl AccessSettings {
    /// Whether anybody has to say who it is.
    pub fn is_closed(&self) -> bool {
        self.tokens || self.jwt.is_some()
    }

    /// Whether the values fit together; else the key, and what to do.
    pub(crate) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if self.session_seconds == 0 {
            return Err(("access.session_seconds", "must be at least 1"));
        }
        if self.audit_entries == 0 {
            return Err(("access.audit_entries", "must be at least 1"));
        }
        self.jwt.as_ref().map_or(Ok(()), JwtSettings::check)
    }
}

impl JwtSettings {
    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let sources = [
            self.key_file.is_some(),
            self.key_env.is_some(),
            self.jwks_url.is_some(),
        ];
        if sources.into_iter().filter(|given| *given).count() != 1 {
            return Err((
                "access.jwt",
                "give one of key_file, key_env and jwks_url: where the key comes from",
            ));
        }
        if self.issuer.is_empty() || self.audience.is_empty() {
            return Err((
                "access.jwt",
                "issuer and audience must not be empty: a token for somebody else would pass",
            ));
        }
        if let Some(url) = &self.jwks_url {
            if self.algorithm == Algorithm::HS256 {
                return Err((
                    "access.jwt.jwks_url",
                    "publishes keys, and the key of HS256 is a secret: use key_file or key_env",
                ));
            }
            if !is_safe(url) {
                return Err((
                    "access.jwt.jwks_url",
                    "must begin with https://; http:// is taken for loopback only",
                ));
            }
        }
        if self.jwks_refresh_seconds == 0 {
            return Err(("access.jwt.jwks_refresh_seconds", "must be at least 1"));
        }
        if self.leeway_seconds > 600 {
            return Err(("access.jwt.leeway_seconds", "must be at most 600"));
        }
        if self.roles.is_empty() && self.everyone.is_empty() {
            return Err((
                "access.jwt.roles",
                "names no role, and access.jwt.everyone nothing either: nobody could do anything",
            ));
        }
        Ok(())
    }
}

/// Whether keys that come from there are the issuer's own.
fn is_safe(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else {
        return false;
    };
    let is_loopback = match url.host_str() {
        Some("localhost") => true,
        Some(host) => host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback)
}

fn jwks_refresh_seconds() -> u64 {
    300
}

fn jwks_again_seconds() -> u64 {
    10
}

fn leeway_seconds() -> u64 {
    30
}

fn user_claim() -> String {
    "sub".to_owned()
}

fn roles_claim() -> String {
    "roles".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(more: &str) -> Result<(), (&'static str, &'static str)> {
        let text = format!("issuer = \"i\"\naudience = \"a\"\n{more}");
        let source = config::File::from_str(&text, config::FileFormat::Toml);
        let built = config::Config::builder().add_source(source).build();
        let settings: JwtSettings = built.unwrap().try_deserialize().unwrap();
        settings.check()
    }

    #[test]
    fn settings_that_let_in_too_many_or_nobody_are_refused() {
        let everyone = "everyone = [\"watch\"]";
        for (more, key) in [
            (format!("algorithm = \"RS256\"\n{everyone}"), "access.jwt"),
            (
                format!("algorithm = \"RS256\"\nkey_file = \"f\"\nkey_env = \"E\"\n{everyone}"),
                "access.jwt",
            ),
            (
                format!("algorithm = \"HS256\"\njwks_url = \"https://h/j\"\n{everyone}"),
                "access.jwt.jwks_url",
            ),
            (
                format!("algorithm = \"RS256\"\njwks_url = \"http://h/j\"\n{everyone}"),
                "access.jwt.jwks_url",
            ),
            (
                "algorithm = \"ES256\"\nkey_file = \"f\"".to_owned(),
                "access.jwt.roles",
            ),
        ] {
            assert_eq!(jwt(&more).unwrap_err().0, key, "{more}");
        }
        for url in ["https://h/j", "http://127.0.0.1:1/j", "http://[::1]/j"] {
            let more = format!("algorithm = \"EdDSA\"\njwks_url = \"{url}\"\n{everyone}");
            assert_eq!(jwt(&more), Ok(()), "{url}");
        }
        assert!(!is_safe("http://127.0.0.1.example.org/"));
    }
}
