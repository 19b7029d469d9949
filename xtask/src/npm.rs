//! The wasm of the npm package: the headless client, without Leptos.
//!
//! The library is an rlib only; a cdylib beside it would cost the page its link-time optimisation.

use std::fs;

use crate::process::{Result, cargo, root, run, target};
use crate::tools;
use crate::web::{WASM, bindings};

/// Builds `web/npm/pkg/`.
pub(crate) fn build() -> Result<()> {
    tools::wasm_target()?;
    run(cargo()
        .args([
            "rustc",
            "-p",
            "stepcast-web",
            "--lib",
            "--crate-type",
            "cdylib",
            "--no-default-features",
        ])
        .args(["--target", WASM, "--profile", "wasm-release"]))?;
    let wasm = fs::read(target().join(WASM).join("wasm-release/stepcast_web.wasm"))?;
    bindings(wasm, "stepcast_web", &root().join("web/npm/pkg"))
}
