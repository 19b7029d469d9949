//! `cargo xtask fuzz`: every target under libFuzzer, on the stable toolchain.
//!
//! LLVM's passes note which edges of the code an input runs over; no sanitizer is used, so no nightly is needed. What
//! is built lies in `target/fuzz`, and what was learnt in `target/fuzz/corpus`: the next run goes on from there.

use std::path::PathBuf;
use std::process::Command;

use crate::process::{Result, capture, cargo, command, run, target};

struct Options {
    seconds: u64,
    targets: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            seconds: 600,
            targets: Vec::new(),
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let value = rest.next();
            let value = value.ok_or_else(|| format!("{argument} wants a value"));
            match argument.as_str() {
                "--seconds" => options.seconds = value?.parse()?,
                "--target" => options.targets.push(value?.clone()),
                other => {
                    return Err(
                        format!("`fuzz` has no option `{other}`; see cargo xtask --help").into(),
                    );
                }
            }
        }
        Ok(options)
    }
}

/// Builds the targets and runs them one after the other. The first input that breaks a promise ends it, and lies in
/// `target/fuzz/found`.
pub(crate) fn fuzz(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let host = host()?;
    let folder = target().join("fuzz");
    run(cargo()
        .args(["build", "-p", "stepcast-fuzz", "--features", "libfuzzer"])
        .args(["--bin", "covered", "--profile", "fuzz", "--target", &host])
        .env("CARGO_TARGET_DIR", &folder)
        .env("RUSTFLAGS", FLAGS))?;
    let binary = folder.join(&host).join("fuzz").join("covered");
    let known = capture(&mut command(&binary))?;
    let known: Vec<&str> = known.lines().collect();
    let chosen = match options.targets.as_slice() {
        [] => known,
        chosen => {
            if let Some(unknown) = chosen.iter().find(|it| !known.contains(&it.as_str())) {
                let known = known.join(", ");
                return Err(format!("there is no target `{unknown}`; there are {known}").into());
            }
            chosen.iter().map(String::as_str).collect()
        }
    };
    let found = folder.join("found");
    std::fs::create_dir_all(&found)?;
    let seconds = (options.seconds / chosen.len() as u64).max(1);
    for name in &chosen {
        println!("\n=== {name}: {seconds} s");
        let prefix = format!("{}/{name}-", found.display());
        run(&mut covered(&binary, name, &folder, seconds, &prefix)?)
            .map_err(|error| format!("{error}\nthe input is in {}", found.display()))?;
    }
    println!("\nfuzz: {} targets, nothing found", chosen.len());
    Ok(())
}

fn covered(
    binary: &PathBuf,
    name: &str,
    folder: &std::path::Path,
    seconds: u64,
    found: &str,
) -> Result<Command> {
    let (corpus, seeds) = (folder.join("corpus").join(name), folder.join("seeds"));
    std::fs::create_dir_all(&corpus)?;
    std::fs::create_dir_all(seeds.join(name))?;
    let mut covered = command(binary);
    covered
        .env("STEPCAST_FUZZ_TARGET", name)
        .env("STEPCAST_FUZZ_DIR", &seeds)
        .arg(format!("-max_total_time={seconds}"))
        .args(["-timeout=10", "-rss_limit_mb=2048", "-malloc_limit_mb=512"])
        .args(["-max_len=65536", "-print_final_stats=1"])
        .arg(format!(
            "-dict={}",
            seeds.join(name).with_extension("dict").display()
        ))
        .arg(format!("-artifact_prefix={found}"))
        .arg(corpus)
        .arg(seeds.join(name));
    Ok(covered)
}

/// The machine's own target, named so that build scripts are built without these flags.
fn host() -> Result<String> {
    let told = capture(command("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc does not say what it runs on")?.to_owned())
}

/// What `cargo fuzz` passes without a sanitizer.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
