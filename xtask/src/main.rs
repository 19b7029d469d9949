//! Builds, starts and tests everything: `cargo xtask --help`.

fn main() {}
