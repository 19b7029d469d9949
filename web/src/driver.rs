//! The driver: the only loop between the browser and the client machine.
//!
//! Browser events become inputs; after each, the machine is drained and its outputs are carried out in order.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::{Rc, Weak};

use js_sys::Reflect;
pub use stepcast_core::client::Notice;
use stepcast_core::client::{Client, Config, Dial, Generation, Input, Output, State};
use stepcast_core::id::Position;
use stepcast_core::time::Time;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{EventTarget, VisibilityState};

use crate::clock::{self, Timer};
use crate::transport::{self, Connection, Report};

/// Follows one execution. Dropping it hangs up.
pub struct Driver(Rc<Shell>);

impl Driver {
    /// A driver that is not started. `base` is the server's origin.
    pub fn new(config: Config, base: String, sink: impl Fn(Notice) + 'static) -> Self {
        Self(Rc::new_cyclic(|weak| Shell {
            weak: Weak::clone(weak),
            base,
            token: RefCell::default(),
            sink: Box::new(sink),
            drained: RefCell::default(),
            client: RefCell::new(Client::new(config)),
            queue: RefCell::default(),
            draining: Cell::new(false),
            connection: RefCell::default(),
            timer: RefCell::default(),
            listeners: RefCell::default(),
        }))
    }

    /// Calls `drained` whenever everything that one message said was told to the sink.
    pub fn on_drained(&self, drained: impl Fn() + 'static) {
        self.0.drained.replace(Some(Rc::new(drained)));
    }

    /// Begins.
    pub fn start(&self) {
        self.0.listen();
        self.0.feed(Input::Start);
    }

    /// Shows this token from the next connection on, on a server with accounts.
    pub fn show(&self, token: Option<String>) {
        self.0.token.replace(token);
    }

    /// Tries again now, after a refusal too.
    pub fn retry(&self) {
        self.0.feed(Input::Retry);
    }

    /// Ends for good.
    pub fn stop(&self) {
        self.0.feed(Input::Stop);
    }

    /// The connection's state.
    pub fn state(&self) -> State {
        self.0.client.borrow().state()
    }

    /// When the server last said anything.
    pub fn heard_at(&self) -> Option<Time> {
        self.0.client.borrow().heard_at()
    }

    /// Where the next connection begins.
    pub fn cursor(&self) -> Position {
        self.0.client.borrow().cursor()
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Driver").field(&self.state()).finish()
    }
}

struct Shell {
    weak: Weak<Self>,
    base: String,
    /// What the next connection shows, on a server with accounts.
    token: RefCell<Option<String>>,
    sink: Box<dyn Fn(Notice)>,
    drained: RefCell<Option<Rc<dyn Fn()>>>,
    client: RefCell<Client>,
    /// Outputs not yet carried out. The sink may call back into the driver: what that gives goes to the end.
    queue: RefCell<VecDeque<Output>>,
    draining: Cell<bool>,
    connection: RefCell<Option<(Generation, Box<dyn Connection>)>>,
    /// When the timer fires. It may be earlier than what the machine waits for: a deadline that each event
    /// moves on costs no timer for each event.
    timer: RefCell<Option<(Time, Timer)>>,
    listeners: RefCell<Vec<Listener>>,
}

impl Shell {
    /// Hands in one input, drains the machine, and carries out what it said.
    fn feed(&self, input: Input<'_>) {
        {
            let mut client = self.client.borrow_mut();
            let mut queue = self.queue.borrow_mut();
            client.handle(clock::now(), input);
            loop {
                let output = client.poll();
                let last = matches!(output, Output::Timeout(_));
                queue.push_back(output);
                if last {
                    break;
                }
            }
        }
        if self.draining.replace(true) {
            return;
        }
        loop {
            let next = self.queue.borrow_mut().pop_front();
            let Some(output) = next else { break };
            self.carry_out(output);
        }
        self.draining.set(false);
        let drained = self.drained.borrow().clone();
        if let Some(drained) = drained {
            drained();
        }
    }

    fn carry_out(&self, output: Output) {
        match output {
            Output::Dial(dial) => self.dial(&dial),
            Output::Hangup(generation) => {
                let mut held = self.connection.borrow_mut();
                if held.as_ref().is_some_and(|(of, _)| *of == generation) {
                    *held = None;
                }
            }
            Output::Send(generation, text) => {
                if let Some((of, connection)) = &*self.connection.borrow()
                    && *of == generation
                {
                    connection.send(&text);
                }
            }
            Output::Event(event) => (self.sink)(Notice::Event(event)),
            Output::Gap { from, to, reason } => (self.sink)(Notice::Gap { from, to, reason }),
            Output::Reset { epoch } => (self.sink)(Notice::Reset { epoch }),
            Output::Snapshot(view) => (self.sink)(Notice::Snapshot(view)),
            Output::Fidelity(fidelity) => (self.sink)(Notice::Fidelity(fidelity)),
            Output::State(state) => (self.sink)(Notice::State(state)),
            Output::Timeout(at) => self.arm(at),
        }
    }

    fn dial(&self, dial: &Dial) {
        let (weak, generation) = (Weak::clone(&self.weak), dial.generation);
        let sink = Rc::new(move |report: Report<'_>| {
            let Some(shell) = weak.upgrade() else { return };
            shell.feed(match report {
                Report::Text(text) => Input::Text(generation, text),
                Report::Bytes(bytes) => Input::Bytes(generation, bytes),
                Report::Closed(end) => Input::Closed(generation, end),
            });
        });
        // the old connection closes before the new one opens
        self.connection.replace(None);
        let connection = transport::open(dial, &self.base, self.token.borrow().as_deref(), sink);
        self.connection.replace(Some((generation, connection)));
    }

    fn arm(&self, at: Option<Time>) {
        let Some(at) = at else {
            self.timer.replace(None);
            return;
        };
        let armed = self.timer.borrow().as_ref().map(|(at, _)| *at);
        if armed.is_some_and(|armed| armed <= at) {
            return;
        }
        let weak = Weak::clone(&self.weak);
        let timer = Timer::after(at.since(clock::now()), move || {
            if let Some(shell) = weak.upgrade() {
                shell.timer.replace(None);
                shell.feed(Input::Tick);
            }
        });
        self.timer.replace(Some((at, timer)));
    }

    /// Listens to what wakes a page and to what cuts it off, where the host has such events.
    fn listen(&self) {
        let global: JsValue = js_sys::global().into();
        let mut listeners = Vec::new();
        let mut on =
            |target: &JsValue, kind: &'static str, input: fn() -> Option<Input<'static>>| {
                let weak = Weak::clone(&self.weak);
                listeners.extend(Listener::add(target, kind, move || {
                    if let (Some(shell), Some(input)) = (weak.upgrade(), input()) {
                        shell.feed(input);
                    }
                }));
            };
        on(&global, "online", || Some(Input::Woken));
        on(&global, "offline", || Some(Input::Offline));
        on(&global, "pageshow", || Some(Input::Woken));
        if let Some(document) = web_sys::window().and_then(|window| window.document()) {
            on(&document, "visibilitychange", || {
                let document = web_sys::window()?.document()?;
                let shown = document.visibility_state() == VisibilityState::Visible;
                shown.then_some(Input::Woken)
            });
        }
        self.listeners.replace(listeners);
    }
}

/// An event listener that is removed when it is dropped.
pub struct Listener {
    target: EventTarget,
    kind: &'static str,
    closure: Closure<dyn FnMut()>,
}

impl Listener {
    /// Listens on `target`; none where it is no event target, as the global object of Node.
    pub fn add(target: &JsValue, kind: &'static str, call: impl FnMut() + 'static) -> Option<Self> {
        if !Reflect::has(target, &"addEventListener".into()).unwrap_or(false) {
            return None;
        }
        let target: EventTarget = target.clone().unchecked_into();
        let closure = Closure::<dyn FnMut()>::new(call);
        target
            .add_event_listener_with_callback(kind, closure.as_ref().unchecked_ref())
            .ok()?;
        Some(Self {
            target,
            kind,
            closure,
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // fails only for a target that is gone, and the listener with it
        let _gone = self
            .target
            .remove_event_listener_with_callback(self.kind, self.closure.as_ref().unchecked_ref());
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.kind).finish()
    }
}
