//! The tests of core that need nothing but its public face.

#[cfg(test)]
#[cfg_attr(
    target_family = "wasm",
    expect(dead_code, reason = "the view's vectors are read from a folder")
)]
mod any;
#[cfg(test)]
mod client;
#[cfg(test)]
mod coalesce;
#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod metrics;
#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod metrics_laws;
#[cfg(not(target_family = "wasm"))]
mod metrics_sum;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod session;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod vectors;
#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod view;
#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod view_shapes;
#[cfg(test)]
mod view_spans;
