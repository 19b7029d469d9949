//! Merging pieces of text: nothing lost, nothing out of order, no character cut, nothing held for long.

use std::time::Duration;

use stepcast_core::coalesce::{Coalescer, Run};
use stepcast_core::time::Time;
use unicode_segmentation::UnicodeSegmentation as _;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::any::Dice;

const INTERVAL: Duration = Duration::from_millis(100);

fn coalescer() -> Coalescer<&'static str> {
    Coalescer::new(INTERVAL, 64)
}

fn at(ms: u64) -> Time {
    Time::from_millis(ms)
}

fn take(coalescer: &mut Coalescer<&'static str>) -> Vec<(&'static str, String)> {
    let mut runs = Vec::new();
    while let Some(Run { channel, text }) = coalescer.ready().cloned() {
        runs.push((channel, text));
        coalescer.written();
    }
    runs
}

/// The texts that leave when these pieces come 1 ms apart, and after each a flush would still hold.
fn pieces(of: &[&str]) -> Vec<String> {
    let mut coalescer = coalescer();
    let mut texts = Vec::new();
    for (n, piece) in (0..).zip(of) {
        coalescer.push(&"text", piece, at(n));
        texts.extend(take(&mut coalescer).into_iter().map(|(_, text)| text));
    }
    coalescer.flush();
    texts.extend(take(&mut coalescer).into_iter().map(|(_, text)| text));
    texts
}

#[test]
fn the_first_piece_leaves_at_once_and_later_ones_once_an_interval() {
    let mut coalescer = coalescer();
    coalescer.push(&"text", "Hel", at(5));
    assert_eq!(take(&mut coalescer), [("text", "Hel".to_owned())]);
    coalescer.push(&"text", "lo, ", at(10));
    coalescer.push(&"text", "world", at(60));
    assert_eq!(
        (take(&mut coalescer), coalescer.due()),
        (vec![], Some(at(105)))
    );
    coalescer.tick(at(104));
    assert_eq!(take(&mut coalescer), []);
    coalescer.tick(at(105));
    assert_eq!(take(&mut coalescer), [("text", "lo, world".to_owned())]);
    assert_eq!(coalescer.due(), None);
}

#[test]
fn a_piece_after_a_pause_leaves_at_once() {
    let mut coalescer = coalescer();
    for n in 0..3 {
        coalescer.push(&"text", "slow ", at(n * 100));
        assert_eq!(take(&mut coalescer).len(), 1, "{n}");
        assert_eq!(coalescer.due(), None);
    }
}

#[test]
fn a_run_does_not_grow_past_the_limit_and_no_piece_is_cut() {
    let mut coalescer = coalescer();
    coalescer.push(&"text", "a", at(0));
    coalescer.push(&"text", &"b".repeat(60), at(1));
    coalescer.push(&"text", "ccccc", at(2));
    coalescer.push(&"text", &"d".repeat(1000), at(3));
    let lengths: Vec<usize> = take(&mut coalescer).iter().map(|run| run.1.len()).collect();
    assert_eq!(lengths, [1, 65, 1000]);
}

#[test]
fn another_channel_ends_the_run_before_it_and_begins_at_once() {
    let mut coalescer = coalescer();
    for (n, (channel, text)) in (0..).zip([
        ("reasoning", "a"),
        ("reasoning", "b"),
        ("text", "c"),
        ("text", "d"),
    ]) {
        coalescer.push(&channel, text, at(n));
    }
    let now = [("reasoning", "a"), ("reasoning", "b"), ("text", "c")];
    assert_eq!(
        take(&mut coalescer),
        now.map(|(k, text)| (k, text.to_owned()))
    );
    coalescer.flush();
    assert_eq!(take(&mut coalescer), [("text", "d".to_owned())]);
}

#[test]
fn an_interval_of_zero_merges_nothing() {
    let mut coalescer = Coalescer::new(Duration::ZERO, 64);
    for text in ["a", "\u{1F468}\u{200D}", "\u{1F469}", "", "b"] {
        coalescer.push(&"text", text, at(0));
    }
    assert_eq!(take(&mut coalescer).len(), 4);
}

#[test]
fn a_run_that_is_not_written_stays() {
    let mut coalescer = coalescer();
    coalescer.push(&"text", "a", at(0));
    assert_eq!(coalescer.ready(), coalescer.clone().ready());
    coalescer.push(&"text", "b", at(1));
    coalescer.flush();
    assert_eq!(take(&mut coalescer).len(), 2);
}

#[test]
fn half_a_character_waits_for_the_other_half() {
    // a family of three, in its five parts
    assert_eq!(
        pieces(&[
            "x\u{1F468}",
            "\u{200D}",
            "\u{1F469}",
            "\u{200D}",
            "\u{1F467}."
        ]),
        ["x", "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}."]
    );
    // a thumb and its tone, a flag of two letters, a line end, a Korean syllable, a conjunct
    for (first, second) in [
        ("\u{1F44D}", "\u{1F3FD}"),
        ("\u{1F1E9}", "\u{1F1EA}"),
        ("\r", "\n"),
        ("\u{1112}", "\u{1161}"),
        ("\u{0915}\u{094D}", "\u{0937}"),
    ] {
        let first = format!("x{first}");
        let whole = format!("{}{second}", &first[1..]);
        assert_eq!(pieces(&[&first, second]), ["x", &whole], "{first:?}");
    }
    assert_eq!(pieces(&["größe", "你好"]), ["größe", "你好"]);
}

#[test]
fn an_emoji_is_not_held_longer_than_the_interval_and_a_half_is() {
    let mut coalescer = coalescer();
    coalescer.push(&"text", "ok \u{1F44D}", at(0));
    assert_eq!(take(&mut coalescer), [("text", "ok ".to_owned())]);
    coalescer.tick(coalescer.due().unwrap());
    assert_eq!(take(&mut coalescer), [("text", "\u{1F44D}".to_owned())]);
    coalescer.push(&"text", "\u{1F468}\u{200D}", at(500));
    coalescer.tick(coalescer.due().unwrap());
    assert_eq!((take(&mut coalescer), coalescer.due()), (vec![], None));
    coalescer.push(&"text", "\u{1F469}.", at(5000));
    assert_eq!(
        take(&mut coalescer),
        [("text", "\u{1F468}\u{200D}\u{1F469}.".to_owned())]
    );
}

#[test]
fn marks_that_come_alone_are_foreseen_after_the_first() {
    let mut coalescer = coalescer();
    let mut texts = Vec::new();
    for (n, piece) in (0..).zip(["e", "\u{301}", "e", "\u{301}", "o", "\u{308}", "."]) {
        coalescer.push(&"text", piece, at(n * 99));
        coalescer.tick(at(n * 99));
        texts.extend(take(&mut coalescer).into_iter().map(|run| run.1));
    }
    assert_eq!(texts, ["e", "\u{301}", "e\u{301}", "o\u{308}"]);
}

/// Of them, those whose marks nothing foretells.
const LONE_MARKS: [&str; 3] = ["क्षि", "e\u{301}", "1\u{FE0F}\u{20E3} "];

/// What a model may send: pieces cut anywhere between code points.
const WRITING: [&str; 12] = [
    "Hello, ",
    "größe ",
    "你好",
    "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}",
    "\u{1F44D}\u{1F3FD}",
    "\u{1F1E9}\u{1F1EA}\u{1F1EB}\u{1F1F7}",
    "\r\n",
    "क्षि",
    "한국",
    "\u{1112}\u{1161}\u{11AB}",
    "e\u{301}",
    "1\u{FE0F}\u{20E3} ",
];

#[test]
fn whatever_comes_in_whatever_pieces_is_kept_whole_and_in_time() {
    for seed in 0..if cfg!(target_family = "wasm") {
        50
    } else {
        2000
    } {
        let mut dice = Dice::new(seed);
        let mut coalescer = coalescer();
        let mut sent: Vec<(&str, String)> = Vec::new();
        let mut left = Vec::new();
        let mut now = 0;
        for _ in 0..60 {
            now += dice.below(30);
            if let Some(due) = coalescer.due().filter(|due| *due <= at(now)) {
                coalescer.tick(due);
            }
            left.extend(take(&mut coalescer));
            let channel = *["text", "text", "text", "reasoning"]
                .get(dice.below(4) as usize)
                .unwrap();
            let whole: Vec<char> = dice.one(&WRITING).chars().collect();
            let cut = dice.below(whole.len() as u64) as usize;
            for part in [&whole[..cut], &whole[cut..]] {
                let part: String = part.iter().collect();
                coalescer.push(&channel, &part, at(now));
                match sent.last_mut() {
                    Some((last, text)) if *last == channel => text.push_str(&part),
                    _ => sent.push((channel, part)),
                }
            }
            left.extend(take(&mut coalescer));
            let due = coalescer.due().unwrap_or(at(now));
            assert!(
                due.since(at(now)) <= INTERVAL,
                "seed {seed}: held for too long"
            );
            if dice.below(20) == 0 {
                coalescer.flush();
                left.extend(take(&mut coalescer));
            }
        }
        coalescer.flush();
        left.extend(take(&mut coalescer));
        let mut merged: Vec<(&str, String)> = Vec::new();
        for (channel, text) in &left {
            assert!(!text.is_empty(), "seed {seed}");
            match merged.last_mut() {
                Some((last, whole)) if last == channel => whole.push_str(text),
                _ => merged.push((channel, text.clone())),
            }
        }
        let sent: Vec<(&str, String)> = sent.into_iter().filter(|run| !run.1.is_empty()).collect();
        assert_eq!(merged, sent, "seed {seed}");
    }
}

#[test]
fn no_run_ends_within_a_character_that_was_seen_to_go_on() {
    let foreseen: Vec<&str> = WRITING
        .into_iter()
        .filter(|text| !LONE_MARKS.contains(text))
        .collect();
    for seed in 0..if cfg!(target_family = "wasm") {
        20
    } else {
        300
    } {
        assert_eq!(cuts(seed, &foreseen), 0, "seed {seed}");
        assert!(cuts(seed, &WRITING) <= 1, "seed {seed}");
    }
}

/// How many runs end within a character, where every code point comes as a piece of its own.
fn cuts(seed: u64, writing: &[&str]) -> usize {
    let mut dice = Dice::new(seed);
    let mut coalescer = coalescer();
    let (mut sent, mut left) = (String::new(), Vec::new());
    for n in 0..200 {
        for part in dice.one(writing).chars() {
            coalescer.push(&"text", part.encode_utf8(&mut [0; 4]), at(n * 10));
            sent.push(part);
        }
        if let Some(due) = coalescer.due().filter(|due| *due <= at(n * 10)) {
            coalescer.tick(due);
        }
        left.extend(take(&mut coalescer));
    }
    coalescer.flush();
    left.extend(take(&mut coalescer));
    assert!(
        left.len() < 60,
        "seed {seed}: {} runs are not merged",
        left.len()
    );
    let ends: Vec<usize> = sent.grapheme_indices(true).map(|(at, _)| at).collect();
    let mut at = 0;
    let begins = left.iter().map(|(_, text)| {
        at += text.len();
        at - text.len()
    });
    begins
        .filter(|begin| ends.binary_search(begin).is_err())
        .count()
}
