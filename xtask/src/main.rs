//! Builds, starts and tests everything: `cargo xtask --help`.
//!
//! One program instead of scripts in several languages: it needs what the product needs, and nothing by hand.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool speaks on its terminal"
)]

mod fuzz;
mod npm;
mod page;
mod parts;
mod process;
mod spec;
mod start;
mod test;
mod tools;
mod web;

use std::process::ExitCode;

use process::Result;

const HELP: &str = "\
Usage: cargo xtask <COMMAND>

Commands:
  start   build everything, serve dashboard and API, run an example
            --port <N>        listen on 127.0.0.1:<N> instead of 8400
            --data-dir <DIR>  keep the log there instead of in .stepcast/
            --open            open the page in a browser
            --debug           build the server without optimisation: sooner ready, slower
  test    set up and pass all tests, browser included
            --only <PART>     only this part; may be given several times
            --list            name the parts
  fuzz    run the fuzz targets under libFuzzer, which follows the coverage; needs a C++ compiler
            --seconds <N>     for all targets together; 600 where nothing is said
            --target <NAME>   only this one; may be given several times
  web     build the dashboard into dist/
  npm     build the npm package into web/npm/dist/
  bench-web  measure the npm package in Chromium; takes some minutes
            [race] [profile] [opened] [minute]  only these
  spec    write docs/spec/ anew, from the code
  tools   install what the tests need into .tools/
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<ExitCode> {
    let (command, rest) = arguments
        .split_first()
        .map_or(("help", arguments), |(first, rest)| (first.as_str(), rest));
    match command {
        "start" => start::start(&start::Options::parse(rest)?)?,
        "test" => return test::test(rest),
        "fuzz" => fuzz::fuzz(rest)?,
        "web" => web::build()?,
        "npm" => npm::build()?,
        "bench-web" => npm::bench(rest)?,
        "open-page" => start::open_page(rest.first().map_or("", String::as_str))?,
        "spec" => spec::write()?,
        "tools" => tools::install()?,
        "help" | "-h" | "--help" => println!("{HELP}"),
        other => return Err(format!("`{other}` is no command\n\n{HELP}").into()),
    }
    Ok(ExitCode::SUCCESS)
}
