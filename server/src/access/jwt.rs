//! Tokens of another issuer (RFC 7519). The library verifies; this says with which key, and what the claims mean here.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::identity::{Credential, Known, is_name};
use super::jwks::Jwks;
use super::scope::Scopes;
use super::settings::{Algorithm, JwtSettings};
use crate::config::ConfigError;

/// Verifies tokens as the settings say.
#[derive(Debug)]
pub(super) struct Verifier {
    settings: JwtSettings,
    validation: Validation,
    keys: Keys,
}

#[derive(Debug)]
enum Keys {
    Fixed(Arc<DecodingKey>),
    Published(Jwks),
}

/// Why a token is not taken: a sentence's end.
pub(super) type Reason = &'static str;

impl Verifier {
    /// Reads the key.
    pub(super) fn new(settings: &JwtSettings) -> Result<Self, ConfigError> {
        let algorithm = settings.algorithm.into();
        let seconds = Duration::from_secs;
        let keys = match &settings.jwks_url {
            Some(url) => {
                let (refresh, again) = (
                    seconds(settings.jwks_refresh_seconds),
                    seconds(settings.jwks_again_seconds),
                );
                let jwks = Jwks::new(url, algorithm, refresh, again)
                    .map_err(|error| wrong("jwks_url", error))?;
                Keys::Published(jwks)
            }
            None => Keys::Fixed(Arc::new(fixed(settings)?)),
        };
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[&settings.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        validation.leeway = settings.leeway_seconds;
        Ok(Self {
            settings: settings.clone(),
            validation,
            keys,
        })
    }

    /// Whom a token stands for.
    pub(super) async fn verify(&self, token: &str) -> Result<Known, Reason> {
        if token.len() > LONGEST {
            return Err("it is too long");
        }
        let header = decode_header(token).map_err(|error| reason(error.kind()))?;
        if !self.validation.algorithms.contains(&header.alg) {
            return Err("it is signed by another algorithm than this server takes");
        }
        if header.crit.is_some() {
            return Err("its header demands what this server does not understand");
        }
        let keys = match &self.keys {
            Keys::Fixed(key) => vec![key.clone()],
            Keys::Published(jwks) => jwks.keys(header.kid.as_deref()).await,
        };
        let mut failed = "no key of its issuer has signed it";
        for key in keys {
            match decode::<Map<String, Value>>(token, &key, &self.validation) {
                Ok(data) => return self.known(&data.claims),
                Err(error) => failed = reason(error.kind()),
            }
        }
        Err(failed)
    }

    fn known(&self, claims: &Map<String, Value>) -> Result<Known, Reason> {
        let user = claim(claims, &self.settings.user_claim).and_then(Value::as_str);
        let Some(user) = user.filter(|user| is_name(user)) else {
            return Err("it names no user");
        };
        let expires = claims.get("exp").and_then(Value::as_f64);
        let expires = expires.ok_or("it does not say when it expires")?;
        let seconds = Duration::try_from_secs_f64(expires).unwrap_or_default()
            + Duration::from_secs(self.settings.leeway_seconds);
        Ok(Known {
            user: Some(user.to_owned()),
            scopes: self.scopes(claims),
            expires: Some(u64::try_from(seconds.as_millis()).unwrap_or(u64::MAX)),
            credential: Credential::Jwt,
            grants: Vec::new(),
        })
    }

    /// What the roles of the claims come to. A role that nothing is said of allows nothing.
    fn scopes(&self, claims: &Map<String, Value>) -> Scopes {
        let roles: Vec<&str> = match claim(claims, &self.settings.roles_claim) {
            Some(Value::Array(roles)) => roles.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(roles)) => roles.split(' ').collect(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
                Vec::new()
            }
        };
        let allowed = roles
            .iter()
            .filter_map(|role| self.settings.roles.get(*role));
        let everyone = self.settings.everyone.iter();
        allowed.flatten().chain(everyone).copied().collect()
    }
}

/// The claim of this name, which may have dots in it or lead into objects by them.
fn claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let mut parts = name.split('.');
    let first = claims.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

fn fixed(settings: &JwtSettings) -> Result<DecodingKey, ConfigError> {
    let (key, bytes) = match (&settings.key_file, &settings.key_env) {
        (Some(path), _) => (
            "key_file",
            std::fs::read(path)
                .map_err(|error| wrong("key_file", format!("{}: {error}", path.display())))?,
        ),
        (None, Some(name)) => {
            let value = std::env::var_os(name)
                .ok_or_else(|| wrong("key_env", format!("the variable {name} is not set")))?;
            ("key_env", value.into_encoded_bytes())
        }
        (None, None) => return Err(wrong("key_file", "is missing")),
    };
    let pem = bytes.as_slice();
    let made = match settings.algorithm {
        Algorithm::HS256 => {
            let secret = pem.trim_ascii();
            if secret.len() < SHORTEST_SECRET {
                let message = "the secret of HS256 must have at least 32 bytes: `openssl rand -hex 32` makes one";
                return Err(wrong(key, message));
            }
            return Ok(DecodingKey::from_secret(secret));
        }
        Algorithm::RS256 => DecodingKey::from_rsa_pem(pem),
        Algorithm::ES256 => DecodingKey::from_ec_pem(pem),
        Algorithm::EdDSA => DecodingKey::from_ed_pem(pem),
    };
    made.map_err(|_why| {
        wrong(
            key,
            "holds no public key in PEM that fits access.jwt.algorithm",
        )
    })
}

fn wrong(key: &str, message: impl ToString) -> ConfigError {
    ConfigError::Value {
        key: format!("access.jwt.{key}"),
        message: message.to_string(),
    }
}

/// What the library says, in words that hold nothing of the token.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library may add kinds of errors, and each of them is a token that is not taken"
)]
fn reason(kind: &ErrorKind) -> Reason {
    match kind {
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        ErrorKind::InvalidIssuer => "another issuer has made it",
        ErrorKind::InvalidAudience => "it is for somebody else",
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => {
            "a claim that it must have is missing or malformed"
        }
        ErrorKind::InvalidToken
        | ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm
        | ErrorKind::Base64(_)
        | ErrorKind::Json(_)
        | ErrorKind::Utf8(_) => "it is none",
        // what is left is about making tokens, and about keys
        _ => "it cannot be verified",
    }
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::HS256 => Self::HS256,
            Algorithm::RS256 => Self::RS256,
            Algorithm::ES256 => Self::ES256,
            Algorithm::EdDSA => Self::EdDSA,
        }
    }
}

/// The longest token: headers have room for no more.
const LONGEST: usize = 16 << 10;

/// A secret shorter than its hash is guessed sooner than the hash is.
const SHORTEST_SECRET: usize = 32;
