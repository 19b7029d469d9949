//! The opening handshake (RFC 6455, section 4.2).

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::response::Response;
use bytes::Bytes;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::deflate::Offer;
use crate::access::proof::{CBOR_PROTOCOL, PROTOCOL, protocols};
use crate::error::Problem;
use crate::socket::{Handover, Socket};
use crate::transport::coding::Coding;
use crate::transport::dialect::Encoding;

/// A request that asks for a WebSocket as it should.
#[derive(Debug)]
pub(crate) struct Handshake {
    accept: String,
    /// What the client offers.
    offered: Vec<String>,
    /// Which of them is chosen. One that carries a token is never repeated.
    chosen: Option<&'static str>,
    handover: Handover,
    /// What the client offers of compression that this server takes.
    offer: Option<Offer>,
    compressed: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Handshake {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let wrong = |status, what: &str| {
            let detail = format!(
                "This is a WebSocket endpoint: {what}. Plain HTTP: GET /stream/pipeline/{{id}} or /api/executions/{{id}}/events."
            );
            Problem::new(status, detail)
        };
        let headers = &parts.headers;
        if parts.method != Method::GET || parts.version != Version::HTTP_11 {
            return Err(wrong(StatusCode::BAD_REQUEST, "it takes GET over HTTP/1.1"));
        }
        if !lists(headers, &header::CONNECTION, "upgrade")
            || !lists(headers, &header::UPGRADE, "websocket")
        {
            return Err(wrong(
                StatusCode::UPGRADE_REQUIRED,
                "it takes `Connection: Upgrade` and `Upgrade: websocket`",
            ));
        }
        if headers
            .get(header::SEC_WEBSOCKET_VERSION)
            .is_none_or(|version| version != "13")
        {
            return Err(wrong(
                StatusCode::BAD_REQUEST,
                "it takes `Sec-WebSocket-Version: 13`",
            ));
        }
        let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY) else {
            return Err(wrong(
                StatusCode::BAD_REQUEST,
                "`Sec-WebSocket-Key` is missing",
            ));
        };
        let accept = derive_accept_key(key.as_bytes());
        let handover = parts.extensions.get::<Handover>().cloned();
        let handover = handover.ok_or_else(|| {
            wrong(
                StatusCode::UPGRADE_REQUIRED,
                "this connection cannot be upgraded",
            )
        })?;
        let offer = Offer::first(headers);
        let offered = protocols(headers).map(str::to_owned).collect();
        let mut handshake = Self {
            accept,
            offered,
            chosen: None,
            handover,
            offer,
            compressed: false,
        };
        handshake.choose(PROTOCOL);
        Ok(handshake)
    }
}

impl Handshake {
    /// Chooses this protocol, where the client offers it; whether it does.
    pub(in crate::transport) fn choose(&mut self, protocol: &'static str) -> bool {
        let offered = self.offered.iter().any(|offered| offered == protocol);
        if offered {
            self.chosen = Some(protocol);
        }
        offered
    }

    /// What the client likes best of what frames may be written in.
    pub(in crate::transport) fn encoded(mut self) -> (Self, Encoding) {
        let known = self.offered.iter().find_map(|offered| match &**offered {
            PROTOCOL => Some(Encoding::Json),
            CBOR_PROTOCOL => Some(Encoding::Cbor),
            _ => None,
        });
        let encoding = known.unwrap_or_default();
        if encoding == Encoding::Cbor {
            self.chosen = Some(CBOR_PROTOCOL);
        }
        (self, encoding)
    }

    /// Compresses messages where the client offers it and the settings have it so.
    pub(in crate::transport) fn compressed(mut self, allowed: bool) -> (Self, Option<Coding>) {
        self.compressed = allowed && self.offer.is_some();
        let offer = self.offer.as_ref().filter(|_| self.compressed);
        let coding = offer.map(|offer| Coding::Messages {
            takes_over: offer.takes_over,
        });
        (self, coding)
    }

    /// Switches protocols; `taker` goes on.
    pub(in crate::transport) fn accept<F>(
        self,
        taker: impl FnOnce(Socket, Bytes) -> F + Send + 'static,
    ) -> Response
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.handover.upgrade(taker);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Some(protocol) = self.chosen {
            let protocol = HeaderValue::from_static(protocol);
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        if let Some(offer) = self.offer.filter(|_| self.compressed)
            && let Ok(answer) = HeaderValue::from_str(&offer.answer())
        {
            headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, answer);
        }
        if let Ok(accept) = HeaderValue::from_str(&self.accept) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        response
    }
}

/// Whether a header lists this word.
fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|listed| listed.trim().eq_ignore_ascii_case(word))
}
