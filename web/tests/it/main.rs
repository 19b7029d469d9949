//! The monitor in each state, rendered to HTML without a browser; and on wasm32 what needs a JavaScript host.

#[cfg(target_family = "wasm")]
mod host;
#[cfg(not(target_family = "wasm"))]
mod metrics;
#[cfg(not(target_family = "wasm"))]
mod monitor;
#[cfg(not(target_family = "wasm"))]
mod overview;
#[cfg(not(target_family = "wasm"))]
mod shapes;
