//! The tests of core that need nothing but its public face.

#[cfg(test)]
mod any;
#[cfg(test)]
mod view;
