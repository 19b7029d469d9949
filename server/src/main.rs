//! The `stepcast` command.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use stepcast::cli::Cli;
use stepcast::logging;
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::to_stderr(cli.log_format(), cli.default_log());
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _unheard = writeln!(io::stderr(), "error: no runtime can be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(cli.execute());
    // A blocked read of a pipe or a disk does not keep a command that is done.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome.into()
}
