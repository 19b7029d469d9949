//! The parts of the tests, in the order in which a mistake shows soonest.
//!
//! What is built for one part is what the next one uses: the packages selected together, and so the features
//! of what they depend on, are the same wherever the same artefact is wanted.

use std::path::PathBuf;
use std::process::Command;

use crate::process::{Result, capture, cargo, command, on_path, root, run, target};
use crate::test::{Part, Tally};
use crate::web::WASM;
use crate::{npm, tools, web};

/// All of them.
pub(crate) const PARTS: &[Part] = &[
    Part {
        name: "fmt",
        title: "the source is formatted",
        counts: false,
        run: fmt,
    },
    Part {
        name: "clippy",
        title: "lints, native and wasm32",
        counts: false,
        run: clippy,
    },
    Part {
        name: "docs",
        title: "every public item is documented, every link leads somewhere",
        counts: false,
        run: docs,
    },
    Part {
        name: "law",
        title: "core has no I/O, no clock, no randomness",
        counts: false,
        run: law,
    },
    Part {
        name: "deny",
        title: "what we depend on: licences, sources, bans, advisories",
        counts: false,
        run: deny,
    },
    Part {
        name: "xtask",
        title: "this program",
        counts: true,
        run: xtask,
    },
    Part {
        name: "native",
        title: "core and server",
        counts: true,
        run: native,
    },
    Part {
        name: "fuzz",
        title: "every parser of what comes over the network, on mutated and on long inputs",
        counts: true,
        run: fuzz,
    },
    Part {
        name: "wasm",
        title: "core, as wasm in Node",
        counts: true,
        run: wasm,
    },
    Part {
        name: "web",
        title: "the page",
        counts: true,
        run: web_tests,
    },
    Part {
        name: "npm",
        title: "the npm package",
        counts: true,
        run: npm_package,
    },
    Part {
        name: "trunk",
        title: "`trunk serve`, page and proxied API",
        counts: true,
        run: trunk,
    },
    Part {
        name: "start",
        title: "`cargo xtask start`",
        counts: true,
        run: start,
    },
    Part {
        name: "e2e",
        title: "browser and clients that we did not write",
        counts: true,
        run: e2e,
    },
];

fn fmt(_: &mut Tally) -> Result<()> {
    run(cargo().args(["fmt", "--all", "--check"]))
}

fn clippy(_: &mut Tally) -> Result<()> {
    tools::wasm_target()?;
    for part in [
        &NATIVE[..],
        &["-p", "xtask"],
        &["-p", "stepcast-fuzz"],
        &[
            "-p",
            "stepcast-core",
            "-p",
            "stepcast-web",
            "--target",
            WASM,
        ],
    ] {
        run(cargo()
            .arg("clippy")
            .args(part)
            .args(["--all-targets", "--", "-D", "warnings"]))?;
    }
    // the two programs of the npm package
    for features in ["--no-default-features", "--features=element"] {
        run(cargo()
            .args(["clippy", "-p", "stepcast-web", "--lib", features])
            .args(["--target", WASM, "--", "-D", "warnings"]))?;
    }
    Ok(())
}

fn docs(_: &mut Tally) -> Result<()> {
    for part in [
        &NATIVE[..],
        &["-p", "stepcast-web", "--lib", "--target", WASM],
    ] {
        run(cargo()
            .arg("doc")
            .args(part)
            .arg("--no-deps")
            .env("RUSTDOCFLAGS", "-D warnings"))?;
    }
    Ok(())
}

/// What core may never depend on, and that it builds where there is no operating system.
fn law(_: &mut Tally) -> Result<()> {
    let forbidden = [
        "tokio",
        "web-sys",
        "js-sys",
        "wasm-bindgen",
        "getrandom",
        "rand",
        "fastrand",
        "libc",
        "mio",
    ];
    let tree = capture(cargo().args([
        "tree",
        "-p",
        "stepcast-core",
        "-e",
        "normal",
        "--target",
        "all",
        "--prefix",
        "none",
    ]))?;
    for line in tree.lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        if forbidden.contains(&name) {
            return Err(format!(
                "stepcast-core depends on {line}; see `cargo tree -p stepcast-core -i {name}`"
            )
            .into());
        }
    }
    run(cargo().args(["build", "-p", "stepcast-core", "--target", WASM]))
}

/// What comes from others. Their licences, sources and names are in the lock file; what was found wrong with them is
/// in a database on the network. On GitHub it must be reached; elsewhere what could not be looked at is told.
fn deny(_: &mut Tally) -> Result<()> {
    let deny = tools::cargo_deny()?.join("cargo-deny");
    run(command(&deny)
        .args(["--all-features", "check", "bans", "licenses", "sources"])
        .current_dir(root()))?;
    let fetched = run(command(&deny).args(["fetch", "db"]).current_dir(root()));
    if let Err(error) = fetched {
        if std::env::var_os("GITHUB_ACTIONS").is_some() {
            return Err(error);
        }
        println!(
            "NOT LOOKED AT: advisories. Their database, github.com/RustSec/advisory-db, cannot be reached from here."
        );
        return Ok(());
    }
    run(command(&deny)
        .args(["--all-features", "--offline", "check", "advisories"])
        .current_dir(root()))
}

fn xtask(tally: &mut Tally) -> Result<()> {
    tally.follow(cargo().args(["test", "-p", "xtask"]))
}

fn native(tally: &mut Tally) -> Result<()> {
    web::build()?;
    tally.follow(cargo().arg("test").args(NATIVE).arg("--no-fail-fast"))
}

/// Short, and without a look at the coverage: `cargo xtask fuzz` is the long way.
fn fuzz(tally: &mut Tally) -> Result<()> {
    // selected together with what `native` has built
    tally.follow(
        cargo()
            .arg("test")
            .args(NATIVE)
            .args(["-p", "stepcast-fuzz", "--test", "blind"]),
    )
}

fn wasm(tally: &mut Tally) -> Result<()> {
    tally.follow(wasm_runner(&mut cargo())?.args([
        "test",
        "-p",
        "stepcast-core",
        "--target",
        WASM,
        "--no-fail-fast",
    ]))
}

fn web_tests(tally: &mut Tally) -> Result<()> {
    tally.follow(cargo().args(["test", "-p", "stepcast-web", "--no-fail-fast"]))?;
    tally.follow(wasm_runner(&mut cargo())?.args([
        "test",
        "-p",
        "stepcast-web",
        "--target",
        WASM,
        "--no-fail-fast",
    ]))
}

fn npm_package(tally: &mut Tally) -> Result<()> {
    npm::build_checked()?;
    prepare_e2e()?;
    tools::npm_ci("web/npm/examples")?;
    node_tests(
        tally,
        "web/npm/test",
        &[("STEPCAST_CHROME", tools::chrome()?)],
    )
}

fn trunk(tally: &mut Tally) -> Result<()> {
    let tools = tools::trunk()?;
    prepare_e2e()?;
    node_tests(tally, "e2e/trunk", &[("STEPCAST_TOOLS", tools)])
}

fn start(tally: &mut Tally) -> Result<()> {
    prepare_e2e()?;
    node_tests(
        tally,
        "e2e/start",
        &[("STEPCAST_XTASK", std::env::current_exe()?)],
    )
}

fn e2e(tally: &mut Tally) -> Result<()> {
    prepare_e2e()?;
    let (nginx, caddy) = tools::proxies()?;
    node_tests(
        tally,
        "e2e/tests",
        &[
            ("STEPCAST_PYTHON", tools::python()?),
            ("STEPCAST_IA_PYTHON", tools::ia_modules()?),
            ("STEPCAST_SCHEMATHESIS_PYTHON", tools::schemathesis()?),
            ("STEPCAST_CHROME", tools::chrome()?),
            ("STEPCAST_NGINX", nginx),
            ("STEPCAST_CADDY", caddy),
            ("STEPCAST_PROMETHEUS", tools::prometheus()?),
        ],
    )
}

/// The packages that are tested natively; selected together, always.
const NATIVE: [&str; 4] = ["-p", "stepcast-core", "-p", "stepcast-server"];

/// The page, the server that `native` has tested, and the npm packages.
fn prepare_e2e() -> Result<()> {
    web::build()?;
    run(cargo()
        .arg("test")
        .args(NATIVE)
        .args(["--no-run", "--quiet"]))?;
    tools::e2e_packages()
}

/// Lets cargo run wasm tests in Node.
fn wasm_runner(cargo: &mut Command) -> Result<&mut Command> {
    tools::wasm_target()?;
    let runner = tools::wasm_bindgen()?.join("wasm-bindgen-test-runner");
    Ok(cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner))
}

/// Runs the `*.test.js` of a folder, one file after the other: they share two cores with a browser.
fn node_tests(tally: &mut Tally, folder: &str, environment: &[(&str, PathBuf)]) -> Result<()> {
    let node = on_path(&["node"]).ok_or("Node is needed: see https://nodejs.org")?;
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join(folder))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.to_string_lossy().ends_with(".test.js")
                || path.to_string_lossy().ends_with(".test.mjs")
        })
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(format!("{folder} holds no test").into());
    }
    let mut node = command(node);
    node.args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .args(files);
    node.env("STEPCAST_BIN", target().join("debug").join("stepcast"));
    node.env("STEPCAST_TARGET", target());
    for (name, value) in environment {
        node.env(name, value);
    }
    tally.follow(&mut node)
}
