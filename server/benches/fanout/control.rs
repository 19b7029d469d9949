//! The connection over which the load generator asks a server for events: one line a wish.
//!
//! The producer is in the server's process, as a pipeline is. The same few bytes are part of every server's bill.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wish {
    /// So many events of a stream, at once.
    Emit { stream: usize, count: u64 },
    /// An answer, once all that was asked for is committed.
    Report,
}

/// Takes wishes out of bytes; what is no whole line is left.
pub(crate) fn wishes(bytes: &mut Vec<u8>) -> Vec<Wish> {
    let mut wishes = Vec::new();
    let mut from = 0;
    while let Some(length) = memchr::memchr(b'\n', &bytes[from..]) {
        let line = std::str::from_utf8(&bytes[from..from + length]).unwrap();
        let mut words = line.split(' ');
        wishes.push(match words.next() {
            Some("emit") => Wish::Emit {
                stream: words.next().unwrap().parse().unwrap(),
                count: words.next().unwrap().parse().unwrap(),
            },
            _ => Wish::Report,
        });
        from += length + 1;
    }
    bytes.drain(..from);
    wishes
}

/// A producer on tokio.
pub(crate) trait Producer {
    fn emit(&mut self, stream: usize, count: u64) -> impl Future<Output = ()>;

    /// Waits until there is something to do without being asked for; for ever where there will be nothing.
    fn due(&self) -> impl Future<Output = ()> {
        std::future::pending()
    }

    /// Does it.
    fn tick(&mut self) -> impl Future<Output = ()> {
        async {}
    }

    /// The answer to [`Wish::Report`]: JSON.
    fn report(&mut self) -> impl Future<Output = String> {
        async { "{}".to_owned() }
    }
}

/// Listens for the one control connection.
pub(crate) async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Does what is asked for, one connection after another.
pub(crate) async fn obey(listener: TcpListener, mut producer: impl Producer) {
    loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        let mut bytes = Vec::with_capacity(64 << 10);
        loop {
            let read = tokio::select! {
                read = socket.read_buf(&mut bytes) => read,
                () = producer.due() => {
                    producer.tick().await;
                    continue;
                }
            };
            if !read.is_ok_and(|read| read > 0) {
                break;
            }
            for wish in wishes(&mut bytes) {
                match wish {
                    Wish::Emit { stream, count } => producer.emit(stream, count).await,
                    Wish::Report => {
                        let answer = producer.report().await + "\n";
                        socket.write_all(answer.as_bytes()).await.unwrap();
                    }
                }
            }
        }
    }
}
