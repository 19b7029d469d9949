//! Every target: the inputs that once failed, a second or so of mutations, and inputs that are long.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and tells what it tried"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use stepcast_fuzz::{TARGETS, Target, blind};

fn target(name: &str) -> &'static Target {
    Target::named(name).unwrap()
}

/// Files below `regressions/NAME`: each was found by a fuzzer once.
fn regressions(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let files = std::fs::read_dir(folder.join(target.name));
    let files = files
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path());
    files.map(|file| std::fs::read(file).unwrap()).collect()
}

fn keeps_its_promises(name: &str) {
    let target = target(name);
    for input in regressions(target) {
        (target.check)(&input);
    }
    let chance = fastrand::u64(..);
    let time = std::env::var("STEPCAST_FUZZ_MS").ok();
    let time = time.map_or(1_000, |ms| ms.parse().unwrap());
    match blind::run(target, Duration::from_millis(time), chance) {
        Ok(tally) => println!("{name}: {tally:?}"),
        Err(failure) => {
            let file = std::env::temp_dir().join(format!("stepcast-fuzz-{name}"));
            std::fs::write(&file, &failure.input).unwrap();
            panic!(
                "{name}: {}\ninput, also in {}: {}\nput it into fuzz/regressions/{name}/ once it is mended",
                failure.why,
                file.display(),
                failure.input.escape_ascii()
            );
        }
    }
}

macro_rules! targets {
    ($($test:ident $name:literal,)*) => {
        $(
            #[test]
            fn $test() {
                keeps_its_promises($name);
            }
        )*

        #[test]
        fn every_target_is_tried() {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$($name),*]);
        }
    };
}

targets! {
    sse "sse",
    frames "frames",
    view "view",
    cursor "cursor",
    selection "selection",
    range "range",
    proof "proof",
    condition "condition",
    websocket "websocket",
    deflate "deflate",
    cbor "cbor",
    ingest_body "ingest-body",
    ingest_lines "ingest-lines",
    announce "announce",
    cloudevents "cloudevents",
    durable "durable",
    pipeline "pipeline",
    answer "answer",
    program "program",
    model "model",
    redaction "redaction",
}

/// Eight times as much takes about eight times as long; with the square it would be sixty-four.
#[test]
fn no_input_takes_more_time_than_its_length_explains() {
    for target in TARGETS {
        let (short, long) = ((target.long)(SIZE), (target.long)(8 * SIZE));
        for (at, (short, long)) in short.iter().zip(&long).enumerate() {
            let factor = long.len() as f64 / short.len() as f64;
            // a busy machine may take its time once; the fastest of several tells
            let (mut once, mut more) = (Duration::MAX, Duration::MAX);
            let linear = (0..8).any(|_| {
                once = once.min(time(target, short));
                more = more.min(time(target, long));
                more < FEW || more.as_secs_f64() < once.as_secs_f64() * factor * 3.0
            });
            let told = format!(
                "{once:?} for {} bytes, {more:?} for {}",
                short.len(),
                long.len()
            );
            assert!(linear, "{} {at}: {told}", target.name);
        }
    }
}

fn time(target: &Target, input: &[u8]) -> Duration {
    let begun = Instant::now();
    (target.check)(input);
    begun.elapsed()
}

const SIZE: usize = 32 << 10;
const FEW: Duration = Duration::from_millis(20);
