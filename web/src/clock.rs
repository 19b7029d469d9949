//! The host's clocks and timers, owned: a dropped timer never fires.
//!
//! Bound to global functions, so that the same code runs in a page, a worker and Node.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use js_sys::Function;
use stepcast_core::time::Time;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(handler: &Function, ms: f64) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(handle: &JsValue);
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// The monotonic time since the page was opened.
pub fn now() -> Time {
    Time::new(Duration::from_secs_f64(performance_now().max(0.0) / 1000.0))
}

/// Milliseconds since 1970, by the host's clock.
pub fn unix_millis() -> u64 {
    // a clock set before 1970 reads as 1970: the cast saturates
    js_sys::Date::now() as u64
}

/// A seed for jitter.
pub fn seed() -> u64 {
    (js_sys::Math::random() * 9_007_199_254_740_992.0) as u64
}

/// One shot after a delay. Dropping it cancels it.
pub struct Timer {
    handle: JsValue,
    _closure: Closure<dyn FnMut()>,
}

impl Timer {
    /// Calls `fire` once after `delay`.
    pub fn after(delay: Duration, fire: impl FnOnce() + 'static) -> Self {
        let closure = Closure::once(fire);
        // hosts clamp nothing above 2^31-1 ms: they fire at once
        let ms = (delay.as_secs_f64() * 1000.0).ceil().min(LONGEST_MS);
        let handle = set_timeout(closure.as_ref().unchecked_ref(), ms);
        Self {
            handle,
            _closure: closure,
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        clear_timeout(&self.handle);
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Timer")
    }
}

/// Calls `fire` with the next animation frame, or after [`FRAME_LIMIT`] where there is none: a hidden tab
/// draws no frames.
pub struct Frame {
    request: Option<i32>,
    _closure: Closure<dyn FnMut()>,
    _limit: Timer,
}

impl Frame {
    /// Schedules `fire`, once.
    pub fn next(fire: impl FnOnce() + 'static) -> Self {
        let fire = Rc::new(Cell::new(Some(fire)));
        let call = move || {
            if let Some(fire) = fire.take() {
                fire();
            }
        };
        let closure = Closure::once(call.clone());
        let request = web_sys::window().and_then(|window| {
            window
                .request_animation_frame(closure.as_ref().unchecked_ref())
                .ok()
        });
        Self {
            request,
            _closure: closure,
            _limit: Timer::after(FRAME_LIMIT, call),
        }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if let (Some(window), Some(request)) = (web_sys::window(), self.request) {
            // fails only where the document is gone, and its frames with it
            let _gone = window.cancel_animation_frame(request);
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Frame")
    }
}

/// The longest that a hidden tab waits for a frame.
pub const FRAME_LIMIT: Duration = Duration::from_millis(250);

const LONGEST_MS: f64 = 2_147_483_647.0;
