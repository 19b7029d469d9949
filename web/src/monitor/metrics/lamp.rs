//! Lights: whether a metric is well, by colour, by shape and in a word.

use leptos::prelude::*;
use stepcast_core::metrics::Target;

/// Whether a metric is well.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Light {
    /// It is.
    Met,
    /// It is not.
    Missed,
    /// There is nothing to make it of, which says nothing good.
    #[default]
    NoData,
    /// It has a value and no target.
    Informs,
}

impl Light {
    /// The light of a value.
    pub fn of(target: Option<Target>, value: Option<f64>) -> Self {
        match (target, value) {
            (_, None) => Self::NoData,
            (None, Some(_)) => Self::Informs,
            (Some(target), Some(value)) if target.is_met(value) => Self::Met,
            (Some(_), Some(_)) => Self::Missed,
        }
    }

    /// Its name in styles and tests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::NoData => "no-data",
            Self::Informs => "informs",
        }
    }

    /// Its word for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::NoData => "",
            Self::Informs => "no target",
        }
    }

    const fn shape(self) -> &'static str {
        match self {
            // a disc
            Self::Met => "M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2Z",
            // a triangle with a mark cut out
            Self::Missed => {
                "M8 1.2 15.6 14.6H.4L8 1.2Zm-.9 4.7v4.2h1.8V5.9H7.1Zm0 5.3V13h1.8v-1.8H7.1Z"
            }
            // a ring
            Self::NoData => {
                "M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2Zm0 1.4a4.6 4.6 0 1 0 0 9.2 4.6 4.6 0 0 0 0-9.2Z"
            }
            // a dash
            Self::Informs => "M3 7h10v2H3V7Z",
        }
    }
}

/// A light. Its word stands beside it.
#[component]
pub fn Lamp(
    /// Which.
    #[prop(into)]
    light: Signal<Light>,
) -> impl IntoView {
    view! {
        <svg class="lamp" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" data-light=move || light.get().name()>
            <path fill-rule="evenodd" d=move || light.get().shape()></path>
        </svg>
    }
}

#[cfg(test)]
mod tests {
    use stepcast_core::metrics::Bound;

    use super::*;

    #[test]
    fn no_data_is_neither_well_nor_bad_and_each_light_has_its_shape() {
        let target = Some(Target {
            bound: Bound::Above,
            limit: 0.95,
        });
        assert_eq!(Light::of(target, None), Light::NoData);
        assert_eq!(Light::of(None, None), Light::NoData);
        assert_eq!(Light::of(None, Some(1.0)), Light::Informs);
        assert_eq!(Light::of(target, Some(0.95)), Light::Missed);
        assert_eq!(Light::of(target, Some(1.0)), Light::Met);
        let all = [Light::Met, Light::Missed, Light::NoData, Light::Informs];
        let shapes: std::collections::BTreeSet<_> = all.map(Light::shape).into_iter().collect();
        assert_eq!(shapes.len(), 4);
    }
}
