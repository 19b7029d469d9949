//! What the npm package is made of; `web/npm/index.js` puts a friendly face on it.
//!
//! Values cross the border as `JSON.parse` would give them, so that a caller never sees a Rust type.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use js_sys::{Array, Function, JSON, Uint8Array};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stepcast_core::client::{Config, State, Transport, WaitReason};
use stepcast_core::control::{ControlFrame, GapReason};
use stepcast_core::id::{ExecutionId, Position};
use stepcast_core::view::RunView;
use stepcast_core::wire::close;
use stepcast_core::wire::frame::ServerFrame;
use stepcast_core::wire::sse::{Item, Reader};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use crate::clock;
use crate::driver::{Driver, Notice};
use crate::transport;

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

/// Follows one execution. `index.js` wraps it as `StreamClient`.
#[wasm_bindgen]
pub struct Follower {
    driver: Driver,
    view: Rc<RefCell<RunView>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Options {
    url: String,
    execution_id: ExecutionId,
    #[serde(default)]
    after: Position,
    #[serde(default)]
    transports: Vec<TransportName>,
    #[serde(default)]
    token: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TransportName {
    Websocket,
    Sse,
    LongPoll,
}

#[wasm_bindgen]
impl Follower {
    /// A follower that is not started. `notice` is called with a kind (`event`, `gap`, `reset`, `state`) and
    /// its value.
    ///
    /// # Errors
    /// Where an option is missing or not understood.
    #[wasm_bindgen(constructor)]
    pub fn new(options: JsValue, notice: Function) -> Result<Self, JsError> {
        let options: Options = serde_json::from_str(&json_text(&options))?;
        let mut config = Config::new(options.execution_id);
        config.after = options.after;
        config.seed = clock::seed();
        config.transports = match options.transports.as_slice() {
            [] => transport::available(),
            chosen => chosen.iter().map(|name| name.transport()).collect(),
        };
        let view = Rc::<RefCell<RunView>>::default();
        let folded = Rc::clone(&view);
        let driver = Driver::new(config, options.url, move |told| {
            let (kind, value) = tell(&mut folded.borrow_mut(), told);
            // what a caller's function throws is the caller's: `index.js` reports it, and the stream goes on
            let _thrown = notice.call2(&JsValue::NULL, &kind.into(), &value);
        });
        driver.show(options.token);
        Ok(Self { driver, view })
    }

    /// Connects.
    pub fn start(&self) {
        self.driver.start();
    }

    /// Shows this token from the next connection on, on a server with accounts; none where there is none.
    pub fn show(&self, token: Option<String>) {
        self.driver.show(token);
    }

    /// Tries again now, after a refusal too.
    pub fn retry(&self) {
        self.driver.retry();
    }

    /// Hangs up for good.
    pub fn stop(&self) {
        self.driver.stop();
    }

    /// The cursor to come back with: `<epoch>.<seq>`, or `earliest`.
    #[wasm_bindgen(getter)]
    pub fn cursor(&self) -> String {
        self.driver.cursor().to_string()
    }

    /// The connection's state.
    #[wasm_bindgen(getter)]
    pub fn state(&self) -> JsValue {
        state_value(self.driver.state())
    }

    /// The run as it is known now.
    ///
    /// # Errors
    /// Never, for a view that came from events.
    pub fn view(&self) -> Result<JsValue, JsError> {
        to_js(&*self.view.borrow())
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Follower").field(&self.driver).finish()
    }
}

impl TransportName {
    const fn transport(self) -> Transport {
        match self {
            Self::Websocket => Transport::WebSocket,
            Self::Sse => Transport::Sse,
            Self::LongPoll => Transport::LongPoll,
        }
    }
}

/// Takes a notice into the view, and gives its kind and value for the caller.
fn tell(view: &mut RunView, notice: Notice) -> (&'static str, JsValue) {
    match notice {
        Notice::Event(event) => {
            view.apply(&event);
            ("event", to_js(&event).unwrap_or_default())
        }
        Notice::Gap { from, to, reason } => {
            view.gap(from, to, reason);
            let gap = json!({"from": from, "to": to, "reason": reason});
            ("gap", to_js(&gap).unwrap_or_default())
        }
        Notice::Reset { epoch } => {
            view.reset();
            ("reset", to_js(&json!({"epoch": epoch})).unwrap_or_default())
        }
        Notice::State(state) => ("state", state_value(state)),
    }
}

fn state_value(state: State) -> JsValue {
    let by = |transport| match transport {
        Transport::WebSocket => "websocket",
        Transport::Sse => "sse",
        Transport::LongPoll => "long_poll",
    };
    let value = match state {
        State::Idle => json!({"kind": "idle"}),
        State::Connecting { transport, attempt } => {
            json!({"kind": "connecting", "transport": by(transport), "attempt": attempt})
        }
        State::CatchingUp { transport, until } => {
            json!({"kind": "catching_up", "transport": by(transport), "until": until})
        }
        State::Live { transport } => json!({"kind": "live", "transport": by(transport)}),
        State::Waiting {
            until,
            attempt,
            reason,
        } => {
            let left = until.since(clock::now()).max(Duration::ZERO);
            json!({"kind": "waiting", "delay_ms": left.as_millis() as u64, "attempt": attempt,
                "reason": wait_reason(reason)})
        }
        State::Offline => json!({"kind": "offline"}),
        State::Ended { reason } => json!({"kind": "ended", "reason": reason}),
        State::Refused { status } => json!({"kind": "refused", "status": status}),
        State::Stopped => json!({"kind": "stopped"}),
        _ => json!({"kind": "unknown"}),
    };
    to_js(&value).unwrap_or_default()
}

const fn wait_reason(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::Broken => "broken",
        WaitReason::Stale => "stale",
        WaitReason::ServerRestart => "server_restart",
        WaitReason::Busy => "busy",
        WaitReason::Blocked => "blocked",
    }
}

/// What `JSON.parse` makes of it: numbers beyond 2^53 lose digits there, as everywhere in JavaScript.
fn to_js(value: &impl Serialize) -> Result<JsValue, JsError> {
    let text = serde_json::to_string(value)?;
    JSON::parse(&text).map_err(|_syntax| JsError::new("not representable as JSON"))
}

/// The JSON text of a JavaScript value; nothing for what JSON has no text for.
fn json_text(value: &JsValue) -> String {
    let text = JSON::stringify(value).ok();
    text.and_then(|text| text.as_string()).unwrap_or_default()
}
