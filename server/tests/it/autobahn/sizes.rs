//! Cases 9, 12 and 13: sizes and compression.

use std::fmt::Write as _;

use flate2::{Compress, Compression, FlushCompress};

use super::*;

/// Messages up to the limit, whole, in fragments, and one that is past it.
pub(super) fn sizes(cases: &mut Cases) {
    for (n, length) in [64 << 10, 256 << 10, LARGEST].into_iter().enumerate() {
        let payload = "*".repeat(length);
        cases.good(
            &format!("9.1.{}", n + 1),
            &[text(&payload)],
            &[said(&payload)],
        );
        cases.good(
            &format!("9.2.{}", n + 1),
            &[frame(FIN | BINARY, payload.as_bytes())],
            &[Message::Binary(payload.clone().into_bytes())],
        );
    }
    cases.bad("9.1.4", &[text(&"*".repeat(LARGEST + 1))], &[], 1009);
    cases.bad(
        "9.2.4",
        &[frame(FIN | BINARY, &vec![0; LARGEST + 1])],
        &[],
        1009,
    );
    for (n, part) in [64, 1 << 10, 64 << 10, LARGEST].into_iter().enumerate() {
        let payload = "*".repeat(LARGEST);
        let mut frames = vec![frame(TEXT, b"")];
        frames.extend(
            payload
                .as_bytes()
                .chunks(part)
                .map(|part| frame(CONTINUE, part)),
        );
        let mut too_many = frames.clone();
        frames.push(frame(FIN, b""));
        cases.good(&format!("9.3.{}", n + 1), &frames, &[said(&payload)]);
        too_many.push(frame(FIN, b"x"));
        cases.bad(&format!("9.4.{}", n + 1), &too_many, &[], 1009);
    }
    // 9.5 and 9.6 are 9.1 in pieces; 9.7 and 9.8 are many small ones
    for (n, length) in [0, 16, 64, 256, 1024, 4096].into_iter().enumerate() {
        let payload = "*".repeat(length);
        let frames = vec![text(&payload); 1000];
        cases.good(
            &format!("9.7.{}", n + 1),
            &frames,
            &vec![said(&payload); 1000],
        );
    }
}

/// What a client makes of a message that it compresses.
fn compressed(payload: &[u8]) -> Vec<u8> {
    let mut compress = Compress::new(Compression::new(6), false);
    let mut bytes = Vec::with_capacity(payload.len() + 1024);
    compress
        .compress_vec(payload, &mut bytes, FlushCompress::Sync)
        .unwrap();
    bytes.truncate(bytes.len() - 4);
    bytes
}

pub(super) fn deflated(cases: &mut Cases) {
    let sizes = [
        16, 64, 256, 1024, 4096, 8192, 16_384, 32_768, 65_536, 131_072,
    ];
    for (n, length) in sizes.into_iter().enumerate() {
        let mut payload = String::new();
        while payload.len() < length {
            write!(payload, "{{\"n\":{},\"é\":\"€\"}}", payload.len()).unwrap();
        }
        let bytes = compressed(payload.as_bytes());
        let whole = frame(FIN | RSV1 | TEXT, &bytes);
        let number = n + 1;
        cases.add(
            &format!("12.1.{number}"),
            &vec![whole; 20],
            &vec![said(&payload); 20],
            None,
            true,
        );
        let (one, two) = bytes.split_at(bytes.len() / 2);
        let parts = [
            frame(RSV1 | TEXT, one),
            frame(FIN | PING, b"?"),
            frame(FIN, two),
        ];
        cases.add(
            &format!("12.2.{number}"),
            &parts,
            &[ping(b"?"), said(&payload)],
            None,
            true,
        );
        let binary = frame(FIN | RSV1 | BINARY, &bytes);
        cases.add(
            &format!("13.1.{number}"),
            &[binary],
            &[Message::Binary(payload.into_bytes())],
            None,
            true,
        );
    }
    let bytes = compressed("κόσμε".as_bytes());
    let again = [frame(RSV1 | TEXT, &bytes), frame(FIN | RSV1, b"")];
    cases.add("13.2.1", &again, &[], Some(1002), true);
    cases.add(
        "13.2.2",
        &[frame(FIN | RSV1 | PING, &bytes)],
        &[],
        Some(1002),
        true,
    );
    cases.add(
        "13.2.3",
        &[frame(FIN | RSV1 | TEXT, &[0xff; 16])],
        &[],
        Some(1002),
        true,
    );
    let broken = compressed(b"\xed\xa0\x80edited");
    cases.add(
        "13.2.4",
        &[frame(FIN | RSV1 | TEXT, &broken)],
        &[],
        Some(1007),
        true,
    );
    cases.add("13.2.5", &[text("plain")], &[said("plain")], None, true);
    let bomb = compressed(&vec![b'*'; 4 * LARGEST]);
    cases.add(
        "13.2.6",
        &[frame(FIN | RSV1 | TEXT, &bomb)],
        &[],
        Some(1009),
        true,
    );
}
