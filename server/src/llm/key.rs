//! A secret that proves to a provider who asks.

use std::fmt;

use reqwest::header::HeaderValue;

/// A key. It leaves this type in one way only: as the header of a request, marked as not to be shown.
#[derive(Clone, Eq, PartialEq)]
pub struct ApiKey(String);

impl ApiKey {
    /// A key as the provider has given it; `None` where there is none, or it cannot stand in a header.
    pub fn new(key: &str) -> Option<Self> {
        let key = key.trim();
        let fits = !key.is_empty() && HeaderValue::from_str(key).is_ok();
        fits.then(|| Self(key.to_owned()))
    }

    /// The value of a header, after `prefix`.
    pub(crate) fn header(&self, prefix: &str) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("{prefix}{}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// A text in which this key does not stand: providers may repeat what they were sent.
    pub(crate) fn removed_from(&self, text: &str) -> String {
        text.replace(&self.0, "[key]")
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown_by_what_carries_it() {
        let key = ApiKey::new(" sk-secret\n").unwrap();
        assert_eq!(format!("{key:?}"), "ApiKey");
        let header = key.header("Bearer ").unwrap();
        assert_eq!(format!("{header:?}"), "Sensitive");
        assert_eq!(header.as_bytes(), b"Bearer sk-secret");
        assert_eq!(key.removed_from("no sk-secret here"), "no [key] here");
        assert_eq!(ApiKey::new("\u{1}"), None);
        assert_eq!(ApiKey::new("  "), None);
    }
}
