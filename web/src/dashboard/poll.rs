//! Asks again and again while the page is shown.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::*;

use crate::clock::Timer;
use crate::driver::Listener;

/// What is asked; how long until it is asked again.
type Ask = dyn Fn() -> Pin<Box<dyn Future<Output = Duration>>>;

/// Asks at once, and again after as long as each answer says. A page that is hidden asks nothing until it is shown, and
/// then at once. Dropped, it asks no more.
pub(super) struct Poll {
    ask: Box<Ask>,
    timer: RefCell<Option<Timer>>,
    _shown: Option<Listener>,
}

impl Poll {
    pub(super) fn start<F>(ask: impl Fn() -> F + 'static) -> Rc<Self>
    where
        F: Future<Output = Duration> + 'static,
    {
        let poll = Rc::new_cyclic(|weak: &std::rc::Weak<Self>| {
            let again = weak.clone();
            Self {
                ask: Box::new(move || Box::pin(ask())),
                timer: RefCell::default(),
                _shown: Listener::add(&document().into(), "visibilitychange", move || {
                    if let Some(poll) = again.upgrade() {
                        poll.arm(Duration::ZERO);
                    }
                }),
            }
        });
        poll.arm(Duration::ZERO);
        poll
    }

    /// Asks next after `delay`, whatever was planned.
    pub(super) fn arm(self: &Rc<Self>, delay: Duration) {
        let weak = Rc::downgrade(self);
        let timer = Timer::after(delay, move || {
            if let Some(poll) = weak.upgrade() {
                poll.ask_once();
            }
        });
        self.timer.replace(Some(timer));
    }

    fn ask_once(self: Rc<Self>) {
        if document().hidden() {
            return;
        }
        let answer = (self.ask)();
        let weak = Rc::downgrade(&self);
        leptos::task::spawn_local(async move {
            let delay = answer.await;
            if let Some(poll) = weak.upgrade() {
                poll.arm(delay);
            }
        });
    }
}

impl fmt::Debug for Poll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Poll")
    }
}
