//! Pointers over the graph: one finger moves it, two zoom it.

use leptos::ev::{PointerEvent, WheelEvent};
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::Scene;

/// The pointers that are down, and where.
#[derive(Clone, Debug, Default)]
pub(super) struct Fingers {
    down: Vec<(i32, (f64, f64))>,
    moved: f64,
}

impl Fingers {
    /// The middle of the pointers, and how far apart two of them are.
    fn grip(&self) -> Option<((f64, f64), f64)> {
        match self.down.as_slice() {
            [] => None,
            [(_, at)] => Some((*at, 0.0)),
            [(_, a), (_, b), ..] => {
                let middle = (f64::midpoint(a.0, b.0), f64::midpoint(a.1, b.1));
                Some((middle, (a.0 - b.0).hypot(a.1 - b.1)))
            }
        }
    }

    fn move_to(&mut self, id: i32, to: (f64, f64)) {
        if let Some((_, at)) = self.down.iter_mut().find(|(held, _)| *held == id) {
            self.moved += (to.0 - at.0).abs() + (to.1 - at.1).abs();
            *at = to;
        }
    }

    /// Whether the pointer was moved since it went down: then it is no click.
    pub(super) fn dragged(&self) -> bool {
        self.moved > CLICK
    }
}

impl Scene {
    pub(super) fn press(self, event: &PointerEvent) {
        let Some(at) = self.place_of(event) else {
            return;
        };
        if event.button() != 0 {
            return;
        }
        self.fingers.update_value(|fingers| {
            if fingers.down.is_empty() {
                fingers.moved = 0.0;
            }
            fingers.down.push((event.pointer_id(), at));
        });
    }

    pub(super) fn drag(self, event: &PointerEvent) {
        let Some(at) = self.place_of(event) else {
            return;
        };
        let Some(before) = self.fingers.with_value(Fingers::grip) else {
            return;
        };
        let was = self.fingers.with_value(Fingers::dragged);
        self.fingers
            .update_value(|fingers| fingers.move_to(event.pointer_id(), at));
        let Some(after) = self.fingers.with_value(Fingers::grip) else {
            return;
        };
        if !self.fingers.with_value(Fingers::dragged) {
            return;
        }
        if !was {
            self.hold(event);
        }
        if before.1 > 0.0 && after.1 > 0.0 {
            self.zoom(after.1 / before.1, Some(after.0));
        }
        self.shift((after.0.0 - before.0.0, after.0.1 - before.0.1));
    }

    pub(super) fn release(self, event: &PointerEvent) {
        let id = event.pointer_id();
        self.fingers
            .update_value(|fingers| fingers.down.retain(|(held, _)| *held != id));
    }

    /// Keeps the pointer's moves when it leaves the window. Only once it is dragged: a click goes to the step.
    fn hold(self, event: &PointerEvent) {
        let target = event.current_target();
        if let Some(window) = target.and_then(|it| it.dyn_into::<web_sys::Element>().ok()) {
            // fails where the pointer is up already
            let _held = window.set_pointer_capture(event.pointer_id());
        }
    }

    /// Measures the window, now and whenever the page changes its size.
    pub(super) fn watch_window(self) {
        let resized = Trigger::new();
        Effect::new(move |_| {
            let listener = window_event_listener(leptos::ev::resize, move |_| resized.notify());
            on_cleanup(move || listener.remove());
        });
        Effect::new(move |_| {
            resized.track();
            if let Some(list) = self.list.get() {
                let size = (
                    f64::from(list.client_width()),
                    f64::from(list.client_height()),
                );
                if self.window.get_untracked() != size {
                    self.window.set(size);
                }
            }
        });
    }
}

/// By how much a turn of the wheel zooms.
pub(super) fn zoom_of(event: &WheelEvent) -> f64 {
    let lines = if event.delta_mode() == WheelEvent::DOM_DELTA_LINE {
        16.0
    } else {
        1.0
    };
    (-event.delta_y() * lines * 0.002).exp().clamp(0.5, 2.0)
}

/// What a pointer may move, in pixels, and still click.
const CLICK: f64 = 4.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_fingers_have_a_middle_and_a_distance() {
        let mut fingers = Fingers::default();
        assert_eq!(fingers.grip(), None);
        fingers.down.push((1, (0.0, 0.0)));
        assert_eq!(fingers.grip(), Some(((0.0, 0.0), 0.0)));
        fingers.down.push((2, (6.0, 8.0)));
        assert_eq!(fingers.grip(), Some(((3.0, 4.0), 10.0)));
        fingers.move_to(2, (7.0, 9.0));
        assert!(!fingers.dragged());
        fingers.move_to(2, (12.0, 16.0));
        assert!(fingers.dragged());
        assert_eq!(fingers.grip(), Some(((6.0, 8.0), 20.0)));
    }
}
