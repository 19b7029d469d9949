//! A server under TLS, and clients that trust its issuer.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use stepcast::config::Config;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::{Server, Ws, soon};

/// Who issues certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
}

/// A server with a certificate of an authority of its own.
pub(crate) struct Secured {
    /// Its client speaks HTTP/2.
    pub(crate) server: Server,
    pub(crate) authority: Authority,
    /// Speaks HTTP/1.1 only.
    pub(crate) old_client: reqwest::Client,
    /// Where the certificate and its key are.
    pub(crate) files: (PathBuf, PathBuf),
    /// Removed when this is dropped.
    folder: tempfile::TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority for tests");
        let own = params.self_signed(&key).unwrap();
        Self {
            pem: own.pem(),
            der: own.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Issues a certificate for this machine; the certificate and its key, in PEM.
    pub(crate) fn issue(&self) -> (String, String) {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// A client that trusts it.
    pub(crate) fn client(&self) -> reqwest::ClientBuilder {
        let _already = rustls::crypto::ring::default_provider().install_default();
        let root = reqwest::Certificate::from_pem(self.pem.as_bytes()).unwrap();
        reqwest::Client::builder().tls_certs_only([root])
    }
}

impl Secured {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let authority = Authority::new();
        let folder = tempfile::tempdir().unwrap();
        let files = (folder.path().join("c.pem"), folder.path().join("k.pem"));
        let (cert, key) = authority.issue();
        std::fs::write(&files.0, cert).unwrap();
        std::fs::write(&files.1, key).unwrap();
        let mut server = Server::with(|config| {
            config.tls.cert = Some(files.0.clone());
            config.tls.key = Some(files.1.clone());
            change(config);
        })
        .await;
        server.client = authority.client().build().unwrap();
        Self {
            old_client: authority.client().http1_only().build().unwrap(),
            server,
            authority,
            files,
            folder,
        }
    }

    /// The authority's certificate in a file.
    pub(crate) fn authority_file(&self) -> PathBuf {
        let file = self.folder.path().join("authority.pem");
        std::fs::write(&file, &self.authority.pem).unwrap();
        file
    }

    /// A connection whose handshake is done, for these protocols.
    pub(crate) async fn connect(&self, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(&self.server.address).await.unwrap();
        self.secure(stream, protocols).await
    }

    /// One that has little room for what it does not read.
    pub(crate) async fn connect_narrow(&self) -> TlsStream<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let address = self.server.address.parse().unwrap();
        let stream = socket.connect(address).await.unwrap();
        self.secure(stream, &[]).await
    }

    async fn secure(&self, stream: TcpStream, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der.clone()).unwrap();
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        soon(connecting).await.unwrap()
    }

    pub(crate) async fn ws(&self, path: &str) -> Ws<TlsStream<TcpStream>> {
        let stream = self.connect(&[b"http/1.1"]).await;
        let url = format!("wss://{}{path}", self.server.address);
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        Ws(socket)
    }

    pub(crate) async fn stop(self) {
        self.server.stop().await;
    }
}

/// The certificate that the other side has shown.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let shown = stream.get_ref().1.peer_certificates().unwrap();
    shown[0].clone().into_owned()
}

/// Replaces a file as careful programs do: beside its place, then renamed.
pub(crate) fn replace(path: &Path, content: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, content).unwrap();
    std::fs::rename(beside, path).unwrap();
}
