//! How many connections there may be, from one address and in all, and what those hear that find no room.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Config;
use crate::edge::{self, Network};
use crate::limits::{Counts, Place};

/// Lets connections in; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    room: Option<Arc<Semaphore>>,
    /// Connections of one address; none where that is not counted.
    most_of_one: Option<usize>,
    of_each: Counts<Network>,
    /// These speak for many.
    proxies: Arc<[IpNet]>,
    /// Those that are told that there is no room.
    refusals: Arc<Semaphore>,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    _of_all: Option<OwnedSemaphorePermit>,
    _of_one: Option<Place<Network>>,
}

impl Door {
    pub(crate) fn new(config: &Config) -> Self {
        let limits = &config.limits;
        let limit = |value: usize| (value > 0).then_some(value);
        Self {
            room: limit(limits.connections)
                .map(|most| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)))),
            most_of_one: limit(limits.connections_per_address),
            of_each: Counts::default(),
            proxies: edge::trusted(&config.edge).into(),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
        }
    }

    /// Lets a connection in from there, where there is room.
    pub(super) fn enter(&self, address: Option<IpAddr>) -> Option<Entry> {
        let of_all = match &self.room {
            Some(room) => Some(room.clone().try_acquire_owned().ok()?),
            None => None,
        };
        let address = address.map(|it| it.to_canonical());
        let counted = address.filter(|it| !self.proxies.iter().any(|net| net.contains(it)));
        let of_one = match (self.most_of_one, counted) {
            (Some(most), Some(address)) => Some(self.of_each.enter(Network::of(address), most)?),
            (None, _) | (_, None) => None,
        };
        Some(Entry {
            _of_all: of_all,
            _of_one: of_one,
        })
    }

    /// Tells a connection that there is no room. Where too many hear that already, it is closed without a word.
    pub(super) fn refuse(&self, stream: TcpStream, in_clear: bool) {
        let Some(permit) = self.refusals.clone().try_acquire_owned().ok() else {
            return;
        };
        if !in_clear {
            // a handshake costs more than the word is worth
            return;
        }
        tokio::spawn(async move {
            let told = tokio::time::timeout(REFUSING, tell(stream)).await;
            if !matches!(told, Ok(Ok(()))) {
                tracing::debug!("a connection was refused, and not told so");
            }
            drop(permit);
        });
    }
}

/// Writes the refusal, and reads what the client sends meanwhile: to close before that would take it back.
async fn tell(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(FULL.as_bytes()).await?;
    stream.shutdown().await?;
    let mut sent = [0; 1024];
    let mut left = FORGIVEN;
    while left > 0 {
        match stream.read(&mut sent).await? {
            0 => break,
            read => left = left.saturating_sub(read),
        }
    }
    Ok(())
}

/// What is said, to whatever was asked.
const FULL: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
cache-control: no-store\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 158\r\n\r\n\
{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\
\"detail\":\"There are too many connections; the settings are limits.connections and the like.\"}";

/// Connections that are told at once.
const REFUSALS: usize = 256;

/// How long telling one may take.
const REFUSING: Duration = Duration::from_secs(2);

/// Bytes of a request that are read after the refusal.
const FORGIVEN: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::FULL;

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        let (head, body) = FULL.split_once("\r\n\r\n").unwrap();
        assert!(
            head.ends_with(&format!("content-length: {}", body.len())),
            "{}",
            body.len()
        );
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"], 503);
    }
}
