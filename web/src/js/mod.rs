//! What the npm package is made of; `web/npm/src` puts a friendly face on it.
//!
//! Two programs come of it: the headless client, without Leptos, and with the feature `element` the monitor.
//! Values cross the border as `JSON.parse` would give them, so that a caller never sees a Rust type.

#[cfg(feature = "element")]
pub mod element;
#[cfg(not(feature = "monitor"))]
pub mod follower;
#[cfg(not(feature = "monitor"))]
pub mod frames;
pub mod options;
pub mod state;
#[cfg(feature = "types")]
pub mod types;
pub mod value;
