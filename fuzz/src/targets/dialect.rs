//! What other protocols' clients send.

use serde_json::Value;
use stepcast::untrusted::{Expected, cloud_event, durable_append, durable_read};
use stepcast_core::id::{ExecutionId, Position};

use crate::Target;

const EVENT: &str = r#"{"specversion":"1.0","type":"dev.stepcast.step_output.v1","source":"/a","id":"1","subject":"a","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","time":"2026-01-01T00:00:00Z","datacontenttype":"application/json","data":{"output":1}}"#;

/// CloudEvents: structured, in batches, and in binary mode, whose head stands before an empty line.
pub(super) const CLOUDEVENTS: Target = Target {
    name: "cloudevents",
    largest: 16 << 10,
    seeds: || {
        let binary = "ce-specversion: 1.0\nce-type: com.example.Thing\nce-source: /a\nce-id: 1\nce-subject: a\ncontent-type: application/json\n\n{\"x\":1}";
        [EVENT, &format!("[{EVENT},{EVENT}]"), binary]
            .map(|text| text.as_bytes().to_vec())
            .to_vec()
    },
    words: &[
        "\"specversion\":\"1.0\"",
        "\"type\":",
        "\"source\":",
        "\"id\":",
        "\"subject\":",
        "\"time\":",
        "\"data\":",
        "\"data_base64\":",
        "\"traceparent\":",
        "dev.stepcast.",
        ".v1",
        "ce-",
        "ce-type: ",
        "\n",
        "\n\n",
        "[",
        "]",
        "{",
        "}",
        ",",
        "null",
        "%20",
    ],
    long: |size| {
        let extensions: Vec<String> = (0..size / 10).map(|n| format!("\"x{n:05}\":0")).collect();
        vec![
            format!("{{\"specversion\":\"1.0\",{}}}", extensions.join(",")).into_bytes(),
            format!(
                "[{}{EVENT}]",
                format!("{EVENT},").repeat(size / EVENT.len())
            )
            .into_bytes(),
            format!("ce-type: {}\n\n{{}}", "x".repeat(size)).into_bytes(),
        ]
    },
    check: |bytes| {
        let id: ExecutionId = "exec_1".parse().expect("an id");
        let expected = Expected {
            execution_id: &id,
            max_event_bytes: if bytes.len() > 16 << 10 {
                1 << 20
            } else {
                4 << 10
            },
            max_depth: 64,
        };
        let head = bytes.windows(2).position(|two| two == b"\n\n");
        let binary = head.and_then(|at| {
            let (head, body) = bytes.split_at(at);
            cloud_event(&expected, head, body.get(2..).unwrap_or_default())
        });
        for read in [Some(expected.cloud_events(bytes)), binary]
            .into_iter()
            .flatten()
        {
            match read {
                Ok(drafts) => {
                    assert!(!drafts.is_empty());
                    for draft in &drafts {
                        let word = draft.event_type.as_str();
                        let plain =
                            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
                        assert!(
                            (1..=64).contains(&word.len()) && word.bytes().all(plain),
                            "{word}"
                        );
                        assert!(draft.data.is_object());
                    }
                }
                Err(problem) => {
                    let told = serde_json::to_string(&problem).expect("a problem is written");
                    assert!(told.len() <= 16 << 10, "{} bytes of problems", told.len());
                }
            }
        }
    },
};

/// Durable Streams: a query, what a stream is made with, and a body, each on a line, the body to the end.
pub(super) const DURABLE: Target = Target {
    name: "durable",
    largest: 16 << 10,
    seeds: || {
        [
            "offset=0000000000000001.0000000000000003&live=sse&cursor=7\napplication/json\n60\n\n[{\"a\":[1]},null,[[]]]",
            "offset=-1\ntext/plain; charset=utf-8\n\n2030-01-01T00:00:00Z\nH\u{e4}llo\r\n",
            "offset=now&live=long-poll\nimage/png\n\n\n\u{0}\u{1}",
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
    },
    words: &[
        "offset=",
        "&live=",
        "long-poll",
        "sse",
        "&cursor=",
        "now",
        "-1",
        "application/json",
        "text/",
        "; charset=",
        "\n",
        "[",
        "]",
        "{",
        "}",
        ",",
        "null",
    ],
    long: |size| {
        let made = "\napplication/json\n\n\n";
        vec![
            format!("{made}[{}0]", "0,".repeat(size / 2)).into_bytes(),
            format!("{}{made}1", "offset=1&".repeat(size / 9)).into_bytes(),
            [b"\ntext/plain\n\n\n".to_vec(), vec![0x80; size]].concat(),
            [
                b"\ntext/plain\n\n\n".to_vec(),
                "\u{1d11e}".repeat(size / 4).into_bytes(),
            ]
            .concat(),
        ]
    },
    check: |bytes| {
        let mut parts = bytes.splitn(5, |byte| *byte == b'\n');
        let mut text = || std::str::from_utf8(parts.next().unwrap_or_default()).unwrap_or_default();
        let (query, made) = (text(), [text(), text(), text()]);
        let body = parts.next().unwrap_or_default();
        if let Some(Position::After(cursor)) = durable_read(query) {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for longest in [100, 1 << 20] {
            match durable_append(made, body, longest) {
                // each message once, in the order in which it came
                Some((true, read)) => {
                    let value: Value = serde_json::from_slice(body).expect("it was taken as JSON");
                    let messages = match value {
                        Value::Array(messages) => messages,
                        one @ (Value::Null
                        | Value::Bool(_)
                        | Value::Number(_)
                        | Value::String(_)
                        | Value::Object(_)) => vec![one],
                    };
                    assert_eq!(
                        String::from_utf8(read),
                        Ok(Value::from(messages).to_string())
                    );
                }
                Some((false, read)) => assert_eq!(read, body),
                None => {}
            }
        }
    },
};
