//! Server-sent events by `fetch`: unlike `EventSource` it shows the status and can stop for good.

use js_sys::{Reflect, Uint8Array};
use stepcast_core::client::ConnectionEnd;
use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::ReadableStreamDefaultReader;

use super::{Answer, Connection, Report, Request, Sink};

#[derive(Debug)]
pub(super) struct Stream {
    _request: Request,
}

impl Stream {
    pub(super) fn open(url: String, token: Option<&str>, sink: Sink) -> Self {
        let exchange = async move |answer: Answer| {
            let end = read(&answer, &sink).await;
            if !answer.aborted() {
                sink(Report::Closed(end));
            }
        };
        Self {
            _request: Request::get(url, "text/event-stream", token, exchange),
        }
    }
}

impl Connection for Stream {
    fn send(&self, _text: &str) {}
}

/// Hands on the body's pieces until it ends. The next piece is asked for after the last was taken.
async fn read(answer: &Answer, sink: &Sink) -> ConnectionEnd {
    let response = match answer.accepted("text/event-stream") {
        Ok(response) => response,
        Err(end) => return end,
    };
    let Some(reader) = response.body().and_then(|body| {
        body.get_reader()
            .dyn_into::<ReadableStreamDefaultReader>()
            .ok()
    }) else {
        return ConnectionEnd::Broken;
    };
    while let Ok(piece) = JsFuture::from(reader.read()).await {
        if answer.aborted() {
            break;
        }
        let field = |name: &str| Reflect::get(&piece, &name.into()).unwrap_or(JsValue::UNDEFINED);
        if field("done").is_truthy() {
            break;
        }
        let Ok(bytes) = field("value").dyn_into::<Uint8Array>() else {
            break;
        };
        sink(Report::Bytes(&bytes.to_vec()));
    }
    ConnectionEnd::Broken
}
