//! One target under libFuzzer: the one that `STEPCAST_FUZZ_TARGET` names. Its seeds and words are written below
//! `STEPCAST_FUZZ_DIR` first. `cargo xtask fuzz` builds and runs it.

#![no_main]
#![expect(clippy::print_stdout, reason = "it tells the names of the targets")]

use std::path::PathBuf;
use std::sync::OnceLock;

use stepcast_fuzz::{TARGETS, Target};

static CHOSEN: OnceLock<&Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("STEPCAST_FUZZ_TARGET").unwrap_or_default();
        let folder = std::env::var_os("STEPCAST_FUZZ_DIR").map(PathBuf::from);
        let written = folder.zip(Target::named(&name)).map(|(folder, target)| {
            CHOSEN.get_or_init(|| target).write_seeds(&folder.join(name))
        });
        if !matches!(written, Some(Ok(()))) {
            for target in TARGETS {
                println!("{}", target.name);
            }
            std::process::exit(0);
        }
    },
    |input: &[u8]| {
        if let Some(target) = CHOSEN.get() {
            (target.check)(input);
        }
    }
);
