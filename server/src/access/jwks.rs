//! The keys that an issuer publishes: kept, taken anew after a while, and asked for where a token names one that is
//! not there yet.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jsonwebtoken::jwk::{JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::time::Instant;

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct Jwks {
    url: String,
    client: reqwest::Client,
    algorithm: Algorithm,
    refresh: Duration,
    again: Duration,
    kept: Mutex<Kept>,
    /// Held by whoever asks the issuer; when it was asked last.
    asking: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    keys: Arc<Vec<Published>>,
    since: Option<Instant>,
}

/// A key that may verify our tokens.
#[derive(Debug)]
struct Published {
    kid: Option<String>,
    key: Arc<DecodingKey>,
}

impl Jwks {
    pub(super) fn new(
        url: &str,
        algorithm: Algorithm,
        refresh: Duration,
        again: Duration,
    ) -> Result<Self, reqwest::Error> {
        // Fails where a provider is installed already, which is as good.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .user_agent(concat!("stepcast/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self {
            url: url.to_owned(),
            client,
            algorithm,
            refresh,
            again,
            kept: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        })
    }

    /// The keys that may have signed a token that names `kid`, or none.
    pub(super) async fn keys(&self, kid: Option<&str>) -> Vec<Arc<DecodingKey>> {
        let kept = self.kept();
        let found = kept.of(kid);
        if !found.is_empty() && !kept.is_older_than(self.refresh) {
            return found;
        }
        // old keys are good while somebody else fetches the new ones; without any, there is nothing but to wait
        let asking = if found.is_empty() {
            Some(self.asking.lock().await)
        } else {
            self.asking.try_lock().ok()
        };
        let Some(mut asked) = asking else {
            return found;
        };
        let kept = self.kept();
        let found = kept.of(kid);
        let due = found.is_empty() || kept.is_older_than(self.refresh);
        if due && asked.is_none_or(|asked| asked.elapsed() >= self.again) {
            *asked = Some(Instant::now());
            self.fetch().await;
            return self.kept().of(kid);
        }
        found
    }

    /// Takes the keys anew. Where that fails, those that are there stay for a day.
    async fn fetch(&self) {
        match self.published().await {
            Ok(keys) => {
                tracing::info!(keys = keys.len(), "took the issuer's keys");
                let (keys, since) = (Arc::new(keys), Some(Instant::now()));
                *self.lock() = Kept { keys, since };
            }
            Err(error) => {
                tracing::warn!(%error, url = %self.url, "the issuer's keys could not be taken");
                let mut kept = self.lock();
                if kept.is_older_than(LONGEST_KEPT) {
                    *kept = Kept::default();
                }
            }
        }
    }

    async fn published(&self) -> Result<Vec<Published>, String> {
        let answer = self.client.get(&self.url).send().await;
        let mut response = answer.map_err(|error| error.without_url().to_string())?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("the answer is {}", response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| error.without_url().to_string())?
        {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST {
                return Err("the answer is no set of keys: it is too large".to_owned());
            }
        }
        self.read(&body)
    }

    /// The keys of a set that are for signatures by our algorithm. Those of other kinds are none of ours.
    fn read(&self, body: &[u8]) -> Result<Vec<Published>, String> {
        let set: JwkSet = serde_json::from_slice(body)
            .map_err(|error| format!("the answer is no set of keys: {error}"))?;
        let ours = set.keys.iter().filter(|jwk| {
            let common = &jwk.common;
            let signs = common
                .public_key_use
                .as_ref()
                .is_none_or(|it| *it == PublicKeyUse::Signature);
            signs
                && common
                    .key_algorithm
                    .is_none_or(|it| it == named(self.algorithm))
        });
        let keys = ours.filter_map(|jwk| {
            let key = DecodingKey::from_jwk(jwk).ok()?;
            (key.family() == self.algorithm.family()).then(|| Published {
                kid: jwk.common.key_id.clone(),
                key: Arc::new(key),
            })
        });
        Ok(keys.take(MOST).collect())
    }

    fn kept(&self) -> Kept {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn of(&self, kid: Option<&str>) -> Vec<Arc<DecodingKey>> {
        let named = |key: &&Published| kid.is_none() || key.kid.as_deref() == kid;
        let found = self.keys.iter().filter(named);
        found.map(|published| published.key.clone()).collect()
    }

    fn is_older_than(&self, age: Duration) -> bool {
        self.since.is_none_or(|since| since.elapsed() > age)
    }
}

fn named(algorithm: Algorithm) -> KeyAlgorithm {
    // both are written as in RFC 7518
    format!("{algorithm:?}")
        .parse()
        .unwrap_or(KeyAlgorithm::UNKNOWN_ALGORITHM)
}

/// How long the issuer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A set of keys has some hundred bytes a key.
const LARGEST: usize = 1 << 20;

/// Keys of one issuer: a token that names none is tried with each.
const MOST: usize = 32;

/// Keys that cannot be taken anew are good for so long.
const LONGEST_KEPT: Duration = Duration::from_secs(24 * 3_600);
