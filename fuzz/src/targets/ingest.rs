//! What producers elsewhere post.

use stepcast::untrusted::{Expected, Lines, TooLong, announcement};
use stepcast_core::event::EventType;
use stepcast_core::id::ExecutionId;

use super::JSON;
use crate::Target;
use crate::bytes::Input;

const EVENT: &str =
    r#"{"event_type":"step_output","step_id":"a","data":{"output":[1,"x"]},"metadata":{"m":null}}"#;

/// A body of JSON.
pub(super) const BODY: Target = Target {
    name: "ingest-body",
    largest: 32 << 10,
    seeds: || {
        let end = r#"{"event_type":"pipeline_complete","data":{},"execution_id":"exec_1"}"#;
        let wrong = r#"[{"event_type":"A","seq":1,"timestamp":0,"dta":{}},{},3]"#;
        [EVENT, end, wrong, &format!("[{EVENT},{EVENT},{end}]")]
            .map(|text| text.as_bytes().to_vec())
            .to_vec()
    },
    words: &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "null",
        "\"event_type\"",
        "\"step_id\"",
        "\"data\"",
        "\"metadata\"",
        "\"execution_id\"",
        "\"seq\"",
        "\"step_output\"",
        "\"pipeline_error\"",
    ],
    long: |size| {
        let members: Vec<String> = (0..size / 10).map(|n| format!("\"{n:06}\":0")).collect();
        vec![
            format!("[{}{{}}]", "{},".repeat(size / 3)).into_bytes(),
            format!("{{{}}}", members.join(",")).into_bytes(),
            format!("{{\"{}\":0}}", "x".repeat(size)).into_bytes(),
            format!(
                "[{EVENT}{}]",
                format!(",{EVENT}").repeat(size / EVENT.len())
            )
            .into_bytes(),
        ]
    },
    check: |bytes| {
        let id: ExecutionId = "exec_1".parse().expect("an id");
        let expected = Expected {
            execution_id: &id,
            // inputs of the engines are shorter than those of the test of times
            max_event_bytes: if bytes.len() > 32 << 10 {
                1 << 20
            } else {
                4 << 10
            },
            max_depth: 64,
        };
        match expected.body(bytes) {
            Ok(drafts) => {
                assert!(!drafts.is_empty());
                for (at, draft) in drafts.iter().enumerate() {
                    let word = draft.event_type.as_str();
                    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
                    assert!(
                        (1..=64).contains(&word.len()) && word.bytes().all(plain),
                        "{word}"
                    );
                    assert!(draft.data.is_object());
                    let last = at + 1 == drafts.len();
                    assert!(last || !EventType::is_terminal(&draft.event_type));
                }
            }
            Err(problem) => {
                let told = serde_json::to_string(&problem).expect("a problem is written");
                assert!(told.len() <= 16 << 10, "{} bytes of problems", told.len());
            }
        }
    },
};

/// A body of lines.
pub(super) const LINES: Target = Target {
    name: "ingest-lines",
    largest: 32 << 10,
    seeds: || {
        vec![
            [
                b"\x02",
                EVENT.as_bytes(),
                b"\r\n\n  \n",
                EVENT.as_bytes(),
                b"\n{}",
            ]
            .concat(),
            b"\x00\n\n\n".to_vec(),
        ]
    },
    words: JSON,
    long: |size| vec![vec![b'\n'; size], b"x\n".repeat(size / 2), vec![b'x'; size]],
    check: |bytes| {
        let mut input = Input(bytes);
        let piece = 1 + input.below(256);
        let longest = if piece % 2 == 0 { 40 } else { 1 << 20 };
        let whole = read(input.0, input.0.len().max(1), longest);
        assert_eq!(read(input.0, piece, longest), whole, "in pieces of {piece}");
        for (_, line) in &whole.0 {
            assert!(line.len() <= longest + 1 && !line.contains(&b'\n'));
        }
    },
};

type Read = (Vec<(u64, Vec<u8>)>, Result<(), TooLong>);

fn read(bytes: &[u8], piece: usize, longest: usize) -> Read {
    let (mut lines, mut read) = (Lines::new(longest), Vec::new());
    for piece in bytes.chunks(piece) {
        lines.push(piece);
        loop {
            match lines.take_line() {
                Ok(Some((number, line))) => read.push((number, line.to_vec())),
                Ok(None) => break,
                Err(error) => return (read, Err(error)),
            }
        }
    }
    read.extend(lines.last().map(|(number, line)| (number, line.to_vec())));
    (read, Ok(()))
}

/// The announcement of an execution.
pub(super) const ANNOUNCE: Target = Target {
    name: "announce",
    largest: 16 << 10,
    seeds: || {
        let whole = r#"{"pipeline":"p","description":"d","version":"1","lease_ms":1000,"steps":["a",{"id":"b","name":"B","kind":"k"}],"paths":[{"from":"a","to":"b","condition":"c"}],"input":{"n":1}}"#;
        vec![whole.as_bytes().to_vec()]
    },
    words: &[
        "\"pipeline\":",
        "\"steps\":",
        "\"paths\":",
        "\"input\":",
        "\"id\":",
        "\"from\":",
        "\"to\":",
        "[",
        "]",
        "{",
        "}",
        ",",
        "null",
        "\"\"",
    ],
    long: |size| {
        let steps: Vec<String> = (0..size / 8).map(|n| format!("\"{n:05}\"")).collect();
        vec![
            format!("{{\"pipeline\":\"p\",\"steps\":[{}]}}", steps.join(",")).into_bytes(),
            format!(
                "{{\"pipeline\":\"p\",\"steps\":[{}0]}}",
                "0,".repeat(size / 2)
            )
            .into_bytes(),
            format!("{{\"pipeline\":\"{}\"}}", "p".repeat(size)).into_bytes(),
        ]
    },
    check: |bytes| {
        let Ok(body) = serde_json::from_slice(bytes) else {
            return;
        };
        let Some(announced) = announcement(body, 8 << 10) else {
            return;
        };
        assert!((1..=200).contains(&announced.name.len()));
        let size = announced.pipeline.to_string().len() + announced.input.to_string().len();
        assert!(size <= 8 << 10, "{size} bytes");
        let steps = announced.pipeline.get("steps");
        let steps = steps.and_then(serde_json::Value::as_array);
        for step in steps.into_iter().flatten() {
            assert!(
                step["id"].as_str().is_some_and(|id| !id.is_empty()),
                "{step}"
            );
        }
    },
};
