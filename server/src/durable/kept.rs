//! What a stream is made with, as it is kept along with its execution.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A stream that somebody made: its execution holds what they append, and nothing else.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    /// In lower case.
    pub(crate) content_type: String,
    /// How long nobody may read or write before it is taken away, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ttl_seconds: Option<u64>,
    /// When it is taken away, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<String>,
}

impl Kept {
    /// What these headers ask for.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn of(
        content_type: Option<&str>,
        ttl: Option<&str>,
        expires_at: Option<&str>,
    ) -> Result<Self, &'static str> {
        let content_type = content_type.map_or(Ok(UNNAMED.to_owned()), normal)?;
        if ttl.is_some() && expires_at.is_some() {
            return Err("Stream-TTL and Stream-Expires-At do not go together.");
        }
        if let Some(text) = expires_at {
            text.parse::<Timestamp>()
                .map_err(|_none| "Stream-Expires-At is a time as RFC 3339 writes it.")?;
        }
        Ok(Self {
            content_type,
            ttl_seconds: ttl.map(seconds).transpose()?,
            expires_at: expires_at.map(str::to_owned),
        })
    }

    /// The time at which it is taken away, in milliseconds since 1970.
    pub(crate) fn expires_millis(&self) -> Option<u64> {
        let at: Timestamp = self.expires_at.as_deref()?.parse().ok()?;
        Some(u64::try_from(at.as_millisecond()).unwrap_or_default())
    }

    /// Whether it is taken away some time, by whatever it was made with.
    pub(crate) fn is_fleeting(&self) -> bool {
        self.ttl_seconds.is_some() || self.expires_at.is_some()
    }
}

/// A content type in lower case: two are the same whatever their case.
///
/// # Errors
/// Where it is none.
pub(super) fn normal(text: &str) -> Result<String, &'static str> {
    let wrong = "Content-Type is TYPE/SUBTYPE, with parameters or without, of at most 256 bytes.";
    let media = text.split(';').next().unwrap_or_default().trim();
    let is_token = |text: &str| {
        let is_of = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
        !text.is_empty() && text.bytes().all(is_of)
    };
    let (kind, rest) = media.split_once('/').ok_or(wrong)?;
    let visible = text.bytes().all(|b| (b' '..=b'~').contains(&b));
    if text.len() > LONGEST || !visible || !is_token(kind) || !is_token(rest) {
        return Err(wrong);
    }
    Ok(text.trim().to_ascii_lowercase())
}

/// Seconds in digits, without a sign, a fraction or zeros in front.
fn seconds(text: &str) -> Result<u64, &'static str> {
    let plain = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let seconds = (plain && digits).then(|| text.parse().ok()).flatten();
    seconds.ok_or("Stream-TTL is a number of seconds, in digits and without zeros in front.")
}

/// What a stream is that nobody says anything of.
const UNNAMED: &str = "application/octet-stream";

/// A longer content type is none.
const LONGEST: usize = 256;
