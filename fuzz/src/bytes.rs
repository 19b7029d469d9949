//! Takes what a target needs off the front of its input.

/// The input that is left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        usize::from(*first) % limit.max(1)
    }

    /// The rest, in two: before and after the first byte of this value.
    pub(crate) fn split(self, at: u8) -> (&'a [u8], &'a [u8]) {
        let mut parts = self.0.splitn(2, |byte| *byte == at);
        let first = parts.next().unwrap_or_default();
        (first, parts.next().unwrap_or_default())
    }
}

/// Whether two values are the same, numbers as far as JSON's text carries them.
pub(crate) fn same(one: &serde_json::Value, other: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (one, other) {
        (Number(one), Number(other)) => {
            let (Some(a), Some(b)) = (one.as_f64(), other.as_f64()) else {
                return false;
            };
            one == other || (a - b).abs() <= a.abs().max(b.abs()) * 4.0 * f64::EPSILON
        }
        (Array(one), Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same(a, b))
        }
        (Object(one), Object(other)) => {
            let alike = |(key, a)| other.get(key).is_some_and(|b| same(a, b));
            one.len() == other.len() && one.iter().all(alike)
        }
        _ => one == other,
    }
}
