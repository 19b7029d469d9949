//! A WebSocket with its three handlers.

use stepcast_core::client::ConnectionEnd;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{CloseEvent, MessageEvent, WebSocket};

use super::{Connection, Report, Sink};

#[derive(Debug)]
pub(super) struct Socket {
    socket: Option<WebSocket>,
    _on_message: Option<Closure<dyn FnMut(MessageEvent)>>,
    _on_close: Option<Closure<dyn FnMut(CloseEvent)>>,
}

impl Socket {
    pub(super) fn open(url: &str, token: Option<&str>, sink: Sink) -> Self {
        let opened = match token {
            Some(token) => {
                let protocols = [PROTOCOL.to_owned(), format!("{BEARER}{token}")];
                let protocols: js_sys::Array = protocols.iter().map(JsValue::from).collect();
                WebSocket::new_with_str_sequence(url, &protocols)
            }
            None => WebSocket::new(url),
        };
        let Ok(socket) = opened else {
            // a page's policy may forbid it: report it like any refusal, after the caller has us
            wasm_bindgen_futures::spawn_local(async move { sink(Report::Closed(BROKEN)) });
            return Self {
                socket: None,
                _on_message: None,
                _on_close: None,
            };
        };
        let messages = Sink::clone(&sink);
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(text) = event.data().as_string() {
                messages(Report::Text(&text));
            }
        });
        // `error` is always followed by `close`, and says nothing that `close` does not
        let on_close = Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
            let code = event.code();
            sink(Report::Closed(ConnectionEnd::WebSocket { code }));
        });
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Self {
            socket: Some(socket),
            _on_message: Some(on_message),
            _on_close: Some(on_close),
        }
    }
}

impl Connection for Socket {
    fn send(&self, text: &str) {
        if let Some(socket) = &self.socket {
            // before `open` or after `close` there is nobody to send to
            let _unsent = socket.send_with_str(text);
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(socket) = &self.socket {
            socket.set_onmessage(None);
            socket.set_onclose(None);
            // fails only with a code, and none is given
            let _closing = socket.close();
        }
    }
}

/// What the server chooses where a token is offered beside it.
const PROTOCOL: &str = "stepcast.v1";

/// Begins a subprotocol that carries a token.
const BEARER: &str = "stepcast.bearer.";

const BROKEN: ConnectionEnd = ConnectionEnd::WebSocket { code: 1006 };
