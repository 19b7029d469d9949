//! What is written down about the wire is all of it, and no file outgrows its noun.

use serde::de::DeserializeOwned;
use stepcast_core::control::{ControlFrame, EndReason, GapReason};
use stepcast_core::event::EventType;
use stepcast_core::wire::close::CloseCode;
use stepcast_core::wire::frame::ClientFrame;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const PROTOCOL: &str = include_str!("../../../docs/protocol.md");

/// The names of a tagged enum, from serde's own complaint about one that it does not know.
pub(crate) fn variants<T: DeserializeOwned>(tag: &str) -> Vec<String> {
    let error = serde_json::from_str::<T>(&format!("{{{tag:?}:\"?\"}}"));
    names(&error.err().unwrap().to_string())
}

fn names(complaint: &str) -> Vec<String> {
    let (_, expected) = complaint.split_once("expected one of").unwrap();
    let names = expected.split('`').skip(1).step_by(2);
    names.map(str::to_owned).collect()
}

/// Whether the page says `name` as code, in a table's first column or in its prose.
fn is_told(name: &str) -> bool {
    PROTOCOL.contains(&format!("`{name}`"))
}

#[test]
fn the_protocol_page_names_every_event_type() {
    for known in EventType::KNOWN {
        assert!(is_told(known.as_str()), "{known}");
    }
}

#[test]
fn the_protocol_page_names_every_frame() {
    let control = variants::<ControlFrame>("control");
    assert!(control.contains(&"goaway".to_owned()), "{control:?}");
    for name in control.into_iter().chain(variants::<ClientFrame>("action")) {
        assert!(is_told(&name), "{name}");
    }
}

#[test]
fn the_protocol_page_names_every_reason() {
    let gaps = serde_json::from_str::<GapReason>("\"?\"").unwrap_err();
    for name in names(&gaps.to_string()) {
        assert!(is_told(&name), "{name}");
    }
    let ends = [
        EndReason::Complete,
        EndReason::Failed,
        EndReason::Cancelled,
        EndReason::Interrupted,
        EndReason::Timeout,
        EndReason::ProducerLost,
        EndReason::Unknown,
    ];
    for reason in ends {
        assert!(is_told(reason.as_str()), "{}", reason.as_str());
    }
}

#[test]
fn the_protocol_page_names_every_close_code() {
    for code in CloseCode::ALL {
        let row = format!("| {} | `{code:?}` |", code.code());
        assert!(PROTOCOL.contains(&row), "{row}");
    }
}

#[test]
#[cfg(not(target_family = "wasm"))]
fn no_file_is_longer_than_400_lines() {
    let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                files += 1;
                let lines = std::fs::read_to_string(&path).unwrap().lines().count();
                assert!(lines <= 400, "{} has {lines} lines", path.display());
            }
        }
    }
    assert!(files > 30, "only {files} files found");
}
