//! The settings of TLS, `[tls]` in the file.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Whether the server speaks TLS, and as whom. `docs/configuration.md` holds it as a table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSettings {
    /// A file with the server's certificate and those that lead to its issuer, PEM. Without it TLS is not spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// A file with the key of the certificate, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// How often it is looked whether the two files have changed, in milliseconds.
    pub reload_interval_ms: u64,
    /// A handshake that takes longer than this ends the connection, in milliseconds.
    pub handshake_deadline_ms: u64,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            cert: None,
            key: None,
            reload_interval_ms: 5_000,
            handshake_deadline_ms: 10_000,
        }
    }
}

impl TlsSettings {
    /// Whether the server speaks TLS.
    pub fn is_on(&self) -> bool {
        self.cert.is_some()
    }

    /// Whether the values fit together; else the key, and what to do.
    pub(crate) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        match (&self.cert, &self.key) {
            (Some(_), None) => {
                return Err((
                    "tls.key",
                    "is missing: name the file with the key of `tls.cert`",
                ));
            }
            (None, Some(_)) => {
                return Err((
                    "tls.cert",
                    "is missing: name the file with the certificate that `tls.key` belongs to",
                ));
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        if self.reload_interval_ms < 100 {
            return Err(("tls.reload_interval_ms", "must be at least 100"));
        }
        if self.handshake_deadline_ms < 100 {
            return Err(("tls.handshake_deadline_ms", "must be at least 100"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::TlsSettings;

    #[test]
    fn a_certificate_and_its_key_come_together() {
        let of = |cert: Option<&str>, key: Option<&str>| TlsSettings {
            cert: cert.map(Into::into),
            key: key.map(Into::into),
            ..TlsSettings::default()
        };
        assert_eq!(of(None, None).check(), Ok(()));
        assert_eq!(of(Some("c"), Some("k")).check(), Ok(()));
        assert_eq!(of(Some("c"), None).check().unwrap_err().0, "tls.key");
        assert_eq!(of(None, Some("k")).check().unwrap_err().0, "tls.cert");
    }
}
