//! The view by example (`core/vectors/view/`, which the npm package's tests read too) and by property.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stepcast_core::control::{ControlFrame, GapReason};
use stepcast_core::event::{EventType, StreamEvent};
use stepcast_core::view::{MAX_GAPS, MAX_LOGS, MAX_TEXT_BYTES, RunStatus, RunView, StepStatus};
use stepcast_core::wire::frame::ServerFrame;

use crate::any::{Dice, any_run, any_type, any_value, event};

const SEEDS: u64 = 150;

fn vectors() -> Vec<(PathBuf, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/view");
    let mut vectors: Vec<(PathBuf, Value)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path, serde_json::from_str(&text).unwrap())
        })
        .collect();
    vectors.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(vectors.len() >= 22, "the vectors are not there");
    vectors
}

fn take(view: &mut RunView, frame: &Value) {
    match ServerFrame::parse(&frame.to_string()).unwrap() {
        ServerFrame::Event(event) => view.apply(&event),
        ServerFrame::Control(ControlFrame::Gap {
            reason: GapReason::Epoch,
            ..
        }) => view.reset(),
        ServerFrame::Control(ControlFrame::Gap {
            from, to, reason, ..
        }) => view.gap(from, to, reason),
        ServerFrame::Control(_) | ServerFrame::UnknownControl(_) => {}
    }
}

#[test]
fn the_frames_of_every_vector_give_its_view() {
    for (path, vector) in vectors() {
        let mut view = RunView::default();
        for frame in vector["frames"].as_array().unwrap() {
            take(&mut view, frame);
        }
        let given = serde_json::to_value(&view).unwrap();
        assert_eq!(
            given,
            vector["view"],
            "{}: the view is now\n{given:#}",
            path.display()
        );
    }
}

fn fold<'a>(view: RunView, events: impl IntoIterator<Item = &'a StreamEvent>) -> RunView {
    events.into_iter().fold(view, |mut view, event| {
        view.apply(event);
        view
    })
}

#[test]
fn a_prefix_and_then_the_rest_give_what_all_of_it_gives() {
    for seed in 0..SEEDS {
        let run = any_run(seed);
        let whole = fold(RunView::default(), &run);
        for cut in 0..=run.len() {
            let prefix = fold(RunView::default(), &run[..cut]);
            assert_eq!(
                fold(prefix, &run[cut..]),
                whole,
                "seed {seed}, cut at {cut}"
            );
        }
    }
}

#[test]
fn what_was_folded_changes_nothing_when_it_comes_again() {
    for seed in 0..SEEDS {
        let run = any_run(seed);
        let whole = fold(RunView::default(), &run);
        for cut in 0..=run.len() {
            assert_eq!(
                fold(whole.clone(), &run[cut..]),
                whole,
                "seed {seed}, from {cut}"
            );
        }
    }
}

#[test]
fn progress_never_falls_and_is_one_only_for_a_run_that_completed() {
    let mut completed = 0;
    for seed in 0..SEEDS {
        let mut view = RunView::default();
        for event in any_run(seed) {
            let before = view.progress();
            view.apply(&event);
            assert!(view.progress() >= before, "seed {seed}, {event:?}");
            let done = view.status == RunStatus::Completed;
            assert_eq!(view.progress() >= 1.0, done, "seed {seed}, {event:?}");
        }
        completed += u32::from(view.progress() >= 1.0);
    }
    assert!(completed > 20, "only {completed} runs completed");
}

#[test]
fn nothing_is_left_open_when_the_run_has_ended() {
    for seed in 0..SEEDS {
        let view = fold(RunView::default(), &any_run(seed));
        let counts = view.counts();
        assert_eq!(counts.total(), view.steps.len());
        if view.end.is_some() {
            assert_eq!(counts.active() + counts.pending, 0, "seed {seed}");
        }
    }
}

#[test]
fn garbage_never_panics_and_every_event_is_counted() {
    for seed in 0..SEEDS * 12 {
        let dice = &mut Dice::new(seed);
        let (mut view, mut taken) = (RunView::default(), 0);
        for _ in 0..40 {
            let terminal = dice.below(16) == 0;
            let kind = any_type(dice, terminal);
            let step = dice.one(&[&None, &Some("a"), &Some("")]);
            let seq = [view.last_seq.saturating_add(1), dice.below(50), u64::MAX]
                [usize::try_from(dice.below(33)).unwrap() / 16];
            taken += u64::from(seq > view.last_seq);
            view.apply(&event(seq, kind, *step, any_value(dice, 4)));
            if dice.below(9) == 0 {
                view.gap(dice.below(60), dice.below(60), GapReason::Transport);
            }
            assert_eq!(view.events, taken, "seed {seed}");
            serde_json::to_string(&view).unwrap();
        }
    }
}

#[test]
fn text_is_bounded_cut_between_characters_and_the_rest_counted() {
    let mut view = RunView::default();
    let piece = "grüße 🎈".repeat(1000);
    for seq in 1..=400 {
        view.apply(&event(
            seq,
            EventType::StepProgress,
            Some("a"),
            json!({"kind": "token", "text": piece}),
        ));
        let step = view.step("a").unwrap();
        assert!(step.text.len() <= MAX_TEXT_BYTES);
        assert_eq!(
            step.text.len() as u64 + step.text_dropped,
            seq * piece.len() as u64
        );
        assert!(piece.repeat(2).contains(&step.text[..8]) && step.text.ends_with(&piece));
    }
    assert!(view.step("a").unwrap().text.len() > MAX_TEXT_BYTES / 2);
    view.apply(&event(
        401,
        EventType::StepProgress,
        Some("a"),
        json!({"kind": "token", "text": "🎈".repeat(MAX_TEXT_BYTES)}),
    ));
    assert!(view.step("a").unwrap().text.len() <= MAX_TEXT_BYTES);
}

#[test]
fn logs_are_bounded_and_the_newest_stay() {
    let mut view = RunView::default();
    for seq in 1..=2000 {
        view.apply(&event(
            seq,
            EventType::StepProgress,
            Some("a"),
            json!({"kind": "log", "message": format!("{seq}")}),
        ));
        let step = view.step("a").unwrap();
        assert!(step.logs.len() <= MAX_LOGS);
        assert_eq!(step.logs.len() as u64 + step.logs_dropped, seq);
        assert_eq!(step.logs.last().unwrap().message, format!("{seq}"));
    }
}

#[test]
fn gaps_are_told_once_joined_and_bounded() {
    let mut view = RunView::default();
    view.gap(1, 4, GapReason::Retention);
    view.gap(1, 4, GapReason::Retention);
    view.gap(3, 6, GapReason::Retention);
    assert_eq!((view.gaps.len(), view.missing, view.gaps[0].to), (1, 6, 6));
    view.apply(&event(10, EventType::StepStart, Some("a"), json!({})));
    view.gap(1, 10, GapReason::Transport);
    assert_eq!(view.missing, 6, "an event that was folded is not missing");
    for n in 0..500 {
        view.gap(20 + n * 2, 20 + n * 2, GapReason::Transport);
    }
    assert_eq!((view.gaps.len(), view.missing), (MAX_GAPS, 506));
    view.reset();
    assert_eq!(view, RunView::default());
}

#[test]
fn durations_are_measured_ones_or_run_until_now() {
    let start = 1_761_129_000_010;
    let mut view = RunView::default();
    assert_eq!(view.duration_ms(start), None);
    view.apply(&event(1, EventType::PipelineStart, None, json!({})));
    view.apply(&event(2, EventType::StepStart, Some("a"), json!({})));
    assert_eq!(view.duration_ms(start + 500), Some(500.0));
    assert_eq!(
        view.duration_ms(start - 500),
        Some(0.0),
        "a clock that is behind"
    );
    assert_eq!(
        view.step("a").unwrap().duration_ms(start + 500),
        Some(490.0)
    );
    view.apply(&event(
        3,
        EventType::StepComplete,
        Some("a"),
        json!({"duration_ms": 7.5}),
    ));
    view.apply(&event(
        4,
        EventType::PipelineError,
        None,
        json!({"reason": "timeout"}),
    ));
    assert_eq!(view.step("a").unwrap().duration_ms(start + 500), Some(7.5));
    assert_eq!(view.duration_ms(start + 500), Some(30.0));
    assert_eq!(view.status_words(), "stopped: it ran longer than it may");
    assert_eq!(view.step("a").unwrap().status, StepStatus::Completed);
}
