//! The monitor for a page that is not ours: `web/npm/src/monitor.js` makes a custom element of it.

use std::any::Any;
use std::fmt;

use js_sys::Function;
use leptos::mount::mount_to;
use leptos::prelude::*;
use serde_json::json;
use stepcast_core::control::GapReason;
use wasm_bindgen::prelude::*;
use web_sys::HtmlElement;

use super::options::Options;
use super::state::ConnectionState;
use super::value::to_js;
use crate::driver::Notice;
use crate::monitor::{StreamingPipelineMonitor, StreamingPipelineMonitorProps, Summary};
use crate::store::Store;

/// Puts a monitor into `root`. `notice` is called with a kind (`event`, `gap`, `reset`, `state`, `summary`, `cancel`)
/// and its value; `event` only while somebody [listens](Mounted::listen).
///
/// # Errors
/// Where an option is missing or not understood.
#[wasm_bindgen]
pub fn mount(
    root: HtmlElement,
    options: JsValue,
    cancellable: bool,
    notice: Function,
) -> Result<Mounted, JsError> {
    console_error_panic_hook::set_once();
    let options = Options::read(&options)?;
    let config = options.config();
    let owner = Owner::new();
    let (store, token, notice, listening) = owner.with(|| {
        (
            Store::new(),
            RwSignal::new(options.token),
            StoredValue::new_local(notice),
            StoredValue::new(false),
        )
    });
    let call = move |kind: &str, value: &JsValue| {
        let told = notice.try_with_value(|notice| {
            // what a caller's function throws is the caller's: `monitor.js` reports it
            let _thrown = notice.call2(&JsValue::NULL, &kind.into(), value);
        });
        // none where the monitor is gone
        let _gone = told;
    };
    let on_notice = Callback::new(move |notice: Notice| match &notice {
        Notice::Event(event) => {
            if listening.try_get_value().unwrap_or(false) {
                call("event", &to_js(event).unwrap_or_default());
            }
        }
        &Notice::Gap { from, to, reason } => call("gap", &gap(from, to, reason)),
        Notice::Reset { epoch } => {
            call(
                "reset",
                &to_js(&json!({"epoch": epoch})).unwrap_or_default(),
            );
        }
        // the monitor asks for every event
        Notice::Snapshot(_) | Notice::Fidelity(_) => {}
        Notice::State(state) => {
            let state = ConnectionState::from(*state);
            call("state", &to_js(&state).unwrap_or_default());
        }
    });
    let on_change = Callback::new(move |summary: Summary| {
        call("summary", &to_js(&summary).unwrap_or_default());
    });
    let on_cancel = Callback::new(move |()| call("cancel", &JsValue::UNDEFINED));
    let props = StreamingPipelineMonitorProps {
        execution_id: options.execution_id,
        base: Some(options.url),
        transports: Some(config.transports),
        on_cancel: cancellable.then_some(on_cancel),
        on_change: Some(on_change),
        after: Some(options.after),
        token: Some(token.into()),
        on_notice: Some(on_notice),
        store: Some(store),
    };
    let handle = owner.with(|| mount_to(root, move || StreamingPipelineMonitor(props)));
    Ok(Mounted {
        handle: Box::new(handle),
        owner,
        store,
        token,
        listening,
    })
}

fn gap(from: u64, to: u64, reason: GapReason) -> JsValue {
    to_js(&json!({"from": from, "to": to, "reason": reason})).unwrap_or_default()
}

/// A monitor in a page. It goes with [`Mounted::unmount`].
#[wasm_bindgen]
pub struct Mounted {
    handle: Box<dyn Any>,
    owner: Owner,
    store: Store,
    token: RwSignal<Option<String>>,
    listening: StoredValue<bool>,
}

#[wasm_bindgen]
impl Mounted {
    /// Shows this token from the next connection and the next call on.
    pub fn show(&self, token: Option<String>) {
        self.token.set(token);
    }

    /// Whether each event is to be told.
    pub fn listen(&self, yes: bool) {
        self.listening.set_value(yes);
    }

    /// The run as it is known now.
    ///
    /// # Errors
    /// Never, for a view that came from events.
    pub fn view(&self) -> Result<JsValue, JsError> {
        self.store.peek(to_js)
    }

    /// Hangs up, and takes the monitor out of the page.
    pub fn unmount(self) {
        drop(self.handle);
        self.owner.cleanup();
    }
}

impl fmt::Debug for Mounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mounted")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
