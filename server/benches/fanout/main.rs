//! One event, many readers: what a delivery costs here, at the limit of the machine, and elsewhere.
//!
//! `cargo bench -p stepcast-server --bench fanout -- [scenario…] [--peers] [--write]`; `--help` says the rest.
//! Every server and the load generator is a process of its own, most of them this same executable started with
//! a role as its first argument. `docs/benchmarks.md` says what is measured and how to read it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints, and ends when something is wrong"
)]

mod chart;
mod control;
mod event;
mod histogram;
mod job;
mod load;
mod machine;
mod options;
mod peers;
mod process;
mod record;
mod results;
mod round;
mod rounds;
mod scenarios;
mod servers;
mod table;

use self::job::{Job, Service};
use self::options::Options;

/// As the `stepcast` command has it; the other servers of this executable gain by it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(process::LOAD) => {
            let job: Job = serde_json::from_str(&arguments.next().unwrap()).unwrap();
            let report = load::run(job);
            println!("{}", serde_json::to_string(&report).unwrap());
        }
        Some(process::SERVE) => {
            let service: Service = serde_json::from_str(&arguments.next().unwrap()).unwrap();
            process::end_with_the_parent();
            servers::serve(&service);
        }
        _ => match Options::parse(std::env::args().skip(1)) {
            Ok(options) => rounds::run(&options),
            Err(message) => {
                eprintln!("{message}");
                std::process::exit(2);
            }
        },
    }
}
