//! Subscribers under TLS to whom nothing happens: what is looked at is the memory of the server.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::subscriber::request;
use crate::job::{Job, Report, Target, Wire};
use crate::machine;

/// Attaches all, and tells what they add.
pub(super) fn idle(job: &Job) -> Report {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(attached(job))
}

async fn attached(job: &Job) -> Report {
    let memory = || machine::memory_kib(&job.target.pids);
    let bare = memory();
    let total = job.shape.streams * job.shape.subscribers;
    let each = match job.shape.wire {
        Wire::Clear | Wire::Tls => 1,
        Wire::Http2 { streams } => streams,
    };
    let config = Arc::new(trusting(job.shape.wire));
    let few = Arc::new(Semaphore::new(CONNECTING));
    let mut attaching = JoinSet::new();
    for first in (0..total).step_by(each) {
        let numbers = first..total.min(first + each);
        let (target, few) = (job.target.clone(), few.clone());
        let (connector, streams) = (TlsConnector::from(config.clone()), job.shape.streams);
        attaching.spawn(async move {
            let _one_of_few = few.acquire().await.unwrap();
            let stream = connect(&target, connector).await;
            let paths = numbers.map(|number| number % streams);
            if each == 1 && stream.get_ref().1.alpn_protocol().is_none() {
                vec![Held::Whole(Box::new(one(&target, stream, paths).await))]
            } else {
                many(&target, stream, paths).await
            }
        });
    }
    let held = attaching.join_all().await;
    tokio::time::sleep(SETTLE).await;
    let full = memory();
    tokio::time::sleep(Duration::from_secs_f64(job.seconds)).await;
    let end = memory();
    drop(held);
    Report {
        seconds: job.seconds,
        memory_kib: [bare, full, end],
        ..Report::default()
    }
}

/// What keeps a subscriber attached.
enum Held {
    Whole(#[expect(dead_code, reason = "held until it is dropped")] Box<TlsStream<TcpStream>>),
    Part(#[expect(dead_code, reason = "held until it is dropped")] h2::RecvStream),
}

async fn connect(target: &Target, connector: TlsConnector) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(target.http).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    connector.connect(name, stream).await.unwrap()
}

/// HTTP/1.1: a connection is a subscriber.
async fn one(
    target: &Target,
    mut stream: TlsStream<TcpStream>,
    mut paths: impl Iterator<Item = usize>,
) -> TlsStream<TcpStream> {
    let request = request(target, paths.next().unwrap_or_default(), None);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while memchr::memmem::find(&read, b"hello").is_none() {
        let more = stream.read_buf(&mut read).await.unwrap();
        assert!(more > 0, "refused: {}", String::from_utf8_lossy(&read));
    }
    stream
}

/// HTTP/2: a stream is a subscriber.
async fn many(
    target: &Target,
    stream: TlsStream<TcpStream>,
    paths: impl Iterator<Item = usize>,
) -> Vec<Held> {
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(async move {
        let _until_dropped = connection.await;
    });
    let mut held = Vec::new();
    for path in paths {
        let path = target.path.replace("{run}", &format!("run-{path}"));
        let request = axum::http::Request::get(format!("https://localhost{path}"))
            .header("accept", "text/event-stream")
            .body(())
            .unwrap();
        client = client.ready().await.unwrap();
        let (response, _) = client.send_request(request, true).unwrap();
        let mut body = response.await.unwrap().into_body();
        let first: Bytes = body.data().await.unwrap().unwrap();
        assert!(memchr::memmem::find(&first, b"hello").is_some());
        body.flow_control().release_capacity(first.len()).unwrap();
        held.push(Held::Part(body));
    }
    held
}

/// A client that takes any certificate: the server's is made for the moment.
fn trusting(wire: Wire) -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    if matches!(wire, Wire::Http2 { .. }) {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    config
}

#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Handshakes at once: they cost the server some milliseconds each.
const CONNECTING: usize = 32;

/// What a server is given after the last one is attached.
const SETTLE: Duration = Duration::from_secs(1);
