//! WebSocket frames, as a server reads them.

use stepcast::untrusted::{Incoming, Message, cbor, written_in_cbor};
use stepcast_core::wire::close::CloseCode;

use crate::Target;
use crate::bytes::Input;

/// What a client has sent on its socket.
pub(super) const WEBSOCKET: Target = Target {
    name: "websocket",
    largest: 64 << 10,
    seeds: || {
        let whole = [
            masked(0x01, b"on"),
            masked(0x89, b"?"),
            masked(0x80, b"e"),
            masked(0x82, &[0xff]),
            masked(0x88, &[3, 232, b'x']),
        ];
        let mut seeds = vec![
            [&[0][..], &masked(0x81, b"{\"action\":\"ping\"}")].concat(),
            [&[3][..], &masked(0x81, &[b'x'; 126])].concat(),
            [&[7][..], &masked(0x81, &vec![b'x'; 65_536])].concat(),
        ];
        seeds.push([&[1][..], &whole.concat()].concat());
        seeds
    },
    words: &["\u{1}", "\0", "~", "{\"action\":\"ping\"}"],
    long: |size| {
        vec![
            [
                &[200][..],
                &masked(0x01, b"").repeat(1),
                &masked(0x00, b"x").repeat(size / 7),
            ]
            .concat(),
            [&[0][..], &masked(0x89, b"").repeat(size / 6)].concat(),
            [&[0][..], &masked(0x81, &vec![b'x'; size])].concat(),
        ]
    },
    check: |bytes| {
        let mut input = Input(bytes);
        let piece = 1 + input.below(256);
        let largest = if piece % 2 == 0 { 200 } else { 1 << 20 };
        let whole = read(input.0, input.0.len().max(1), largest);
        assert_eq!(read(input.0, piece, largest), whole, "in pieces of {piece}");
        let mut told = 0;
        for message in &whole.0 {
            match message {
                Message::Text(text) => {
                    assert!(text.len() <= largest, "{} bytes", text.len());
                    told += text.len();
                    let again = read(&masked(0x81, text.as_bytes()), 5, largest);
                    assert_eq!(again, (vec![Message::Text(text.clone())], None));
                }
                Message::Ping(payload) => assert!(payload.len() <= 125),
                Message::Binary(_) | Message::Close(_) => {}
            }
        }
        assert!(told <= input.0.len());
    },
};

/// What a client has sent that may compress its messages.
pub(super) const DEFLATE: Target = Target {
    name: "deflate",
    largest: 16 << 10,
    seeds: || {
        // "Hello", as RFC 7692 writes it: compressed, in two frames, twice, stored, and with a last block
        let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        let (a, b) = hello.split_at(3);
        let stored = [
            0x00, 0x05, 0x00, 0xfa, 0xff, b'H', b'e', b'l', b'l', b'o', 0x00,
        ];
        let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        vec![
            [&[0][..], &masked(0xc1, &hello)].concat(),
            [
                &[1][..],
                &masked(0x41, a),
                &masked(0x80, b),
                &masked(0x81, b"plain"),
            ]
            .concat(),
            [&[2][..], &masked(0xc1, &stored), &masked(0xc1, &last)].concat(),
            [&[3][..], &masked(0xc2, &hello), &masked(0xc9, b"?")].concat(),
        ]
    },
    words: &["\u{0}\u{0}", "\u{f2}H", "\u{1}"],
    // the longest distances and lengths that a few bits say, again and again
    long: |size| vec![[&[1][..], &masked(0xc1, &[0xed, 0xfd].repeat(size / 2))].concat()],
    check: |bytes| {
        let mut input = Input(bytes);
        let piece = 1 + input.below(256);
        let largest = if piece % 2 == 0 { 200 } else { 64 << 10 };
        let whole = read_with(input.0, input.0.len().max(1), largest, true);
        assert_eq!(
            read_with(input.0, piece, largest, true),
            whole,
            "in pieces of {piece}"
        );
        for message in &whole.0 {
            match message {
                Message::Text(text) => assert!(text.len() <= largest, "{} bytes", text.len()),
                Message::Ping(_) | Message::Binary(_) | Message::Close(_) => {}
            }
        }
    },
};

/// What a client says in CBOR.
pub(super) const CBOR: Target = Target {
    name: "cbor",
    largest: 16 << 10,
    seeds: || {
        let subscribe = r#"{"action":"subscribe","execution_id":"e","after":"1.7","filter":{"types":["step_error"]},"window":1000}"#;
        vec![
            written_in_cbor(r#"{"action":"ping"}"#),
            written_in_cbor(subscribe),
            written_in_cbor(r#"[0.1,1.5,-1,18446744073709551615,null,true,[],{}]"#),
            // of lengths that are not told before, and with a tag
            b"\xbf\x66action\x7f\x62pi\x62ng\xff\xff".to_vec(),
            b"\x9f\xc2\x42\x01\x00\xf7\xf9\x3c\x00\xff".to_vec(),
        ]
    },
    words: &["\u{1}", "\0", "action", "\u{7f}", "\u{18}"],
    long: |size| {
        vec![
            vec![0x81; size],
            vec![0x9f; size],
            [0xa1, 0x60].repeat(size / 2),
            [
                &[0x9b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff][..],
                &vec![0; size],
            ]
            .concat(),
            [&[0x7f][..], &[0x61, b'x'].repeat(size / 2), &[0xff]].concat(),
        ]
    },
    check: |bytes| {
        let Some(json) = cbor(bytes) else {
            return;
        };
        // a byte is six at most, of a text, and what separates it from the next
        assert!(json.len() <= 8 * bytes.len() + 8, "{} bytes", json.len());
        // deeper than that, JSON is not read
        if serde_json::from_str::<serde_json::Value>(&json).is_ok() {
            assert_eq!(cbor(&written_in_cbor(&json)), Some(json));
        }
    },
};

fn read(bytes: &[u8], piece: usize, largest: usize) -> (Vec<Message>, Option<CloseCode>) {
    read_with(bytes, piece, largest, false)
}

fn read_with(
    bytes: &[u8],
    piece: usize,
    largest: usize,
    inflates: bool,
) -> (Vec<Message>, Option<CloseCode>) {
    let (mut incoming, mut messages) = (Incoming::new(inflates), Vec::new());
    for piece in bytes.chunks(piece) {
        incoming.push(piece);
        loop {
            match incoming.next(largest) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(code) => return (messages, Some(code)),
            }
        }
    }
    (messages, None)
}

/// A client's frame.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => frame.push(0x80 | length),
        (_, Ok(length)) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    let mask = [7, 11, 13, 17];
    frame.extend(mask);
    let cycle = mask.iter().cycle();
    frame.extend(payload.iter().zip(cycle).map(|(byte, mask)| byte ^ mask));
    frame
}
