//! `cargo xtask test`: runs every part, counts what passed, and ends on one line that says so.
//!
//! A part that cannot run has failed; nothing is skipped.

use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::parts::PARTS;
use crate::process::{Result, follow};

/// One part of the tests.
pub(crate) struct Part {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// What it shows.
    pub(crate) title: &'static str,
    /// Whether it must have run tests.
    pub(crate) counts: bool,
    /// Runs it.
    pub(crate) run: fn(&mut Tally) -> Result<()>,
}

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    /// Runs a command that runs tests, and counts them.
    pub(crate) fn follow(&mut self, command: &mut Command) -> Result<()> {
        follow(command, |line| self.read(line))
    }

    /// Counts what a closing line of a test runner says.
    fn read(&mut self, line: &str) {
        if let Some(result) = line.trim_start().strip_prefix("test result: ") {
            self.passed += number_before(result, " passed");
            self.failed += number_before(result, " failed");
        }
        // Node: `# pass 3` or `ℹ pass 3`; what it did not run to its end has not passed
        let mut words = line.split_whitespace();
        if let (Some("#" | "ℹ"), Some(what), Some(count), None) =
            (words.next(), words.next(), words.next(), words.next())
        {
            let count = count.parse().unwrap_or(0);
            match what {
                "pass" => self.passed += count,
                "fail" | "cancelled" | "skipped" | "todo" => self.failed += count,
                _ => {}
            }
        }
    }
}

/// Runs the parts that the command line asks for; all of them where it asks for none.
pub(crate) fn test(arguments: &[String]) -> Result<ExitCode> {
    let mut chosen = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--list" => {
                for part in PARTS {
                    println!("{:<8} {}", part.name, part.title);
                }
                return Ok(ExitCode::SUCCESS);
            }
            "--only" => {
                let name = rest
                    .next()
                    .ok_or("--only wants the name of a part; see --list")?;
                let part = PARTS.iter().find(|part| part.name == name);
                chosen.push(part.ok_or_else(|| format!("there is no part `{name}`; see --list"))?);
            }
            other => {
                return Err(
                    format!("`test` has no option `{other}`; see cargo xtask --help").into(),
                );
            }
        }
    }
    if chosen.is_empty() {
        chosen.extend(PARTS);
    }
    Ok(run_all(&chosen))
}

fn run_all(parts: &[&Part]) -> ExitCode {
    let mut total = Tally::default();
    let mut report = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        println!(
            "\n=== [{}/{}] {}: {}",
            at + 1,
            parts.len(),
            part.name,
            part.title
        );
        let begun = Instant::now();
        let tally = run_part(part);
        let verdict = if tally.failed == 0 { "ok" } else { "FAILED" };
        let line = format!(
            "{:<8} {verdict:<6} {:>5} passed {:>3} failed  {:>6.1} s",
            part.name,
            tally.passed,
            tally.failed,
            begun.elapsed().as_secs_f64()
        );
        println!("--- {line}");
        report.push(line);
        total.passed += tally.passed;
        total.failed += tally.failed;
    }
    println!("\n=== summary");
    for line in report {
        println!("{line}");
    }
    println!("\n{} passed, {} failed", total.passed, total.failed);
    if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A part that fails without a failed test, or that must run tests and ran none, counts as one failure.
fn run_part(part: &Part) -> Tally {
    let mut tally = Tally::default();
    let outcome = (part.run)(&mut tally);
    if let Err(error) = outcome {
        eprintln!("error: {error}");
        tally.failed = tally.failed.max(1);
    } else if part.counts && tally.passed == 0 {
        eprintln!("error: this part ran no test");
        tally.failed = tally.failed.max(1);
    }
    tally
}

/// The number that stands right before `label`.
fn number_before(text: &str, label: &str) -> u64 {
    let before = text.split_once(label).map_or("", |(before, _)| before);
    before
        .split_whitespace()
        .next_back()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> (u64, u64) {
        let mut tally = Tally::default();
        for line in lines {
            tally.read(line);
        }
        (tally.passed, tally.failed)
    }

    #[test]
    fn closing_lines_of_cargo_test_are_counted() {
        let good = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.1s";
        let bad = "test result: FAILED. 7 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(read(&[good, "test a ... ok", bad]), (19, 2));
    }

    #[test]
    fn closing_lines_of_node_are_counted_and_a_skip_is_a_failure() {
        assert_eq!(
            read(&[
                "# tests 9",
                "# pass 5",
                "# fail 1",
                "# skipped 2",
                "# todo 0"
            ]),
            (5, 3)
        );
        assert_eq!(read(&["ℹ pass 4", "ℹ cancelled 1"]), (4, 1));
    }

    #[test]
    fn other_lines_are_not_counted() {
        assert_eq!(
            read(&["# pass 5 of 6", "9 passed, 0 failed", "pass 3"]),
            (0, 0)
        );
    }

    #[test]
    fn a_part_without_tests_or_with_an_error_has_failed() {
        let part = |counts, run| Part {
            name: "x",
            title: "x",
            counts,
            run,
        };
        assert_eq!(run_part(&part(true, |_| Ok(()))).failed, 1);
        assert_eq!(run_part(&part(false, |_| Ok(()))).failed, 0);
        assert_eq!(run_part(&part(false, |_| Err("no".into()))).failed, 1);
    }
}
