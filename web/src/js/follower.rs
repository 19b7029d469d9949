//! The headless client: `web/npm/src/index.js` wraps it as `StreamClient`.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};

use js_sys::Function;
use serde_json::json;
use stepcast_core::client::Config;
use stepcast_core::event::StreamEvent;
use stepcast_core::id::Position;
use stepcast_core::view::RunView;
use wasm_bindgen::prelude::*;

use super::options::Options;
use super::state::ConnectionState;
use super::value::{parse, to_js};
use crate::driver::{Driver, Notice};

/// Follows one execution.
#[wasm_bindgen]
pub struct Follower(Rc<Inner>);

struct Inner {
    weak: Weak<Self>,
    url: String,
    config: Config,
    token: RefCell<Option<String>>,
    driver: RefCell<Option<Rc<Driver>>>,
    /// While it has hung up on its own: where it comes back to.
    paused: Cell<Option<Position>>,
    /// None where the caller wants no view.
    view: Option<RefCell<RunView>>,
    /// Events that have come and were not told yet: the beginning of a JSON array.
    batch: RefCell<Vec<u8>>,
    notice: Function,
}

#[wasm_bindgen]
impl Follower {
    /// A follower that is not started. `notice` is called with a kind (`events`, `gap`, `reset`, `state`) and
    /// its value.
    ///
    /// # Errors
    /// Where an option is missing or not understood.
    #[wasm_bindgen(constructor)]
    pub fn new(options: JsValue, notice: Function) -> Result<Self, JsError> {
        let options = Options::read(&options)?;
        Ok(Self(Rc::new_cyclic(|weak| Inner {
            weak: Weak::clone(weak),
            config: options.config(),
            url: options.url,
            token: RefCell::new(options.token),
            driver: RefCell::default(),
            paused: Cell::default(),
            view: options.view.then(RefCell::default),
            batch: RefCell::default(),
            notice,
        })))
    }

    /// Connects.
    pub fn start(&self) {
        let after = self.0.config.after;
        self.0.connect(after);
    }

    /// Shows this token from the next connection on, on a server with accounts; none where there is none.
    pub fn show(&self, token: Option<String>) {
        self.0.token.replace(token.clone());
        self.0.with_driver(|driver| driver.show(token));
    }

    /// Tries again now, after a refusal too.
    pub fn retry(&self) {
        self.0.with_driver(Driver::retry);
    }

    /// Hangs up for a while: the server's log keeps what follows. What was read already is still told.
    pub fn pause(&self) {
        let Some(cursor) = self.0.with_driver(Driver::cursor) else {
            return;
        };
        if self.0.paused.replace(Some(cursor)).is_none() {
            self.0.driver.replace(None);
            self.0.tell_state(&ConnectionState::Paused {});
        }
    }

    /// Goes on where it was paused.
    pub fn resume(&self) {
        if let Some(after) = self.0.paused.take() {
            self.0.connect(after);
        }
    }

    /// Hangs up for good.
    pub fn stop(&self) {
        self.0.paused.take();
        self.0.with_driver(Driver::stop);
    }

    /// The cursor to come back with: `<epoch>.<seq>`, or `earliest`.
    #[wasm_bindgen(getter)]
    pub fn cursor(&self) -> String {
        let live = || self.0.with_driver(Driver::cursor);
        let cursor = self.0.paused.get().or_else(live);
        cursor.unwrap_or(self.0.config.after).to_string()
    }

    /// The connection's state.
    #[wasm_bindgen(getter)]
    pub fn state(&self) -> JsValue {
        let state = match (self.0.paused.get(), self.0.with_driver(Driver::state)) {
            (Some(_), _) => ConnectionState::Paused {},
            (None, Some(state)) => state.into(),
            (None, None) => ConnectionState::Idle {},
        };
        to_js(&state).unwrap_or_default()
    }

    /// The run as it is known now; nothing where no view is wanted.
    ///
    /// # Errors
    /// Never, for a view that came from events.
    pub fn view(&self) -> Result<JsValue, JsError> {
        match &self.0.view {
            Some(view) => to_js(&*view.borrow()),
            None => Ok(JsValue::UNDEFINED),
        }
    }
}

impl Inner {
    fn connect(&self, after: Position) {
        let mut config = self.config.clone();
        config.after = after;
        let weak = Weak::clone(&self.weak);
        let driver = Driver::new(config, self.url.clone(), move |notice| {
            if let Some(inner) = weak.upgrade() {
                inner.take(notice);
            }
        });
        let weak = Weak::clone(&self.weak);
        driver.on_drained(move || {
            if let Some(inner) = weak.upgrade() {
                inner.flush();
            }
        });
        driver.show(self.token.borrow().clone());
        let driver = Rc::new(driver);
        self.driver.replace(Some(Rc::clone(&driver)));
        driver.start();
    }

    /// Calls it with the driver, where there is one. What it sets off may put another in its place.
    fn with_driver<T>(&self, call: impl FnOnce(&Driver) -> T) -> Option<T> {
        let driver = self.driver.borrow().clone();
        driver.map(|driver| call(&driver))
    }

    fn take(&self, notice: Notice) {
        match notice {
            Notice::Event(event) => self.event(&event),
            Notice::Gap { from, to, reason } => {
                self.fold(|view| view.gap(from, to, reason));
                self.tell("gap", &json!({"from": from, "to": to, "reason": reason}));
            }
            Notice::Reset { epoch } => {
                self.fold(RunView::reset);
                self.tell("reset", &json!({"epoch": epoch}));
            }
            Notice::Snapshot(view) => self.tell("snapshot", &view),
            Notice::Fidelity(fidelity) => self.tell("fidelity", &json!(fidelity)),
            // what a connection says that was given up is of no interest
            Notice::State(_) if self.paused.get().is_some() => {}
            Notice::State(state) => self.tell_state(&state.into()),
        }
    }

    fn event(&self, event: &StreamEvent) {
        self.fold(|view| view.apply(event));
        let full = {
            let mut batch = self.batch.borrow_mut();
            let before = if batch.is_empty() { b'[' } else { b',' };
            batch.push(before);
            // fails for keys that are no strings; an event came from JSON and has none
            let _written = serde_json::to_writer(&mut *batch, event);
            batch.len() > BATCH_BYTES
        };
        if full {
            self.flush();
        }
    }

    fn fold(&self, fold: impl FnOnce(&mut RunView)) {
        if let Some(view) = &self.view {
            fold(&mut view.borrow_mut());
        }
    }

    /// Tells the events that have come, all in one call.
    fn flush(&self) {
        let mut batch = std::mem::take(&mut *self.batch.borrow_mut());
        if batch.is_empty() {
            return;
        }
        batch.push(b']');
        let events = std::str::from_utf8(&batch).ok().map(parse);
        if let Some(Ok(events)) = events {
            self.call("events", &events);
        }
    }

    fn tell(&self, kind: &str, value: &serde_json::Value) {
        self.flush();
        self.call(kind, &to_js(value).unwrap_or_default());
    }

    fn tell_state(&self, state: &ConnectionState) {
        self.flush();
        self.call("state", &to_js(state).unwrap_or_default());
    }

    fn call(&self, kind: &str, value: &JsValue) {
        // what a caller's function throws is the caller's: `index.js` reports it, and the stream goes on
        let _thrown = self.notice.call2(&JsValue::NULL, &kind.into(), value);
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Follower")
            .field(&self.0.driver.borrow())
            .finish()
    }
}

/// About the most text that is handed over at once.
const BATCH_BYTES: usize = 256 << 10;
