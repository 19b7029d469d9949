//! The server's certificate: read from its files, and read again when they change.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::settings::TlsSettings;
use crate::config::ConfigError;

/// What new connections are greeted with. Those that are open keep what they were greeted with.
#[derive(Debug)]
pub(crate) struct Certificate {
    settings: TlsSettings,
    config: RwLock<Arc<ServerConfig>>,
    /// What the files held when they were looked at last.
    seen: RwLock<Seen>,
}

/// What was found in the files: their hash, or why they could not be read.
type Seen = Result<[u8; 32], Flaw>;

/// Which setting names a file that does not serve, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Flaw {
    key: &'static str,
    message: String,
}

struct Files {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Certificate {
    /// Reads the files; `None` where the server does not speak TLS.
    ///
    /// # Errors
    /// Where one cannot be read or holds something else, or the two do not belong together.
    pub(crate) fn load(settings: &TlsSettings) -> Result<Option<Arc<Self>>, ConfigError> {
        if !settings.is_on() {
            return Ok(None);
        }
        let read = || -> Result<Self, Flaw> {
            let files = Files::read(settings)?;
            Ok(Self {
                config: RwLock::new(Arc::new(files.config(settings)?)),
                seen: RwLock::new(Ok(files.hash())),
                settings: settings.clone(),
            })
        };
        read()
            .map(Arc::new)
            .map(Some)
            .map_err(|flaw| ConfigError::Value {
                key: flaw.key.to_owned(),
                message: flaw.message,
            })
    }

    /// How the next connection is greeted.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        let config = self.config.read();
        config.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long a handshake may take.
    pub(crate) fn handshake_deadline(&self) -> Duration {
        Duration::from_millis(self.settings.handshake_deadline_ms)
    }

    /// Reads the files again whenever they have changed, until the server stops. What does not serve is told, and
    /// what was there before stays.
    pub(crate) async fn follow(self: Arc<Self>, stopping: CancellationToken) {
        let interval = Duration::from_millis(self.settings.reload_interval_ms);
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(interval) => {}
            }
            let certificate = self.clone();
            // files may be on a medium that is slow
            let looked = tokio::task::spawn_blocking(move || certificate.look());
            if looked.await.is_err() {
                tracing::error!("the certificate could not be looked at");
            }
        }
    }

    fn look(&self) {
        let files = Files::read(&self.settings);
        let found: Seen = files.as_ref().map(Files::hash).map_err(Clone::clone);
        let before = {
            let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *seen, found.clone())
        };
        // what was told once is not told again
        if before == found {
            return;
        }
        match files.and_then(|files| files.config(&self.settings)) {
            Ok(config) => {
                let mut current = self.config.write().unwrap_or_else(PoisonError::into_inner);
                *current = Arc::new(config);
                tracing::info!("a new certificate is served from now on");
            }
            Err(Flaw { key, message }) => {
                tracing::error!("{key}: {message}; the certificate from before is served on");
            }
        }
    }
}

impl Files {
    fn read(settings: &TlsSettings) -> Result<Self, Flaw> {
        let (Some(cert), Some(key)) = (&settings.cert, &settings.key) else {
            return Err(flaw(
                "tls",
                "a certificate and its key come together".into(),
            ));
        };
        Ok(Self {
            cert: read("tls.cert", cert)?,
            key: read("tls.key", key)?,
        })
    }

    fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.cert.len().to_le_bytes());
        hash.update(&self.cert);
        hash.update(&self.key);
        hash.finalize().into()
    }

    fn config(&self, settings: &TlsSettings) -> Result<ServerConfig, Flaw> {
        let named = |path: &Option<std::path::PathBuf>| {
            let path = path.as_deref().unwrap_or(Path::new(""));
            path.display().to_string()
        };
        let (cert, key) = (named(&settings.cert), named(&settings.key));
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&self.cert)
            .collect::<Result<_, pem::Error>>()
            .map_err(|error| flaw("tls.cert", format!("{cert} is no PEM: {error}")))?;
        if chain.is_empty() {
            let message = format!(
                "{cert} holds no certificate: it must be PEM, the server's own first, with BEGIN CERTIFICATE"
            );
            return Err(flaw("tls.cert", message));
        }
        let own = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| {
            let message = format!(
                "{key} holds no key: it must be PEM without a password, with BEGIN PRIVATE KEY ({error})"
            );
            flaw("tls.key", message)
        })?;
        let unfit = |error: rustls::Error| {
            if matches!(error, rustls::Error::InconsistentKeys(_)) {
                let message = format!("{key} is not the key of the certificate in {cert}");
                return flaw("tls.key", message);
            }
            let message = format!("{cert} with {key} cannot be used: {error}");
            flaw("tls.cert", message)
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .with_no_client_auth()
            .with_single_cert(chain, own)
            .map_err(unfit)?;
        config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
        // thousands come back at once after a restart of the network: most of them need no signature
        config.ticketer = ring::Ticketer::new().map_err(unfit)?;
        Ok(config)
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, Flaw> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| flaw(key, format!("{} cannot be read: {error}", path.display())))
}

fn flaw(key: &'static str, message: String) -> Flaw {
    Flaw { key, message }
}

/// The name of HTTP/2 in a handshake.
pub(crate) const H2: &[u8] = b"h2";

/// No chain of certificates is larger.
const LARGEST: u64 = 1 << 20;
