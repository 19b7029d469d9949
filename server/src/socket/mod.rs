//! Accepts connections, speaks TLS and HTTP on them, and hands those that become streams over.

mod door;
mod handover;
mod http1;
mod http2;
mod io;
mod patience;
mod stream;
pub(crate) mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use self::door::Door;
use self::door::Entry;
pub(crate) use self::handover::Handover;
pub(crate) use self::http2::is_reset;
use self::io::Deadlined;
pub(crate) use self::io::stopped_reading;
pub(crate) use self::stream::Socket;
use self::tls::{Certificate, H2};
use crate::edge::{Source, Way};
use crate::limits::LimitSettings;

/// What every connection is served with.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    /// What answers.
    pub(crate) way: Way,
    /// Whom the server says it is; `None` where it speaks in clear.
    pub(crate) certificate: Option<Arc<Certificate>>,
    /// How long a write may make no progress.
    pub(crate) write_deadline: Duration,
    /// What a request may take.
    pub(crate) http: HttpLimits,
    /// Who gets in.
    pub(crate) door: Door,
    /// Ends the accepting, and each connection after the request it is at.
    pub(crate) stopping: CancellationToken,
    /// The connections, those that were handed over too.
    pub(crate) open: TaskTracker,
}

/// What a request may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HttpLimits {
    head_bytes: usize,
    head_fields: usize,
    head: Duration,
    idle: Duration,
    silent_peer: Option<Duration>,
}

impl From<&LimitSettings> for HttpLimits {
    fn from(limits: &LimitSettings) -> Self {
        Self {
            head_bytes: limits.head_bytes,
            head_fields: limits.head_fields,
            head: Duration::from_millis(limits.head_deadline_ms),
            idle: Duration::from_millis(limits.idle_deadline_ms),
            silent_peer: limits.silent_peer(),
        }
    }
}

impl Connections {
    /// Accepts until the server stops.
    pub(crate) async fn serve(self, listener: TcpListener) {
        if INHERITED {
            self.set(SockRef::from(&listener));
        }
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stopping.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => match self.door.enter(Some(peer.ip())) {
                    Some(entry) => {
                        // boxed: the socket remembers the task that waited for it last, and with that all of its room,
                        // for as long as a stream then has the socket
                        self.open
                            .spawn(Box::pin(self.clone().connection(stream, peer, entry)));
                    }
                    None => self.door.refuse(stream, self.certificate.is_none()),
                },
                // a connection that broke before it was taken is its own affair; out of file handles, others must close first
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "connections cannot be accepted, trying again");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }

    async fn connection(self, stream: TcpStream, peer: SocketAddr, entry: Entry) {
        if !INHERITED {
            self.set(SockRef::from(&stream));
        }
        let peer = Source::peer(Some(peer), self.certificate.is_some());
        let stream = Deadlined::new(stream, self.write_deadline);
        match &self.certificate {
            // each in a box: this task then has room for neither
            None => Box::pin(self.http1(stream, peer, entry)).await,
            Some(certificate) => {
                // a frame of its own: the handshake's state goes before HTTP begins
                let greeted = Box::pin(self.greet(certificate, stream)).await;
                match greeted {
                    Some(stream) if speaks_http2(&stream) => {
                        Box::pin(self.http2(stream, peer)).await;
                    }
                    Some(stream) => Box::pin(self.http1(stream, peer, entry)).await,
                    None => {}
                }
            }
        }
    }

    /// Sets a connection, or a listener.
    fn set(&self, socket: SockRef<'_>) {
        // Events are small and each is wanted at once.
        if let Err(error) = socket.set_tcp_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        if let Some(silence) = self.http.silent_peer
            && let Err(error) = watch_peer(&socket, silence)
        {
            tracing::debug!(%error, "a silent peer will not be noticed");
        }
    }

    /// The handshake of TLS, in its time.
    async fn greet(
        &self,
        certificate: &Certificate,
        stream: Deadlined,
    ) -> Option<TlsStream<Deadlined>> {
        let acceptor = TlsAcceptor::from(certificate.config());
        let accepted = tokio::select! {
            () = self.stopping.cancelled() => return None,
            accepted = tokio::time::timeout(
                certificate.handshake_deadline(),
                acceptor.accept(stream),
            ) => accepted,
        };
        match accepted {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_elapsed) => tracing::debug!("a TLS handshake took too long"),
        }
        None
    }
}

/// Lets the system end a connection whose peer acknowledges nothing for so long, asked or not.
fn watch_peer(socket: &SockRef<'_>, silence: Duration) -> std::io::Result<()> {
    let second = Duration::from_secs(1);
    let keepalive = TcpKeepalive::new()
        .with_time((silence / 2).max(second))
        .with_interval((silence / 8).max(second));
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(silence))?;
    Ok(())
}

fn speaks_http2(stream: &TlsStream<Deadlined>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(H2)
}

fn is_of_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    )
}

/// Whether connections are set as the listener is that accepts them: five system calls less for each.
const INHERITED: bool = cfg!(target_os = "linux");

/// How long accepting rests after an error of the system's.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_set_as_its_listener_is() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = SockRef::from(&listener);
        socket.set_tcp_nodelay(true).unwrap();
        watch_peer(&socket, Duration::from_secs(40)).unwrap();
        let address = listener.local_addr().unwrap();
        let (peer, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let ((stream, _), _peer) = (accepted.unwrap(), peer.unwrap());
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(
            socket.tcp_keepalive_time().unwrap(),
            Duration::from_secs(20)
        );
        assert_eq!(
            socket.tcp_keepalive_interval().unwrap(),
            Duration::from_secs(5)
        );
        assert_eq!(
            socket.tcp_user_timeout().unwrap(),
            Some(Duration::from_secs(40))
        );
    }
}
