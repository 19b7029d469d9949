//! Fuzz targets: each takes any bytes, gives them to a parser of ours that sees the network, and panics where one of
//! its promises does not hold.
//!
//! Two engines run them. [`blind`] mutates the seeds without looking at what the parser does: it is part of the tests,
//! and takes seconds. `cargo xtask fuzz` runs the same targets under libFuzzer, which follows the coverage.

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a promise that does not hold ends the run"
)]

pub mod blind;
mod bytes;
mod targets;

use std::path::Path;
use std::{fs, io};

pub use targets::TARGETS;

/// One parser, and what it promises.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Bytes of one input at most.
    pub largest: usize,
    /// Where mutations begin.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// What stands in its inputs.
    pub words: &'static [&'static str],
    /// Inputs of about this many bytes that would show where time grows faster than they do.
    pub long: fn(usize) -> Vec<Vec<u8>>,
    /// Panics where a promise does not hold.
    pub check: fn(&[u8]),
}

impl Target {
    /// The target of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Writes the seeds, each into a file of its own, and the words as libFuzzer reads them.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn write_seeds(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        for (at, seed) in (self.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed-{at}")), seed)?;
        }
        let mut words = String::new();
        for word in self.words {
            let escaped: String = word.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
            words.push_str(&format!("\"{escaped}\"\n"));
        }
        fs::write(folder.with_extension("dict"), words)
    }
}
