use serde_json::json;
use stepcast_core::id::{Cursor, Position};

use super::*;

fn kept(content_type: &str) -> Kept {
    Kept::of(Some(content_type), None, None).unwrap()
}

#[test]
fn a_stream_is_made_with_what_its_headers_say() {
    let made = Kept::of(Some("Text/Plain; Charset=UTF-8"), Some("60"), None).unwrap();
    assert_eq!(made.content_type, "text/plain; charset=utf-8");
    assert_eq!((made.ttl_seconds, made.is_fleeting()), (Some(60), true));
    let unnamed = Kept::of(None, None, None).unwrap();
    assert_eq!(unnamed.content_type, "application/octet-stream");
    assert!(!unnamed.is_fleeting());
    let until = Kept::of(None, None, Some("2030-01-01T00:00:00+01:00")).unwrap();
    assert_eq!(until.expires_millis(), Some(1_893_452_400_000));
    for (content_type, ttl, expires_at) in [
        (Some("text"), None, None),
        (Some("text/"), None, None),
        (Some("text/plain\u{7f}"), None, None),
        (Some("te xt/plain"), None, None),
        (None, Some(""), None),
        (None, Some("+1"), None),
        (None, Some("01"), None),
        (None, Some("1.0"), None),
        (None, Some("1e3"), None),
        (None, Some("-1"), None),
        (None, None, Some("tomorrow")),
        (None, Some("1"), Some("2030-01-01T00:00:00Z")),
    ] {
        assert!(
            Kept::of(content_type, ttl, expires_at).is_err(),
            "{content_type:?} {ttl:?} {expires_at:?}"
        );
    }
}

#[test]
fn offsets_sort_as_texts_and_are_cursors() {
    let places = [(1, 0), (1, 9), (1, 10), (2, 0), (10, 3)];
    let texts = places.map(|(epoch, seq)| Offset::new(epoch, seq).to_string());
    assert!(texts.is_sorted(), "{texts:?}");
    for ((epoch, seq), text) in places.into_iter().zip(texts) {
        assert_eq!(text.parse(), Ok(Cursor { epoch, seq }));
        let position = Offset::position(&text);
        assert_eq!(position, Ok(Position::After(Cursor { epoch, seq })));
    }
    assert_eq!(Offset::position("-1"), Ok(Position::Earliest));
    assert_eq!(Offset::position("now"), Ok(Position::Now));
    for text in ["", "earliest", "0", "1,2", "1.2 ", "-2"] {
        assert!(Offset::position(text).is_err(), "{text}");
    }
}

#[test]
fn the_end_of_a_stream_does_not_move_when_it_is_closed() {
    // nothing; begun along with a first message; closed behind it; closed with nothing in it
    for (seq, last_seq, is_closed, place) in [
        (0, 0, false, 0),
        (2, 2, false, 2),
        (2, 3, true, 2),
        (3, 3, true, 2),
        (2, 2, true, 0),
        (0, 3, true, 0),
        (2, 9, false, 2),
    ] {
        assert_eq!(settled(seq, last_seq, is_closed), place);
    }
}

#[test]
fn a_read_says_from_where_and_how() {
    let asked = |query| Asked::parse(query);
    let none = asked("unknown=1").unwrap();
    assert_eq!(
        (none.after, none.live, none.cursor),
        (Position::Earliest, Live::No, None)
    );
    let polled = asked("cursor=17&live=long-poll&offset=now").unwrap();
    assert_eq!(
        (polled.after, polled.live, polled.cursor),
        (Position::Now, Live::LongPoll, Some(17))
    );
    assert_eq!(asked("offset=-1&live=sse&cursor=x").unwrap().cursor, None);
    for query in [
        "live=sse",
        "live=long-poll",
        "offset=",
        "offset=1&offset=1",
        "offset=-1&live=websocket",
        "offset=1%2C2",
    ] {
        assert!(asked(query).is_err(), "{query}");
    }
}

#[test]
fn cursors_never_go_back() {
    let now = 1_728_432_000_000 + 20_000 * 1000 + 1;
    assert_eq!(cursor(now, None, |_| 5), 1000);
    assert_eq!(cursor(now, Some(999), |_| 5), 1000);
    assert_eq!(cursor(now, Some(1000), |_| 0), 1001);
    assert_eq!(cursor(now, Some(2000), |most| most - 1), 2180);
    assert_eq!(cursor(now, Some(u64::MAX), |_| 1), u64::MAX);
    assert_eq!(cursor(0, None, |_| 1), 0);
}

/// What is read of what was appended.
fn read_back(content: Content, bodies: &[&[u8]], longest: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for body in bodies {
        for draft in content.drafts(body, longest).unwrap() {
            assert!(draft.data.to_string().len() <= longest, "{}", draft.data);
            let event = json!({ "event_type": draft.event_type, "seq": 1, "data": draft.data });
            assert!(content.add(&mut out, &event.to_string()));
        }
    }
    content.body(out)
}

#[test]
fn what_is_appended_is_read_as_it_was() {
    let bytes: Vec<u8> = (0..=255).collect();
    let long = "ä€𝄞\0\n".repeat(300);
    for longest in [100, 1000, 100_000] {
        for content_type in ["application/octet-stream", "text/plain"] {
            let content = Content::of(Some(&kept(content_type)));
            for body in [
                bytes.as_slice(),
                long.as_bytes(),
                b"x",
                &[0xe2, 0x82],
                &[0x80; 50],
            ] {
                assert_eq!(
                    read_back(content, &[body, b"!"], longest),
                    [body, b"!"].concat()
                );
            }
        }
        // what is text is kept as text, wherever it is cut
        let content = Content::of(Some(&kept("text/plain")));
        for draft in content.drafts(long.as_bytes(), longest).unwrap() {
            assert!(draft.data["text"].is_string(), "{}", draft.data);
        }
    }
    let json = Content::of(Some(&kept("application/json; charset=utf-8")));
    let bodies: [&[u8]; 5] = [
        b"{\"a\":[1]}",
        b"[1,[2,[3]],null]",
        b"null",
        b"\"x\"",
        b"[[]]",
    ];
    let read = read_back(json, &bodies, 1000);
    assert_eq!(read, b"[{\"a\":[1]},1,[2,[3]],null,null,\"x\",[]]");
    assert_eq!(json.body(Vec::new()), b"[]");
}

#[test]
fn what_cannot_be_appended_is_refused() {
    let json = Content::of(Some(&kept("application/json")));
    assert_eq!(json.drafts(b"[]", 100), Err(NoMessage::Empty));
    assert!(matches!(json.drafts(b"{", 100), Err(NoMessage::Json(_))));
    let long = format!("[1,\"{}\"]", "x".repeat(100));
    assert_eq!(json.drafts(long.as_bytes(), 100), Err(NoMessage::TooLong));
}

#[test]
fn a_stream_holds_nothing_but_what_was_appended() {
    let json = Content::of(Some(&kept("application/json")));
    let bytes = Content::of(Some(&kept("image/png")));
    let mut out = Vec::new();
    for event in [
        json!({ "event_type": "pipeline_start", "data": { "value": 1, "text": "x" } }),
        json!({ "event_type": "appended", "data": {} }),
        json!({ "event_type": "appended", "data": { "base64": "?" } }),
        json!({ "event_type": "appended", "data": 5 }),
        json!({}),
    ] {
        for content in [json, bytes] {
            assert!(!content.add(&mut out, &event.to_string()), "{event}");
        }
    }
    assert!(out.is_empty());
    // of an execution that was not made as a stream everything is read
    assert!(Content::of(None).add(&mut out, "{\"seq\":1}"));
    assert!(Content::of(None).add(&mut out, "{\"seq\":2}"));
    assert_eq!(Content::of(None).body(out), b"[{\"seq\":1},{\"seq\":2}]");
}
