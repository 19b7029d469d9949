//! What part of the plane is in sight, and how large.

/// The way from the plane to the window: first the scale, then the shift.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Camera {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) scale: f64,
}

/// A width and a height.
pub(super) type Size = (f64, f64);

impl Default for Camera {
    fn default() -> Self {
        Self {
            x: 0.0,
            y: 0.0,
            scale: 1.0,
        }
    }
}

impl Camera {
    /// All of the drawing, in the middle of the window, never larger than it is.
    pub(super) fn fit(drawing: Size, window: Size) -> Self {
        let room = |window: f64, drawing: f64| (window - 2.0 * MARGIN).max(1.0) / drawing.max(1.0);
        let scale = room(window.0, drawing.0).min(room(window.1, drawing.1));
        let scale = scale.clamp(LEAST, 1.0);
        Self {
            x: (window.0 - drawing.0 * scale) / 2.0,
            y: (window.1 - drawing.1 * scale) / 2.0,
            scale,
        }
    }

    /// All of the drawing where that can be read; else what is around `place`.
    pub(super) fn follow(drawing: Size, window: Size, place: (f64, f64)) -> Self {
        let fit = Self::fit(drawing, window);
        if fit.scale >= READABLE {
            return fit;
        }
        let mut camera = Self {
            scale: READABLE,
            ..fit
        };
        let shift = |window: f64, drawing: f64, place: f64| {
            let (room, whole) = (window - 2.0 * MARGIN, drawing * READABLE);
            if whole <= room {
                (window - whole) / 2.0
            } else {
                (window / 2.0 - place * READABLE).clamp(window - MARGIN - whole, MARGIN)
            }
        };
        camera.x = shift(window.0, drawing.0, place.0);
        camera.y = shift(window.1, drawing.1, place.1);
        camera
    }

    /// Larger or smaller, with the point `at` of the window staying where it is.
    pub(super) fn zoomed(self, factor: f64, at: (f64, f64)) -> Self {
        let scale = (self.scale * factor).clamp(LEAST, MOST);
        let factor = scale / self.scale;
        Self {
            x: at.0 - (at.0 - self.x) * factor,
            y: at.1 - (at.1 - self.y) * factor,
            scale,
        }
    }

    /// Moved, but never so far that nothing is left in sight.
    pub(super) fn moved(self, by: (f64, f64), drawing: Size, window: Size) -> Self {
        let keep = |at: f64, drawing: f64, window: f64| {
            let least = (KEPT - drawing * self.scale).min(window - KEPT);
            at.clamp(least, (window - KEPT).max(least))
        };
        Self {
            x: keep(self.x + by.0, drawing.0, window.0),
            y: keep(self.y + by.1, drawing.1, window.1),
            ..self
        }
    }

    /// Moved as little as brings a box, its middle and size on the plane, into sight.
    pub(super) fn showing(self, middle: (f64, f64), size: Size, window: Size) -> Self {
        let shift = |at: f64, middle: f64, size: f64, window: f64| {
            let half = size * self.scale / 2.0 + MARGIN;
            let seen = middle * self.scale + at;
            at + seen.clamp(half.min(window / 2.0), (window - half).max(window / 2.0)) - seen
        };
        Self {
            x: shift(self.x, middle.0, size.0, window.0),
            y: shift(self.y, middle.1, size.1, window.1),
            ..self
        }
    }

    /// Whether names can be read.
    pub(super) fn is_readable(self) -> bool {
        self.scale >= 0.5
    }
}

/// The room around the drawing.
const MARGIN: f64 = 24.0;
/// What stays in sight of a drawing that is moved away.
const KEPT: f64 = 60.0;
/// The scale at which all can be read.
const READABLE: f64 = 0.72;
const LEAST: f64 = 0.04;
const MOST: f64 = 2.5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_drawing_is_shown_as_it_is_and_a_large_one_whole() {
        let camera = Camera::fit((100.0, 50.0), (400.0, 200.0));
        assert_eq!((camera.x, camera.y, camera.scale), (150.0, 75.0, 1.0));
        let camera = Camera::fit((3520.0, 50.0), (400.0, 200.0));
        assert!((camera.scale - 0.1).abs() < 1e-9);
        assert!((camera.x - 24.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_too_large_to_read_is_shown_in_part() {
        let window = (400.0, 200.0);
        let at = |x: f64| Camera::follow((5000.0, 100.0), window, (x, 50.0));
        assert_eq!(at(0.0).scale, READABLE);
        assert_eq!(at(0.0).x, MARGIN);
        assert_eq!(at(1000.0).x, 200.0 - 1000.0 * READABLE);
        assert_eq!(at(5000.0).x, 400.0 - MARGIN - 5000.0 * READABLE);
        assert_eq!(at(0.0).y, 64.0);
    }

    #[test]
    fn zooming_keeps_the_point_under_the_pointer() {
        let camera = Camera {
            x: 10.0,
            y: 20.0,
            scale: 1.0,
        };
        let seen = |camera: Camera| {
            (
                (110.0 - camera.x) / camera.scale,
                (70.0 - camera.y) / camera.scale,
            )
        };
        let zoomed = camera.zoomed(1.5, (110.0, 70.0));
        assert_eq!(zoomed.scale, 1.5);
        assert_eq!(seen(camera), seen(zoomed));
        assert_eq!(camera.zoomed(100.0, (0.0, 0.0)).scale, MOST);
    }

    #[test]
    fn the_drawing_cannot_be_lost() {
        let (drawing, window) = ((300.0, 100.0), (400.0, 200.0));
        let lost = Camera::default().moved((-9999.0, 9999.0), drawing, window);
        assert_eq!((lost.x, lost.y), (KEPT - 300.0, 200.0 - KEPT));
        let found = lost.showing((150.0, 50.0), (100.0, 40.0), window);
        assert_eq!(found.x + 150.0, MARGIN + 50.0);
    }
}
