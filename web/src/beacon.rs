//! Reports to the server how late events come here, where it asks for that.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use stepcast_core::beacon::Beacon;
use stepcast_core::client::{Notice, State, Transport};

use crate::api::{self, Server};
use crate::clock::{self, Timer};

/// What is measured, and when it is told. Dropping it ends that.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    beacon: RefCell<Beacon>,
    /// How often the server wants to hear of it; not at all where there is none.
    every: Cell<Option<Duration>>,
    /// By which transport events come as they happen.
    live: Cell<Option<Transport>>,
    /// By which those came that are measured.
    by: Cell<Option<Transport>>,
    timer: RefCell<Option<Timer>>,
}

impl Reporter {
    /// Asks the server, and reports where it says so.
    pub(crate) fn start(self: &Rc<Self>, server: Server) {
        let weak = Rc::downgrade(self);
        leptos::task::spawn_local(async move {
            // a server of an earlier version asks for nothing
            let Ok(every @ 1..) = api::beacon(&server).await else {
                return;
            };
            if let Some(this) = Weak::upgrade(&weak) {
                this.every.set(Some(Duration::from_secs(every)));
                this.wait(server);
            }
        });
    }

    /// Takes what the driver says.
    pub(crate) fn hear(&self, notice: &Notice) {
        if self.every.get().is_none() {
            if let Notice::State(state) = notice {
                self.live.set(live(state));
            }
            return;
        }
        match notice {
            Notice::State(state) => {
                self.live.set(live(state));
                if let Some(now) = self.live.get()
                    && self.by.replace(Some(now)).is_some_and(|by| by != now)
                {
                    // times of two transports are no times of either
                    self.beacon.replace(Beacon::default());
                }
            }
            Notice::Event(event) => {
                if let Some(by) = self.live.get() {
                    self.by.set(Some(by));
                    self.beacon.borrow_mut().add(event, clock::unix_millis());
                }
            }
            Notice::Gap { .. }
            | Notice::Reset { .. }
            | Notice::Snapshot(_)
            | Notice::Fidelity(_) => {}
        }
    }

    fn wait(self: &Rc<Self>, server: Server) {
        let Some(every) = self.every.get() else {
            return;
        };
        let weak = Rc::downgrade(self);
        let timer = Timer::after(every, move || {
            if let Some(this) = Weak::upgrade(&weak) {
                this.tell(&server);
                this.wait(server);
            }
        });
        self.timer.replace(Some(timer));
    }

    fn tell(&self, server: &Server) {
        let Some(by) = self.by.get() else {
            return;
        };
        let report = self.beacon.borrow_mut().report(by, clock::unix_millis());
        if let Some(report) = report {
            let server = server.clone();
            leptos::task::spawn_local(async move {
                // one that is lost is missed by nobody
                let _lost = api::report(&server, &report).await;
            });
        }
    }
}

fn live(state: &State) -> Option<Transport> {
    if let State::Live { transport } = state {
        Some(*transport)
    } else {
        None
    }
}
