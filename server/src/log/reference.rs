//! Which execution refers to which files.
//!
//! A reference is kept in the transaction of the event that announces the file, and goes in the transaction that takes
//! the execution away. A file whose references have gone is *loose*: what is noted as loose may be removed, once nothing
//! refers to it any more.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use stepcast_core::id::Seq;
use thiserror::Error;

use super::store::StoreError;

/// The SHA-256 of a file's content.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ContentHash([u8; 32]);

/// A text that is no hash.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("a SHA-256 is 64 digits of 0-9 and a-f")]
pub struct NoHash;

/// A file that an execution refers to.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Artifact {
    /// The event that announces it.
    pub seq: Seq,
    /// Its name.
    pub name: String,
    /// Its type, such as `image/png`.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
    /// The hash of its content.
    pub sha256: ContentHash,
}

/// What a store knows of files.
pub trait References {
    /// What an execution refers to, in the order of the announcements.
    ///
    /// # Errors
    /// Where the medium fails.
    fn artifacts(&self, key: i64) -> Result<Vec<Artifact>, StoreError>;

    /// The newest reference of an execution to this content.
    ///
    /// # Errors
    /// Where the medium fails.
    fn artifact(&self, key: i64, sha256: &ContentHash) -> Result<Option<Artifact>, StoreError>;

    /// How many references an execution has, and the sum of their sizes.
    ///
    /// # Errors
    /// Where the medium fails.
    fn artifact_sum(&self, key: i64) -> Result<(u64, u64), StoreError>;

    /// Whether any execution refers to this content.
    ///
    /// # Errors
    /// Where the medium fails.
    fn is_referenced(&self, sha256: &ContentHash) -> Result<bool, StoreError>;

    /// Contents of which a reference has gone, a bounded number of them.
    ///
    /// # Errors
    /// Where the medium fails.
    fn loose(&self, at_most: usize) -> Result<Vec<ContentHash>, StoreError>;

    /// These have been looked after.
    ///
    /// # Errors
    /// Where the medium fails.
    fn forget_loose(&self, contents: &[ContentHash]) -> Result<(), StoreError>;
}

impl Artifact {
    /// What a step gives of a file that it has made.
    pub fn described(&self) -> serde_json::Value {
        serde_json::json!({
            "name": self.name,
            "media_type": self.media_type,
            "size": self.size,
            "sha256": self.sha256,
        })
    }
}

impl ContentHash {
    /// Of these 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ContentHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for ContentHash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(NoHash),
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut bytes = [0; 32];
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(NoHash);
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::ContentHash;

    #[test]
    fn a_hash_is_written_in_one_way_only() {
        let text = "0123456789abcdef".repeat(4);
        assert_eq!(text.parse::<ContentHash>().unwrap().to_string(), text);
        let upper = text.to_uppercase();
        for wrong in [&text[1..], &upper, "", &format!("{text}0")] {
            assert!(wrong.parse::<ContentHash>().is_err(), "{wrong}");
        }
        // as many bytes, and one character of two
        assert!(
            format!("é{}", "0".repeat(62))
                .parse::<ContentHash>()
                .is_err()
        );
    }
}
