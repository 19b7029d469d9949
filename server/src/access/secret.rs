//! Secrets that this server makes: drawn from the system's randomness, shown once, and kept as their hashes.

use std::fmt;
use std::io;

use sha2::{Digest as _, Sha256};

/// The hash of a secret. 256 random bits need no salt, and no slow hash: nobody can try them all.
pub(crate) type Hash = [u8; 32];

/// A secret. It is not shown by what carries it.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// 256 random bits in hexadecimal, after a prefix that says what they open.
    pub(crate) fn draw(prefix: &str) -> io::Result<Self> {
        let mut bits = [0_u8; 32];
        getrandom::fill(&mut bits).map_err(io::Error::other)?;
        Ok(Self(format!("{prefix}{}", hex(&bits))))
    }

    /// The secret itself, for whoever it was made for.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub(crate) fn hash(&self) -> Hash {
        hash(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What is kept of a secret.
pub(crate) fn hash(secret: &str) -> Hash {
    Sha256::digest(secret.as_bytes()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Begins a token that `stepcast token create` makes.
pub(crate) const TOKEN: &str = "stepcast_token_";
/// Begins what a link to a shared run carries.
pub(crate) const SHARE: &str = "stepcast_share_";
/// Begins a browser's session.
pub(crate) const SESSION: &str = "stepcast_session_";
/// Begins a ticket.
pub(crate) const TICKET: &str = "stepcast_ticket_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_are_not_shown() {
        let (one, other) = (Secret::draw(TOKEN).unwrap(), Secret::draw(TOKEN).unwrap());
        assert_ne!(one, other);
        assert_eq!(one.reveal().len(), TOKEN.len() + 64);
        assert_eq!(format!("{one:?}"), "Secret");
        assert_eq!(hash("abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}
