//! The pieces of the client, for programs with a connection of their own.

use js_sys::{Array, Uint8Array};
use serde_json::{Value, json};
use stepcast_core::control::{ControlFrame, GapReason};
use stepcast_core::view::RunView;
use stepcast_core::wire::close;
use stepcast_core::wire::frame::ServerFrame;
use stepcast_core::wire::sse::{Item, Reader};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use super::value::{json_text, to_js};

/// Reads one frame: `{ "kind": "event" | "control" | "unknown_control", "frame": … }`.
///
/// # Errors
/// Where the text is no frame.
#[wasm_bindgen(js_name = parseFrame)]
pub fn parse_frame(text: &str) -> Result<JsValue, JsError> {
    let (kind, frame) = match ServerFrame::parse(text)? {
        ServerFrame::Event(event) => ("event", serde_json::to_value(event)?),
        ServerFrame::Control(frame) => ("control", serde_json::to_value(frame)?),
        ServerFrame::UnknownControl(frame) => ("unknown_control", frame),
    };
    to_js(&json!({"kind": kind, "frame": frame}))
}

/// Reads an SSE body that came in pieces of text or bytes: messages, retries and comments, in order.
///
/// # Errors
/// Where a piece is neither text nor bytes.
#[wasm_bindgen(js_name = readSse)]
pub fn read_sse(chunks: Array) -> Result<JsValue, JsError> {
    let (mut reader, mut items) = (Reader::default(), Vec::new());
    for chunk in chunks {
        let bytes = match (chunk.as_string(), chunk.dyn_into::<Uint8Array>()) {
            (Some(text), _) => text.into_bytes(),
            (None, Ok(bytes)) => bytes.to_vec(),
            (None, Err(_)) => return Err(JsError::new("a piece is a string or a Uint8Array")),
        };
        reader.push(&bytes, &mut items)?;
    }
    let items: Vec<Value> = items
        .into_iter()
        .map(|item| match item {
            Item::Message(message) => json!({"message": {"event": message.event,
                "data": message.data, "last_event_id": &*message.last_event_id}}),
            Item::Retry(ms) => json!({"retry": ms}),
            Item::Comment => json!({"comment": true}),
        })
        .collect();
    to_js(&items)
}

/// Folds events, and the gaps between them, into the view of a run.
///
/// # Errors
/// Where one of them is no frame.
#[wasm_bindgen(js_name = foldEvents)]
pub fn fold_events(frames: Array) -> Result<JsValue, JsError> {
    let mut view = RunView::default();
    for frame in frames {
        match ServerFrame::parse(&json_text(&frame))? {
            ServerFrame::Event(event) => view.apply(&event),
            ServerFrame::Control(ControlFrame::Gap {
                reason: GapReason::Epoch,
                ..
            }) => view.reset(),
            ServerFrame::Control(ControlFrame::Gap {
                from, to, reason, ..
            }) => view.gap(from, to, reason),
            ServerFrame::Control(_) | ServerFrame::UnknownControl(_) => {}
        }
    }
    to_js(&view)
}

/// Whether a client comes back after a WebSocket was closed with this code.
#[wasm_bindgen(js_name = comesBack)]
pub fn comes_back(code: u16) -> bool {
    close::comes_back(code)
}
