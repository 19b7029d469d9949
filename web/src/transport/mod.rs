//! Connections: each reports to one sink, owns its closures, and closes when it is dropped.
//!
//! What arrives is handed on as it is; what it means is the client machine's business.

mod poll;
mod sse;
mod websocket;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use js_sys::{Promise, Reflect};
use stepcast_core::client::{ConnectionEnd, Dial, Transport};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Headers, RequestCache, RequestInit, Response};

/// What a connection reports.
#[derive(Clone, Debug)]
pub enum Report<'a> {
    /// A WebSocket's text frame, or the body of a long poll.
    Text(&'a str),
    /// A piece of an SSE body.
    Bytes(&'a [u8]),
    /// It ended; nothing follows.
    Closed(ConnectionEnd),
}

/// Where a connection reports to.
pub type Sink = Rc<dyn Fn(Report<'_>)>;

/// A live connection. Dropping it closes it, and its sink hears nothing more.
pub trait Connection: fmt::Debug {
    /// Sends a text frame, where the transport can.
    fn send(&self, text: &str);
}

/// Opens the connection that `dial` describes. `base` is an origin such as `https://example.org`; `token` is shown as a
/// header, or as a subprotocol where a browser has no headers.
///
/// The sink is never called before this returns.
pub fn open(dial: &Dial, base: &str, token: Option<&str>, sink: Sink) -> Box<dyn Connection> {
    match dial.transport {
        Transport::WebSocket => Box::new(websocket::Socket::open(&url(dial, base), token, sink)),
        Transport::Sse => Box::new(sse::Stream::open(url(dial, base), token, sink)),
        Transport::LongPoll => Box::new(poll::Poll::open(url(dial, base), token, sink)),
    }
}

/// The transports that this host has, in the order of the ladder: Node 20 has no `WebSocket`.
pub fn available() -> Vec<Transport> {
    let global = js_sys::global();
    let has = |name: &str| Reflect::has(&global, &name.into()).unwrap_or(false);
    let mut transports = Vec::with_capacity(3);
    if has("WebSocket") {
        transports.push(Transport::WebSocket);
    }
    transports.extend([Transport::Sse, Transport::LongPoll]);
    transports
}

/// The origin of the page; empty where there is no page.
pub fn page_origin() -> String {
    let location = web_sys::window().map(|window| window.location());
    location
        .and_then(|location| location.origin().ok())
        .unwrap_or_default()
}

/// The address of a dial.
fn url(dial: &Dial, base: &str) -> String {
    let base = base.trim_end_matches('/');
    let path = dial.path();
    match (dial.transport, base.strip_prefix("http")) {
        (Transport::WebSocket, Some(rest)) => format!("ws{rest}{path}"),
        _ => format!("{base}{path}"),
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_name = fetch)]
    fn fetch(url: &str, init: &RequestInit) -> Result<Promise, JsValue>;
}

/// A request under way; dropping it aborts the request.
#[derive(Debug)]
struct Request {
    controller: Option<AbortController>,
}

impl Request {
    /// Runs `exchange` with the promise of a response to a GET of `url`; it is called once, later.
    fn get(
        url: String,
        accept: &'static str,
        token: Option<&str>,
        exchange: impl AsyncFnOnce(Answer) + 'static,
    ) -> Self {
        let controller = AbortController::new().ok();
        let signal = controller.as_ref().map(AbortController::signal);
        let authorization = token.map(|token| format!("Bearer {token}"));
        wasm_bindgen_futures::spawn_local(async move {
            let init = RequestInit::new();
            init.set_method("GET");
            init.set_cache(RequestCache::NoStore);
            init.set_signal(signal.as_ref());
            if let Ok(headers) = Headers::new() {
                // fails for names that are no header names; this is one
                let _ok = headers.set("accept", accept);
                if let Some(authorization) = &authorization {
                    // and for values that no header has: the server answers 401 then
                    let _ok = headers.set("authorization", authorization);
                }
                init.set_headers(&headers);
            }
            let response = match fetch(&url, &init) {
                Ok(promise) => JsFuture::from(promise).await,
                Err(error) => Err(error),
            };
            if signal.as_ref().is_some_and(web_sys::AbortSignal::aborted) {
                return;
            }
            let response = response.ok().and_then(|value| value.dyn_into().ok());
            exchange(Answer { response, signal }).await;
        });
        Self { controller }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if let Some(controller) = &self.controller {
            controller.abort();
        }
    }
}

/// What came of a request: none where the network failed.
struct Answer {
    response: Option<Response>,
    signal: Option<web_sys::AbortSignal>,
}

impl Answer {
    /// Whether nobody waits any more.
    fn aborted(&self) -> bool {
        self.signal
            .as_ref()
            .is_some_and(web_sys::AbortSignal::aborted)
    }

    /// The response, where it is a 200 of this content type.
    fn accepted(&self, content_type: &str) -> Result<&Response, ConnectionEnd> {
        let response = self.response.as_ref().ok_or(ConnectionEnd::Broken)?;
        let header = |name: &str| response.headers().get(name).ok().flatten();
        if response.status() != 200 {
            let retry_after = header("retry-after").and_then(|text| text.trim().parse().ok());
            return Err(ConnectionEnd::Http {
                status: response.status(),
                retry_after: retry_after.map(Duration::from_secs),
            });
        }
        // a captive portal answers 200 with a page of its own
        match header("content-type") {
            Some(found) if found.starts_with(content_type) => Ok(response),
            _ => Err(ConnectionEnd::Broken),
        }
    }
}

#[cfg(test)]
mod tests {
    use stepcast_core::client::Generation;
    use stepcast_core::filter::Filter;
    use stepcast_core::id::Position;

    use super::*;

    #[test]
    fn a_dial_becomes_an_address() {
        let mut dial = Dial {
            generation: Generation(1),
            transport: Transport::WebSocket,
            execution_id: "run-1".parse().unwrap(),
            after: Position::Earliest,
            filter: Filter::default(),
            pace: None,
            manner: stepcast_core::fidelity::Manner::default(),
            wait: Duration::ZERO,
        };
        let address = url(&dial, "https://example.org/");
        assert_eq!(address, "wss://example.org/ws/pipeline/run-1?batch=true");
        dial.transport = Transport::Sse;
        let address = url(&dial, "http://h:1");
        assert_eq!(address, "http://h:1/stream/pipeline/run-1");
    }
}
