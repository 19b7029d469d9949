//! Values on their way over the border.

use js_sys::JSON;
use serde::Serialize;
use wasm_bindgen::prelude::*;

/// What `JSON.parse` makes of it: numbers beyond 2^53 lose digits there, as everywhere in JavaScript.
///
/// One text and the host's own parser are faster than a call over the border for each field.
///
/// # Errors
/// Where it has no JSON.
pub fn to_js(value: &impl Serialize) -> Result<JsValue, JsError> {
    parse(&serde_json::to_string(value)?)
}

/// The value of a JSON text.
///
/// # Errors
/// Where it is none.
pub fn parse(text: &str) -> Result<JsValue, JsError> {
    JSON::parse(text).map_err(|_syntax| JsError::new("not representable as JSON"))
}

/// The JSON text of a JavaScript value; nothing for what JSON has no text for.
pub fn json_text(value: &JsValue) -> String {
    let text = JSON::stringify(value).ok();
    text.and_then(|text| text.as_string()).unwrap_or_default()
}
