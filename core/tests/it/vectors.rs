//! The wire by example: `core/vectors/*.json`, which the tests of other packages read too. Compiled in, so that
//! the same test runs where there is no file system.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use stepcast_core::control::ControlFrame;
use stepcast_core::event::{EventType, StreamEvent};
use stepcast_core::filter::Filter;
use stepcast_core::id::{Cursor, ExecutionId, Position};
use stepcast_core::wire::close::{self, CloseCode};
use stepcast_core::wire::frame::{ClientFrame, ServerFrame};
use stepcast_core::wire::page::Page;
use stepcast_core::wire::sse::{Item, Reader, write_event};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

macro_rules! vector {
    ($name:literal) => {
        ($name, include_str!(concat!("../../vectors/", $name)))
    };
}

/// Every file, with its text.
const FILES: [(&str, &str); 8] = [
    vector!("client.json"),
    vector!("close.json"),
    vector!("control.json"),
    vector!("events.json"),
    vector!("filters.json"),
    vector!("ids.json"),
    vector!("pages.json"),
    vector!("sse.json"),
];

/// The cases under `key` of a file; that there are some is part of the test.
fn cases(file: &str, key: &str) -> Vec<Value> {
    let (_, text) = FILES.iter().find(|(name, _)| *name == file).unwrap();
    let mut file: Value = serde_json::from_str(text).unwrap();
    let Value::Array(cases) = file[key].take() else {
        panic!("no cases under {key}");
    };
    assert!(!cases.is_empty(), "no cases under {key}");
    cases
}

/// Reads a value and writes it again.
fn again<T: DeserializeOwned + serde::Serialize>(value: &Value) -> Value {
    let read: T =
        serde_json::from_str(&value.to_string()).unwrap_or_else(|error| panic!("{error}: {value}"));
    serde_json::to_value(read).unwrap()
}

fn is_none<T: DeserializeOwned>(text: &str) {
    assert!(serde_json::from_str::<T>(text).is_err(), "{text}");
}

fn str_of(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

#[test]
#[cfg(not(target_family = "wasm"))]
fn every_file_is_used() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, FILES.map(|(name, _)| name));
}

#[test]
fn events_survive_the_way_through_with_what_is_not_known() {
    let mut seen = Vec::new();
    for case in cases("events.json", "events") {
        let event = &case["event"];
        assert_eq!(again::<StreamEvent>(event), *event, "{}", case["name"]);
        let Ok(ServerFrame::Event(read)) = ServerFrame::parse(&event.to_string()) else {
            panic!("{}", case["name"]);
        };
        assert_eq!(
            read.event_type.is_terminal(),
            case["terminal"],
            "{}",
            case["name"]
        );
        seen.push(read.event_type);
    }
    for known in EventType::KNOWN {
        assert!(seen.contains(&known), "no example of {known}");
    }
    assert!(seen.iter().any(|it| matches!(it, EventType::Unknown(_))));
    for case in cases("events.json", "bad") {
        let text = str_of(&case["text"]);
        assert!(ServerFrame::parse(text).is_err(), "{}", case["name"]);
    }
}

#[test]
fn control_frames_are_read_written_and_where_unknown_ignored() {
    for frame in cases("control.json", "known") {
        assert_eq!(again::<ControlFrame>(&frame), frame);
        assert!(matches!(
            ServerFrame::parse(&frame.to_string()),
            Ok(ServerFrame::Control(_))
        ));
    }
    for case in cases("control.json", "lenient") {
        assert_eq!(again::<ControlFrame>(&case["frame"]), case["as"]);
    }
    for frame in cases("control.json", "unknown") {
        let Ok(ServerFrame::UnknownControl(read)) = ServerFrame::parse(&frame.to_string()) else {
            panic!("{frame}");
        };
        assert_eq!(read, frame);
    }
}

#[test]
fn every_control_frame_has_an_example() {
    let frames = cases("control.json", "known");
    for name in crate::tidy::variants::<ControlFrame>("control") {
        assert!(
            frames.iter().any(|frame| frame["control"] == *name),
            "{name}"
        );
    }
    let frames = cases("client.json", "frames");
    for name in crate::tidy::variants::<ClientFrame>("action") {
        assert!(
            frames.iter().any(|frame| frame["action"] == *name),
            "{name}"
        );
    }
}

#[test]
fn client_frames_are_strict_about_what_they_mean() {
    for frame in cases("client.json", "frames") {
        assert_eq!(again::<ClientFrame>(&frame), frame);
    }
    for case in cases("client.json", "short") {
        assert_eq!(again::<ClientFrame>(&case["frame"]), case["as"]);
    }
    for frame in cases("client.json", "bad") {
        is_none::<ClientFrame>(&frame.to_string());
    }
}

#[test]
fn ids_cursors_and_positions_are_parsed_once() {
    for text in cases("ids.json", "executions") {
        assert_eq!(str_of(&text).parse::<ExecutionId>().unwrap().as_str(), text);
    }
    for text in cases("ids.json", "bad_executions") {
        assert!(str_of(&text).parse::<ExecutionId>().is_err(), "{text}");
    }
    for case in cases("ids.json", "cursors") {
        let cursor: Cursor = str_of(&case["text"]).parse().unwrap();
        assert_eq!(
            json!([cursor.epoch, cursor.seq]),
            json!([case["epoch"], case["seq"]])
        );
        assert_eq!(cursor.to_string(), str_of(&case["text"]));
    }
    for text in cases("ids.json", "bad_cursors") {
        assert!(str_of(&text).parse::<Cursor>().is_err(), "{text}");
        assert!(str_of(&text).parse::<Position>().is_err(), "{text}");
    }
    for case in cases("ids.json", "positions") {
        let position: Position = str_of(&case["text"]).parse().unwrap();
        assert_eq!(position.to_string(), str_of(&case["as"]));
    }
}

#[test]
fn sse_is_read_in_whatever_pieces_it_comes() {
    for case in cases("sse.json", "read") {
        let bytes = str_of(&case["text"]).as_bytes();
        for size in [1, 2, 3, 7, 64, bytes.len()] {
            let (mut reader, mut items) = (Reader::with_limit(1 << 20), Vec::new());
            for piece in bytes.chunks(size) {
                reader.push(piece, &mut items).unwrap();
            }
            let items: Vec<Value> = items.iter().map(item).collect();
            assert_eq!(json!(items), case["items"], "{} by {size}", case["name"]);
        }
    }
}

fn item(item: &Item) -> Value {
    match item {
        Item::Message(it) => json!({"message": {
            "event": it.event, "data": it.data, "last_event_id": &*it.last_event_id}}),
        Item::Retry(ms) => json!({"retry": ms}),
        Item::Comment => json!({"comment": true}),
    }
}

#[test]
fn sse_is_written_with_the_id_last() {
    for case in cases("sse.json", "write") {
        let mut text = String::new();
        let data = str_of(&case["data"]);
        write_event(&mut text, case["event"].as_str(), data, case["id"].as_str());
        assert_eq!(text, str_of(&case["text"]));
    }
}

#[test]
fn filters_are_the_same_everywhere() {
    let mut all = cases("filters.json", "cases");
    if cfg!(feature = "conditions") {
        all.extend(cases("filters.json", "conditions"));
    }
    for refused in cases("filters.json", "refused") {
        is_none::<Filter>(&refused.to_string());
    }
    for case in all {
        let filter: Filter = serde_json::from_value(case["filter"].clone()).unwrap();
        assert_eq!(serde_json::to_value(&filter).unwrap(), case["filter"]);
        let event_type = EventType::from(str_of(&case["event_type"]));
        let event = json!({"event_type": event_type, "seq": 7, "data": case["data"]});
        let json = || event.to_string().into();
        assert_eq!(
            filter.passes(&event_type, case["step_id"].as_str(), json),
            case["passes"],
            "{case}"
        );
    }
}

#[test]
fn pages_are_read_and_written() {
    for case in cases("pages.json", "pages") {
        assert_eq!(
            again::<Page>(&case["page"]),
            case["page"],
            "{}",
            case["name"]
        );
    }
    for case in cases("pages.json", "bad") {
        is_none::<Page>(&case["page"].to_string());
    }
}

#[test]
fn the_catalogue_of_close_codes_is_whole() {
    let codes = cases("close.json", "codes");
    assert_eq!(codes.len(), CloseCode::ALL.len());
    for (case, code) in codes.iter().zip(CloseCode::ALL) {
        assert_eq!(case["name"], format!("{code:?}"));
        assert_eq!(case["code"], code.code());
        assert_eq!(case["comes_back"], close::comes_back(code.code()));
        if let Some(status) = case["status"].as_u64() {
            assert_eq!(status, u64::from(close::status(code.code())), "{code:?}");
        }
    }
    for case in cases("close.json", "others") {
        let code = u16::try_from(case["code"].as_u64().unwrap()).unwrap();
        assert_eq!(case["comes_back"], close::comes_back(code), "{code}");
    }
}
