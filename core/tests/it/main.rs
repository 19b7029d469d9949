//! The tests of core that need nothing but its public face.

#[cfg(test)]
mod any;
#[cfg(test)]
mod client;
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
