//! The engine of the tests: mutates seeds by chance, without looking at what the parser does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::Target;

/// What a run came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Inputs that were tried.
    pub inputs: u64,
    /// The longest time that one took.
    pub slowest: Duration,
}

/// An input on which a promise does not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The input.
    pub input: Vec<u8>,
    /// Which promise.
    pub why: String,
}

/// Tries every seed, and then what comes of them, for this long.
///
/// # Errors
/// The first input on which the target panics, or that takes longer than [`LONGEST`] each time it is tried.
pub fn run(target: &Target, time: Duration, chance: u64) -> Result<Tally, Box<Failure>> {
    let (mut rng, begun) = (Rng::with_seed(chance), Instant::now());
    let (mut pool, mut tally) = ((target.seeds)(), Tally::default());
    for seed in &pool {
        try_one(target, seed, &mut tally)?;
    }
    while begun.elapsed() < time {
        let mut input = pool
            .get(rng.usize(..pool.len().max(1)))
            .cloned()
            .unwrap_or_default();
        for _ in 0..1 << rng.u32(0..4) {
            mutate(&mut input, &pool, target.words, &mut rng);
        }
        input.truncate(target.largest);
        try_one(target, &input, &mut tally)?;
        // what is kept changes further; the seeds stay
        if rng.u8(..) < KEPT_OF_256 {
            if pool.len() < POOL {
                pool.push(input);
            } else {
                let at = rng.usize((target.seeds)().len().min(POOL - 1)..POOL);
                if let Some(place) = pool.get_mut(at) {
                    *place = input;
                }
            }
        }
    }
    Ok(tally)
}

fn try_one(target: &Target, input: &[u8], tally: &mut Tally) -> Result<(), Box<Failure>> {
    tally.inputs += 1;
    let failure = |why| {
        Box::new(Failure {
            input: input.to_owned(),
            why,
        })
    };
    let mut fastest = Duration::MAX;
    // somebody else may have had the core: only what is slow each time is slow
    for _ in 0..TRIES {
        let begun = Instant::now();
        catch_unwind(AssertUnwindSafe(|| (target.check)(input)))
            .map_err(|panic| failure(words_of(panic.as_ref())))?;
        fastest = fastest.min(begun.elapsed());
        if fastest <= LONGEST {
            tally.slowest = tally.slowest.max(fastest);
            return Ok(());
        }
    }
    Err(failure(format!("takes {fastest:?}")))
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("panics").to_owned()
}

fn mutate(input: &mut Vec<u8>, pool: &[Vec<u8>], words: &[&str], rng: &mut Rng) {
    let at = rng.usize(..=input.len());
    let end = (at + rng.usize(..=64)).min(input.len());
    match rng.u8(..9) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << rng.u8(..8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = rng.u8(..);
            }
        }
        2 => input.insert(at, rng.u8(..)),
        3 => drop(input.drain(at..end)),
        4 => {
            let part: Vec<u8> = input.drain(at..end).collect();
            let to = rng.usize(..=input.len());
            drop(input.splice(to..to, part));
        }
        5 => {
            let part = input
                .get(at..end)
                .unwrap_or_default()
                .repeat(rng.usize(1..=32));
            drop(input.splice(at..at, part));
        }
        6 | 7 if !words.is_empty() => {
            let word = words
                .get(rng.usize(..words.len()))
                .copied()
                .unwrap_or_default();
            let end = if rng.bool() { at } else { end };
            drop(input.splice(at..end, word.bytes()));
        }
        _ => {
            let other = pool.get(rng.usize(..pool.len().max(1)));
            let other = other.map(Vec::as_slice).unwrap_or_default();
            let from = rng.usize(..=other.len());
            input.truncate(at);
            input.extend_from_slice(other.get(from..).unwrap_or_default());
        }
    }
}

/// How long an input may take.
pub const LONGEST: Duration = Duration::from_secs(1);

const TRIES: u32 = 3;
const POOL: usize = 512;
const KEPT_OF_256: u8 = 8;
