//! The npm package: two programs of the library, without and with the page, and the declarations of their types.
//!
//! The library is an rlib only; a cdylib beside it would cost the page its link-time optimisation.

use std::fs;

use crate::process::{Result, capture, cargo, command, on_path, root, run, target};
use crate::tools;
use crate::web::{WASM, bindings, small};

/// Builds `web/npm/dist/`, and writes the declarations anew.
pub(crate) fn build() -> Result<()> {
    fs::write(root().join(TYPES), declarations()?)?;
    pack()
}

/// Builds `web/npm/dist/`; declarations that are not those of the Rust types are an error.
pub(crate) fn build_checked() -> Result<()> {
    if fs::read_to_string(root().join(TYPES))? != declarations()? {
        return Err(format!("{TYPES} is out of date: run `cargo xtask npm`").into());
    }
    pack()
}

/// Measures the package in Chromium, against a server that is built as it ships.
pub(crate) fn bench(parts: &[String]) -> Result<()> {
    build()?;
    run(cargo().args(["build", "--release", "-p", "stepcast-server"]))?;
    tools::e2e_packages()?;
    tools::npm_ci("web/bench")?;
    let node = on_path(&["node"]).ok_or("Node is needed: see https://nodejs.org")?;
    run(command(node)
        .arg("web/bench/bench.mjs")
        .args(parts)
        .env("STEPCAST_CHROME", tools::chrome()?)
        .env("STEPCAST_TARGET", target())
        .env("STEPCAST_BIN", target().join("release/stepcast")))
}

fn pack() -> Result<()> {
    tools::wasm_target()?;
    tools::npm_ci("web/npm")?;
    wasm("headless", &["--no-default-features"])?;
    wasm("monitor", &["--features", "element"])?;
    let node = on_path(&["node"]).ok_or("Node is needed: see https://nodejs.org")?;
    run(command(node)
        .arg("web/npm/build.mjs")
        .env("STEPCAST_TARGET", target()))
}

/// Builds one of the programs into `web/npm/pkg/`.
fn wasm(name: &str, features: &[&str]) -> Result<()> {
    run(small(&mut cargo())
        .args(["rustc", "-p", "stepcast-web", "--lib"])
        .args(["--crate-type", "cdylib"])
        .args(features)
        .args(["--target", WASM, "--profile", "wasm-release"]))?;
    let wasm = fs::read(target().join(WASM).join("wasm-release/stepcast_web.wasm"))?;
    bindings(wasm, name, &root().join("web/npm/pkg"))
}

/// The TypeScript of what crosses the border.
fn declarations() -> Result<String> {
    capture(
        cargo()
            .args(["run", "--quiet", "-p", "stepcast-web", "--example", "types"])
            .args(["--no-default-features", "--features", "types"]),
    )
}

const TYPES: &str = "web/npm/src/types.d.ts";
