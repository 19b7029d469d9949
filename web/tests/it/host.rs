//! Timers and the driver on a real event loop, in Node.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use stepcast_core::client::{Config, State, Transport};
use stepcast_web::clock::{self, Frame, Timer};
use stepcast_web::driver::{Driver, Notice};
use stepcast_web::transport;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

/// Resolves after `ms` milliseconds.
async fn rest(ms: u64) {
    let timer = RefCell::new(None);
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        let wake = move || {
            let _returned = resolve.call0(&wasm_bindgen::JsValue::NULL);
        };
        *timer.borrow_mut() = Some(Timer::after(Duration::from_millis(ms), wake));
    });
    JsFuture::from(promise).await.unwrap();
}

#[wasm_bindgen_test]
async fn a_timer_fires_once_and_a_dropped_one_never() {
    let fired = Rc::new(Cell::new(0));
    let count = |by: u32| {
        let fired = Rc::clone(&fired);
        move || fired.set(fired.get() + by)
    };
    let _kept = Timer::after(Duration::from_millis(5), count(1));
    drop(Timer::after(Duration::from_millis(5), count(10)));
    let before = clock::now();
    rest(40).await;
    assert_eq!(fired.get(), 1);
    assert!(clock::now().since(before) >= Duration::from_millis(35));
}

#[wasm_bindgen_test]
async fn a_frame_comes_where_nothing_is_drawn() {
    let fired = Rc::new(Cell::new(0));
    let count = Rc::clone(&fired);
    let _kept = Frame::next(move || count.set(count.get() + 1));
    rest(400).await;
    assert_eq!(fired.get(), 1);
}

#[wasm_bindgen_test]
async fn a_driver_without_a_server_waits_and_dials_again_until_it_is_dropped() {
    let states = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&states);
    let mut config = Config::new("run_1".parse().unwrap());
    config.transports = vec![Transport::Sse];
    config.backoff_base = Duration::from_millis(20);
    config.backoff_cap = Duration::from_millis(20);
    // port 9 is refused by `fetch` itself, on every machine
    let driver = Driver::new(config, "http://127.0.0.1:9".to_owned(), move |notice| {
        if let Notice::State(state) = notice {
            told.borrow_mut().push(state);
        }
    });
    driver.start();
    let dials = || {
        let states = states.borrow();
        states
            .iter()
            .filter(|state| matches!(state, State::Connecting { .. }))
            .count()
    };
    for _ in 0..50 {
        rest(20).await;
        if dials() >= 3 {
            break;
        }
    }
    assert!(dials() >= 3, "{:?}", states.borrow());
    assert!(
        states
            .borrow()
            .iter()
            .any(|state| matches!(state, State::Waiting { .. }))
    );
    drop(driver);
    let before = states.borrow().len();
    rest(100).await;
    assert_eq!(states.borrow().len(), before);
}

#[wasm_bindgen_test]
fn every_host_has_two_transports_at_least() {
    let found = transport::available();
    assert!(
        found.ends_with(&[Transport::Sse, Transport::LongPoll]),
        "{found:?}"
    );
}
