//! The feed: a driver whose notices fill a store, with one flush a frame and a clock beside it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;

use stepcast_core::client::Config;
use stepcast_core::id::ExecutionId;

use crate::api::{self, Answer, Server};
use crate::beacon::Reporter;
use crate::clock::{self, Frame, Timer};
use crate::driver::{Driver, Notice};
use crate::store::{Now, Preview, Reply, Store};

/// Follows one execution into a store. Dropping it hangs up; what the store holds stays.
pub struct Feed {
    store: Store,
    server: RefCell<Server>,
    id: ExecutionId,
    driver: Rc<Driver>,
    _beat: Rc<Beat>,
    _reporter: Rc<Reporter>,
}

impl Feed {
    /// Starts to follow. `token` is shown to a server with accounts; `heard` is called with each notice, before the
    /// store has it.
    pub fn start(
        store: Store,
        config: Config,
        base: String,
        token: Option<String>,
        heard: impl Fn(&Notice) + 'static,
    ) -> Self {
        let pending = Rc::new(Pending::default());
        let (id, address) = (config.execution_id.clone(), base.clone());
        let reporter = Rc::new(Reporter::default());
        let measures = Rc::clone(&reporter);
        let driver = Driver::new(config, address, move |notice| {
            heard(&notice);
            measures.hear(&notice);
            store.take(notice, clock::unix_millis());
            pending.schedule(store);
        });
        driver.show(token.clone());
        let driver = Rc::new(driver);
        let beat = Rc::new(Beat {
            store,
            driver: Rc::downgrade(&driver),
            timer: RefCell::default(),
        });
        beat.tick();
        driver.start();
        let server = Server { base, token };
        reporter.start(server.clone());
        let asked = server.clone();
        leptos::task::spawn_local(async move {
            // who may not ask, and who asks a server of an earlier version, sees the usual ones
            if let Ok(targets) = api::targets(&asked).await {
                store.set_targets(targets);
            }
        });
        Self {
            store,
            server: RefCell::new(server),
            id,
            driver,
            _beat: beat,
            _reporter: reporter,
        }
    }

    /// Shows this token from the next connection and the next call on.
    pub fn show(&self, token: Option<String>) {
        self.driver.show(token.clone());
        self.server.borrow_mut().token = token;
    }

    /// Sends an answer, unless one is on its way already. What came of it is in the store; that it is taken,
    /// the stream tells.
    pub fn answer(&self, answer: Answer) {
        let store = self.store;
        if !store.begin_reply(&answer.wait_id) {
            return;
        }
        let (server, id) = (self.server.borrow().clone(), self.id.clone());
        leptos::task::spawn_local(async move {
            let reply = match api::answer(&server, &id, &answer).await {
                Ok(()) => Reply::Taken,
                Err(error) => Reply::Refused(error),
            };
            store.set_reply(&answer.wait_id, reply);
        });
    }

    /// Reads the beginning of a file into the store, once.
    pub fn preview(&self, sha256: String) {
        let store = self.store;
        if !store.begin_preview(&sha256) {
            return;
        }
        let server = self.server.borrow().clone();
        let url = api::files(&server.base, &self.id) + &sha256;
        leptos::task::spawn_local(async move {
            let preview = match api::beginning(&server, &url, PREVIEW_BYTES).await {
                Ok(beginning) => Preview::Read(beginning),
                Err(error) => Preview::Failed(error),
            };
            store.set_preview(&sha256, preview);
        });
    }

    /// Tries again now, after a refusal too.
    pub fn retry(&self) {
        self.driver.retry();
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Feed").field(&self.driver).finish()
    }
}

/// The flush that is due.
#[derive(Debug, Default)]
struct Pending {
    scheduled: Cell<bool>,
    frame: RefCell<Option<Frame>>,
}

impl Pending {
    fn schedule(self: &Rc<Self>, store: Store) {
        if self.scheduled.replace(true) {
            return;
        }
        let weak = Rc::downgrade(self);
        let frame = Frame::next(move || {
            if let Some(pending) = Weak::upgrade(&weak) {
                pending.scheduled.set(false);
                store.flush();
            }
        });
        self.frame.replace(Some(frame));
    }
}

/// Moves the store's clocks every second, and tells it when the server last said anything.
#[derive(Debug)]
struct Beat {
    store: Store,
    driver: Weak<Driver>,
    timer: RefCell<Option<Timer>>,
}

impl Beat {
    fn tick(self: &Rc<Self>) {
        self.store.set_now(Now {
            monotonic: clock::now(),
            unix_ms: clock::unix_millis(),
        });
        let heard = self.driver.upgrade().and_then(|driver| driver.heard_at());
        self.store.set_heard(heard);
        let weak = Rc::downgrade(self);
        let timer = Timer::after(Duration::from_secs(1), move || {
            if let Some(beat) = Weak::upgrade(&weak) {
                beat.tick();
            }
        });
        self.timer.replace(Some(timer));
    }
}

/// The most that is read of a file to show its beginning.
const PREVIEW_BYTES: usize = 64 << 10;
