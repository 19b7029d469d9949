//! What the monitor shows in each state: rendered to HTML, without a browser.
#![cfg(not(target_family = "wasm"))]

mod monitor;
