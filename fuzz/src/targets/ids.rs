//! What stands in addresses and headers: cursors, filters, ranges.

use stepcast::untrusted::{Part, Selection, proof, range};
use stepcast_core::filter::Filter;
use stepcast_core::id::{Cursor, ExecutionId, MAX_ID_BYTES, Position};
use stepcast_core::pace::Pace;
use stepcast_core::time::Timestamp;

use super::texts;
use crate::Target;
use crate::bytes::Input;

/// Cursors, ids and paces.
pub(super) const CURSOR: Target = Target {
    name: "cursor",
    largest: 4 << 10,
    seeds: || {
        texts(&[
            "3.17",
            "0.0",
            "earliest",
            "now",
            "18446744073709551615.1",
            "exec_123:a.b-C",
            "0.5",
            "2.25",
            "1e1",
            "2025-10-22T10:30:00.123Z",
        ])
    },
    words: &[
        "earliest",
        "now",
        ".",
        "0",
        "18446744073709551616",
        "NaN",
        "inf",
        "T",
        "Z",
    ],
    long: |size| vec![vec![b'1'; size], b"1.".repeat(size / 2), vec![b'a'; size]],
    check: |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        if let Ok(cursor) = text.parse::<Cursor>() {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        if let Ok(position) = text.parse::<Position>() {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        if let Ok(id) = text.parse::<ExecutionId>() {
            assert_eq!(id.as_str(), text);
            assert!((1..=MAX_ID_BYTES).contains(&text.len()));
        }
        if let Ok(pace) = text.parse::<Pace>() {
            assert_eq!(pace.to_string().parse(), Ok(pace));
        }
        if let Ok(timestamp) = serde_json::from_value::<Timestamp>(text.into())
            && let Some(ms) = timestamp.unix_millis()
        {
            let written = Timestamp::from_unix_millis(ms);
            assert_eq!(written.unix_millis(), Some(ms), "{text}");
        }
    },
};

/// `Last-Event-ID` and the query, which hold the filter.
pub(super) const SELECTION: Target = Target {
    name: "selection",
    largest: 8 << 10,
    seeds: || {
        texts(&[
            "3.17\nafter=3.17&type=step_output&type=step_error&step=a&pace=2",
            "\nlast_event_id=now&step=%C3%A4+b",
            "earliest\nafter=%",
        ])
    },
    words: &[
        "type=",
        "step=",
        "after=",
        "last_event_id=",
        "pace=",
        "&",
        "%00",
        "%f0",
        "+",
    ],
    long: |size| {
        vec![
            format!("\n{}", "type=a&".repeat(size / 7)).into_bytes(),
            format!("\n{}", "%41".repeat(size / 3)).into_bytes(),
        ]
    },
    check: |bytes| {
        let (header, query) = Input(bytes).split(b'\n');
        let (Ok(header), Ok(query)) = (std::str::from_utf8(header), std::str::from_utf8(query))
        else {
            return;
        };
        let Ok(selection) = Selection::parse(Some(header), query) else {
            return;
        };
        let filter = selection.filter;
        assert!(filter.types.len() + filter.steps.len() <= 1 + query.len());
        let text = serde_json::to_string(&filter).expect("a filter is written");
        let read: Filter = serde_json::from_str(&text).expect("a filter is read");
        assert_eq!(read, filter);
        assert_eq!(selection.after.to_string().parse(), Ok(selection.after));
    },
};

/// The header `Range`.
pub(super) const RANGE: Target = Target {
    name: "range",
    largest: 4 << 10,
    seeds: || {
        texts(&[
            "\u{a}bytes=0-4",
            "\u{ff}bytes=-3",
            "\u{1}bytes=8-",
            "\u{40}bytes=0-1,4-5",
        ])
    },
    words: &["bytes=", "-", ",", "0", "18446744073709551615", " "],
    long: |size| {
        vec![
            format!("\u{a}bytes={}", "0-1,".repeat(size / 4)).into_bytes(),
            format!("\u{a}bytes=0-{}", "9".repeat(size)).into_bytes(),
        ]
    },
    check: |bytes| {
        let mut input = Input(bytes);
        let size = input.below(256) as u64;
        if let Part::From(part) = range(input.0, size) {
            assert!(
                part.start() <= part.end() && *part.end() < size,
                "{part:?} of {size}"
            );
        }
    },
};

/// Tokens, tickets and cookies: the address, then a line for each header.
pub(super) const PROOF: Target = Target {
    name: "proof",
    largest: 8 << 10,
    seeds: || {
        texts(&[
            "/?ticket=a%20b\nauthorization: Bearer t\nauthorization: Bearer u",
            "/\nsec-websocket-protocol: stepcast.v1, stepcast.bearer.t\nhost: h",
            "/\nhost: h:1\norigin: http://h:1\ncookie: a=b; stepcast_session=s; stepcast_share=t",
            "/\nhost: h\norigin: null\nsec-fetch-site: same-origin\nupgrade: websocket\ncookie: stepcast_session=s",
        ])
    },
    words: &[
        "authorization: ",
        "Bearer ",
        "cookie: ",
        "stepcast_session=",
        "stepcast_share=",
        "origin: ",
        "host: ",
        "http://",
        "sec-fetch-site: ",
        "none",
        "\n",
        "; ",
        "stepcast.bearer.",
        "ticket=",
    ],
    long: |size| {
        vec![
            format!("/\ncookie: {}", "a=b; ".repeat(size / 5)).into_bytes(),
            format!("/\nsec-websocket-protocol: {}", "a, ".repeat(size / 3)).into_bytes(),
        ]
    },
    check: |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        let mut lines = text.lines();
        let uri = lines.next().unwrap_or_default();
        let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
        let Some((way, shown)) = proof(uri, &headers) else {
            return;
        };
        let header = |name: &str| {
            let mut found = headers
                .iter()
                .filter(|(it, _)| it.eq_ignore_ascii_case(name));
            found.next().map(|(_, value)| value.trim())
        };
        assert!(shown.iter().all(|it| !it.is_empty() || way != "cookies"));
        if way == "cookies"
            && let Some(origin) = header("origin")
        {
            // a page of another origin never brings its visitor's cookies along
            let authority = origin.split_once("://").map(|(_, it)| it);
            let target = uri.split_once("://").map(|(_, it)| it);
            let own = header("host").or(target.and_then(|it| it.split(['/', '?']).next()));
            assert_eq!(authority, own, "{text:?}");
        }
        if header("authorization").is_some() {
            assert!(["bearer", "unreadable"].contains(&way), "{way}");
        }
    },
};
