//! What the build and the tests need beyond git, rustup's Rust and Node, brought here on demand.
//!
//! Everything goes into `.tools/` and `e2e/node_modules/`; only a browser, Python's `venv` module and two proxies may
//! come from the system's packages. What is there in the right version is left alone.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::process::{Result, capture, cargo, command, on_path, root, run, succeeds};
use crate::web::{WASM, hash};

/// The newest Trunk that builds with the oldest Rust we promise.
const TRUNK: &str = "0.21.14";

/// What looks at our dependencies.
const DENY: &str = "0.20.2";

/// Everything that the tests need.
pub(crate) fn install() -> Result<()> {
    wasm_target()?;
    wasm_bindgen()?;
    trunk()?;
    cargo_deny()?;
    e2e_packages()?;
    python()?;
    ia_modules()?;
    schemathesis()?;
    println!("browser: {}", chrome()?.display());
    let (nginx, caddy) = proxies()?;
    println!("proxies: {}, {}", nginx.display(), caddy.display());
    println!("prometheus: {}", prometheus()?.display());
    Ok(())
}

/// The standard library of the wasm target.
pub(crate) fn wasm_target() -> Result<()> {
    let libraries = capture(command("rustc").args(["--print", "target-libdir", "--target", WASM]))?;
    if PathBuf::from(libraries.trim()).is_dir() {
        return Ok(());
    }
    println!("adding the target {WASM}");
    if on_path(&["rustup"]).is_none() {
        return Err(format!(
            "this Rust has no {WASM} and there is no rustup to add it; see https://rustup.rs"
        )
        .into());
    }
    run(command("rustup").args(["target", "add", WASM]))
}

/// The folder of `wasm-bindgen` and `wasm-bindgen-test-runner`, of the version in `Cargo.lock`.
pub(crate) fn wasm_bindgen() -> Result<PathBuf> {
    let version = locked("wasm-bindgen")?;
    if !has_version("wasm-bindgen", &version) || !has_version("wasm-bindgen-test-runner", &version)
    {
        println!("installing wasm-bindgen-cli {version} (some minutes, once)");
        // its own lock file asks for crates that are not published any more
        run(lean(&mut cargo())
            .args([
                "install",
                "--debug",
                "--no-default-features",
                "--force",
                "--root",
            ])
            .arg(folder())
            .args(["wasm-bindgen-cli", "--version", &version]))?;
    }
    Ok(folder().join("bin"))
}

/// The folder of `trunk`; that of `wasm-bindgen` is the same.
pub(crate) fn trunk() -> Result<PathBuf> {
    wasm_bindgen()?;
    if !has_version("trunk", TRUNK) {
        println!("installing trunk {TRUNK} (some minutes, once)");
        run(lean(&mut cargo())
            .args([
                "install",
                "--locked",
                "--no-default-features",
                "--force",
                "--root",
            ])
            .arg(folder())
            .args(["trunk", "--version", TRUNK]))?;
    }
    Ok(folder().join("bin"))
}

/// The folder of `cargo-deny`.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    if !has_version("cargo-deny", DENY) {
        println!("installing cargo-deny {DENY} (some minutes, once)");
        run(lean(&mut cargo())
            .args([
                "install",
                "--debug",
                "--locked",
                "--no-default-features",
                "--force",
                "--root",
            ])
            .arg(folder())
            .args(["cargo-deny", "--version", DENY]))?;
    }
    Ok(folder().join("bin"))
}

/// The npm packages of the end-to-end tests.
pub(crate) fn e2e_packages() -> Result<()> {
    npm_ci("e2e")
}

/// Installs what a folder's `package-lock.json` names, unless that is there already.
pub(crate) fn npm_ci(folder: &str) -> Result<()> {
    let folder = root().join(folder);
    let wanted = hash(&fs::read(folder.join("package-lock.json"))?);
    let stamp = folder.join("node_modules/.installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    run(npm()?
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(&folder))?;
    fs::create_dir_all(folder.join("node_modules"))?;
    fs::write(stamp, wanted)?;
    Ok(())
}

/// A Python with the clients of `e2e/requirements.txt`.
pub(crate) fn python() -> Result<PathBuf> {
    python_with("venv", "e2e/requirements.txt")
}

/// A Python with the package `ia-modules`, which wants older versions of what the clients want.
pub(crate) fn ia_modules() -> Result<PathBuf> {
    python_with("ia-modules", "e2e/ia-modules/requirements.txt")
}

/// A Python with schemathesis, which wants other versions of what the clients want.
pub(crate) fn schemathesis() -> Result<PathBuf> {
    python_with("schemathesis", "e2e/spec/requirements.txt")
}

/// A virtual environment of this name with these packages.
fn python_with(name: &str, requirements: &str) -> Result<PathBuf> {
    let home = folder().join(name);
    let python = home.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    let requirements = root().join(requirements);
    let wanted = hash(&fs::read(&requirements)?);
    let stamp = home.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) && python.is_file() {
        return Ok(python);
    }
    let system =
        on_path(&["python3", "python"]).ok_or("the tests need Python 3 on PATH: install it")?;
    let mut make = command(system);
    make.args(["-m", "venv", "--clear"]).arg(&home);
    if run(&mut make).is_err() {
        system_packages(&["python3-venv"])?;
        run(&mut make)?;
    }
    run(command(&python)
        .args(["-m", "pip", "install", "--quiet", "-r"])
        .arg(&requirements))?;
    fs::write(stamp, wanted)?;
    Ok(python)
}

/// A Chromium or Chrome. None is an error: without a browser the tests have not passed.
pub(crate) fn chrome() -> Result<PathBuf> {
    if let Some(chosen) = std::env::var_os("STEPCAST_CHROME") {
        let chosen = PathBuf::from(chosen);
        if works(&chosen) {
            return Ok(chosen);
        }
        return Err(format!(
            "STEPCAST_CHROME is {}, which does not run",
            chosen.display()
        )
        .into());
    }
    if let Some(found) = installed_chrome() {
        return Ok(found);
    }
    system_packages(&["chromium"])?;
    installed_chrome().ok_or_else(|| {
        "the tests need Chromium or Chrome: install one, or set STEPCAST_CHROME to its program file".into()
    })
}

fn installed_chrome() -> Option<PathBuf> {
    let on_path = [
        "chromium",
        "google-chrome",
        "google-chrome-stable",
        "chromium-browser",
    ]
    .iter()
    .filter_map(|name| on_path(&[name]));
    let apps = ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"]
        .iter()
        .map(PathBuf::from);
    on_path.chain(apps).find(works)
}

/// The proxies of `docs/proxy`, nginx and Caddy. Neither is passed over: what the documentation shows was run.
pub(crate) fn proxies() -> Result<(PathBuf, PathBuf)> {
    // Debian's folder for servers is not on everybody's PATH
    let server = |name: &str| on_path(&[name]).or_else(|| file(&format!("/usr/sbin/{name}")));
    let found = || Some((server("nginx")?, server("caddy")?, on_path(&["openssl"])?));
    if found().is_none() {
        system_packages(&["nginx-light", "caddy", "openssl"])?;
    }
    let (nginx, caddy, _openssl) =
        found().ok_or("the tests need nginx, caddy and openssl: install them")?;
    Ok((nginx, caddy))
}

/// The folder of Prometheus and its promtool. Debian's package is unpacked here and not installed, which would have it
/// serve, and takes nobody's permission.
pub(crate) fn prometheus() -> Result<PathBuf> {
    if let (Some(found), Some(_)) = (on_path(&["prometheus"]), on_path(&["promtool"])) {
        return Ok(found
            .parent()
            .ok_or("prometheus is in no folder")?
            .to_owned());
    }
    let home = folder().join("prometheus");
    let programs = home.join("usr/bin");
    let works = || works(&programs.join("prometheus")) && works(&programs.join("promtool"));
    if works() {
        return Ok(programs);
    }
    if on_path(&["apt-get"]).is_none() || on_path(&["dpkg-deb"]).is_none() {
        return Err("the tests need prometheus and promtool on PATH: install them".into());
    }
    println!("unpacking Debian's prometheus");
    fs::create_dir_all(&home)?;
    let download = || {
        run(command("apt-get")
            .args(["download", "-q", "prometheus"])
            .current_dir(&home))
    };
    if download().is_err() {
        apt_get(&["update", "-q"])?;
        download()?;
    }
    let files = fs::read_dir(&home)?.filter_map(|entry| Some(entry.ok()?.path()));
    let package = files
        .filter(|path| path.extension().is_some_and(|end| end == "deb"))
        .max()
        .ok_or("apt-get downloaded no package")?;
    run(command("dpkg-deb").arg("-x").arg(package).arg(&home))?;
    if works() {
        return Ok(programs);
    }
    Err("Debian's prometheus does not run here".into())
}

fn file(path: &str) -> Option<PathBuf> {
    Some(PathBuf::from(path)).filter(|path| path.is_file())
}

fn works(program: &PathBuf) -> bool {
    program.is_file() && succeeds(command(program).arg("--version"))
}

/// Installs Debian's packages of these names.
fn system_packages(names: &[&str]) -> Result<()> {
    let by_hand = |error| {
        format!(
            "install {} with your system's package manager and try again ({error})",
            names.join(" and ")
        )
    };
    println!("installing {} with apt-get", names.join(" and "));
    apt_get(&["update", "-q"]).map_err(by_hand)?;
    let install = ["install", "-y", "--no-install-recommends"];
    Ok(apt_get(&[&install, names].concat()).map_err(by_hand)?)
}

/// Runs `apt-get` as root, be it by `sudo` without a password.
fn apt_get(words: &[&str]) -> Result<()> {
    if on_path(&["apt-get"]).is_none() {
        return Err("there is no apt-get".into());
    }
    let root_user = capture(command("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let sudo: &[&str] = if root_user {
        &[]
    } else if succeeds(command("sudo").args(["-n", "true"])) {
        &["sudo", "-n"]
    } else {
        return Err("apt-get takes root, or sudo without a password".into());
    };
    let environment = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
    let line = [sudo, &environment, words].concat();
    let (program, arguments) = line.split_first().ok_or("no command")?;
    run(command(program).args(arguments))
}

/// The npm that belongs to Node.
pub(crate) fn npm() -> Result<Command> {
    let npm = on_path(&["npm"]).ok_or("Node and npm are needed: see https://nodejs.org")?;
    Ok(command(npm))
}

/// The version of a package in `Cargo.lock`.
fn locked(name: &str) -> Result<String> {
    let lock = fs::read_to_string(root().join("Cargo.lock"))?;
    locked_in(&lock, name).ok_or_else(|| format!("Cargo.lock does not name {name}").into())
}

fn locked_in(lock: &str, name: &str) -> Option<String> {
    let package = lock
        .split("[[package]]")
        .find(|package| package.contains(&format!("\nname = \"{name}\"\n")))?;
    let version = package
        .lines()
        .find_map(|line| line.strip_prefix("version = "))?;
    Some(version.trim_matches('"').to_owned())
}

/// Whether `.tools/bin` has this program in this version.
fn has_version(program: &str, version: &str) -> bool {
    let told = capture(command(folder().join("bin").join(program)).arg("--version"));
    told.is_ok_and(|told| told.split_whitespace().any(|word| word == version))
}

/// Tools are built for a short build, not for speed: their own release profiles take three times as long.
fn lean(cargo: &mut Command) -> &mut Command {
    cargo
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_PROFILE_DEV_STRIP", "true")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_STRIP", "true")
        .env("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", "fallback")
}

fn folder() -> PathBuf {
    root().join(".tools")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_the_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"a-b\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"a\"\nversion = \"2.3.4\"\n";
        assert_eq!(locked_in(lock, "a").as_deref(), Some("2.3.4"));
        assert_eq!(locked_in(lock, "b"), None);
    }

    #[test]
    fn the_lock_file_of_this_repository_names_wasm_bindgen() {
        assert!(locked("wasm-bindgen").unwrap().starts_with("0.2."));
    }
}
