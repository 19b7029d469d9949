//! What a client reads: a stream of server-sent events, frames, and the view that it makes of them.

use stepcast_core::event::StreamEvent;
use stepcast_core::view::RunView;
use stepcast_core::wire::frame::{ClientFrame, ServerFrame};
use stepcast_core::wire::page::Page;
use stepcast_core::wire::sse::{Item, Message, Reader, TooLong, write_event};

use super::{JSON, parts_of, texts};
use crate::Target;
use crate::bytes::{Input, same};

/// The reader of server-sent events.
pub(super) const SSE: Target = Target {
    name: "sse",
    largest: 64 << 10,
    seeds: || {
        texts(&[
            "\u{1}event: step_output\ndata: {\"a\":1}\nid: 1.7\n\n",
            "\u{3}\u{feff}retry: 1500\r\n\r\n: hello\r\rdata:1\rdata: 2\n\n",
            "\u{0}data\nid: \0\nid\nevent\n\ndata: \u{1f600}\n\n",
        ])
    },
    words: &[
        "data:", "event:", "id:", "retry:", "\n", "\r\n", "\r", ": ", "\n\n", "\u{feff}",
    ],
    long: |size| {
        let id = format!("\u{7}id: {}\n", "7".repeat(size / 2));
        vec![
            format!("\u{7}{}", "data: x\n".repeat(size / 8)).into_bytes(),
            format!("\u{7}{}", "data\n\n".repeat(size / 6)).into_bytes(),
            format!("{id}{}", "data\n\n".repeat(size / 12)).into_bytes(),
            vec![b'x'; size],
        ]
    },
    check: |bytes| {
        let mut input = Input(bytes);
        let piece = 1 + input.below(256);
        let limit = if piece % 2 == 0 { 64 } else { 1 << 20 };
        let whole = read(input.0, input.0.len().max(1), limit);
        assert_eq!(read(input.0, piece, limit), whole, "in pieces of {piece}");
        let (items, _) = &whole;
        let held: usize = items.iter().map(held).sum();
        // an event without a name is called `message`
        assert!(
            held <= 3 * bytes.len() + 16,
            "{held} bytes of {}",
            bytes.len()
        );
        for item in items {
            if let Item::Message(message) = item {
                written_again(message);
            }
        }
    },
};

fn read(bytes: &[u8], piece: usize, limit: usize) -> (Vec<Item>, Result<(), TooLong>) {
    let (mut reader, mut items) = (Reader::with_limit(limit), Vec::new());
    for piece in bytes.chunks(piece) {
        if let Err(error) = reader.push(piece, &mut items) {
            return (items, Err(error));
        }
    }
    (items, Ok(()))
}

fn held(item: &Item) -> usize {
    match item {
        Item::Message(message) => message.event.len() + message.data.len(),
        Item::Retry(_) | Item::Comment => 0,
    }
}

fn written_again(message: &Message) {
    let id = Some(&*message.last_event_id).filter(|id| !id.is_empty());
    let mut text = String::new();
    // a field of the writer's is one line; a NUL in a name is left out
    let name = Some(&*message.event).filter(|name| !name.contains('\0'));
    write_event(&mut text, name, &message.data, id);
    let (items, _) = read(text.as_bytes(), 7, 1 << 20);
    let expected = Message {
        event: name.unwrap_or("message").to_owned(),
        ..message.clone()
    };
    assert_eq!(items, [Item::Message(expected)], "{text:?}");
}

/// JSON frames, control frames and pages.
pub(super) const FRAMES: Target = Target {
    name: "frames",
    largest: 32 << 10,
    seeds: || {
        let mut seeds = parts_of(include_str!("../../../core/vectors/control.json"), 2);
        seeds.extend(parts_of(
            include_str!("../../../core/vectors/client.json"),
            2,
        ));
        seeds.extend(parts_of(
            include_str!("../../../core/vectors/pages.json"),
            3,
        ));
        seeds.extend(parts_of(
            include_str!("../../../core/vectors/events.json"),
            3,
        ));
        seeds
    },
    words: JSON,
    long: nested,
    check: |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        match ServerFrame::parse(text) {
            Ok(ServerFrame::Event(event)) => {
                let again = serde_json::to_string(&event).expect("an event is written");
                match ServerFrame::parse(&again) {
                    Ok(ServerFrame::Event(read)) => {
                        let (one, other) = (serde_json::json!(event), serde_json::json!(read));
                        assert!(same(&one, &other), "{one} is read again as {other}");
                    }
                    other => panic!("an event is read again as {other:?}"),
                }
            }
            Ok(ServerFrame::Control(control)) => {
                let again = serde_json::to_string(&control).expect("a control frame is written");
                let read = ServerFrame::parse(&again).expect("it is a frame");
                assert_eq!(read, ServerFrame::Control(control));
            }
            Ok(ServerFrame::UnknownControl(value)) => assert!(value.get("control").is_some()),
            Err(_) => {}
        }
        if let Ok(frame) = serde_json::from_str::<ClientFrame>(text) {
            let again = serde_json::to_string(&frame).expect("a frame is written");
            assert_eq!(
                serde_json::from_str::<ClientFrame>(&again).ok(),
                Some(frame)
            );
        }
        if let Ok(page) = serde_json::from_str::<Page>(text) {
            let again = serde_json::to_value(&page).expect("a page is written");
            let read = serde_json::from_value::<Page>(again.clone()).expect("it is a page");
            assert!(same(&again, &serde_json::json!(read)));
        }
    },
};

fn nested(size: usize) -> Vec<Vec<u8>> {
    let event = |data: String| {
        format!(
            r#"{{"event_type":"step_output","execution_id":"e","seq":1,"timestamp":"2025-10-22T10:30:00.123Z","data":{data}}}"#
        )
        .into_bytes()
    };
    let members: Vec<String> = (0..size / 10).map(|n| format!("\"{n:06}\":0")).collect();
    vec![
        event("[".repeat(size)),
        event(format!("{{{}}}", members.join(","))),
        event(format!("\"{}\"", "\\u00e4".repeat(size / 6))),
        event(format!("[{}0]", "0,".repeat(size / 2))),
    ]
}

/// The view of a run whose events are anything.
pub(super) const VIEW: Target = Target {
    name: "view",
    largest: 32 << 10,
    seeds: || {
        let mut seeds = parts_of(include_str!("../../../core/vectors/events.json"), 3);
        let whole = seeds.concat();
        seeds.push(whole);
        seeds
    },
    words: JSON,
    long: |size| {
        let event = |n: usize, kind: &str, data: &str| {
            format!(
                r#"{{"event_type":"{kind}","execution_id":"e","step_id":"s{n}","seq":{n},"timestamp":"2025-10-22T10:30:00.123Z","data":{data}}}"#
            )
        };
        let all = |kind: &str, data: &str| {
            let events = (1..=size / 200).map(|n| event(n, kind, data));
            events.collect::<String>().into_bytes()
        };
        vec![
            all("step_start", "{\"iteration\":1}"),
            all("step_output", "{\"output\":1}"),
            all("step_progress", "{\"kind\":\"token\",\"text\":\"a b\"}"),
        ]
    },
    check: |bytes| {
        let events = serde_json::Deserializer::from_slice(bytes).into_iter::<StreamEvent>();
        let events: Vec<StreamEvent> = events.map_while(Result::ok).collect();
        let mut once = RunView::default();
        events.iter().for_each(|event| once.apply(event));
        let progress = once.progress();
        assert!((0.0..=1.0).contains(&progress), "progress {progress}");
        let mut again = RunView::default();
        events.iter().for_each(|event| again.apply(event));
        assert_eq!(serde_json::json!(once), serde_json::json!(again));
    },
};
