//! Cases 1 to 5: heads, pings, reserved bits, opcodes and fragments.

use super::*;

/// Payloads of every length at which the head of a frame changes.
pub(super) fn framing(cases: &mut Cases) {
    for (n, length) in [0, 125, 126, 127, 128, 65_535, 65_536, 65_536]
        .into_iter()
        .enumerate()
    {
        let payload = "*".repeat(length);
        let number = n + 1;
        cases.good(
            &format!("1.1.{number}"),
            &[text(&payload)],
            &[said(&payload)],
        );
        let payload = vec![0xfe; length];
        let binary = frame(FIN | BINARY, &payload);
        cases.good(
            &format!("1.2.{number}"),
            &[binary],
            &[Message::Binary(payload)],
        );
    }
}

pub(super) fn pings(cases: &mut Cases) {
    let long = [0xfe; 125];
    cases.good("2.1", &[frame(FIN | PING, b"")], &[ping(b"")]);
    cases.good(
        "2.2",
        &[frame(FIN | PING, b"Hello, world!")],
        &[ping(b"Hello, world!")],
    );
    let binary = [0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff];
    cases.good("2.3", &[frame(FIN | PING, &binary)], &[ping(&binary)]);
    cases.good("2.4", &[frame(FIN | PING, &long)], &[ping(&long)]);
    cases.bad("2.5", &[frame(FIN | PING, &[0xfe; 126])], &[], 1002);
    // 2.6 is 2.4 byte by byte: every case is read so
    cases.good("2.7", &[frame(FIN | PONG, b"")], &[]);
    cases.good(
        "2.8",
        &[frame(FIN | PONG, b"unsolicited pong payload")],
        &[],
    );
    let after = [
        frame(FIN | PONG, b"unsolicited"),
        frame(FIN | PING, b"ping payload"),
    ];
    cases.good("2.9", &after, &[ping(b"ping payload")]);
    let ten: Vec<Vec<u8>> = (0..10)
        .map(|n| format!("payload-{n}").into_bytes())
        .collect();
    let sent: Vec<Vec<u8>> = ten
        .iter()
        .map(|payload| frame(FIN | PING, payload))
        .collect();
    let read: Vec<Message> = ten.iter().map(|payload| ping(payload)).collect();
    cases.good("2.10", &sent, &read);
    // 2.11 is 2.10 byte by byte
}

pub(super) fn reserved(cases: &mut Cases) {
    cases.bad("3.1", &[frame(FIN | RSV1 | TEXT, b"x")], &[], 1002);
    for (number, bits) in [("3.2", 0x20), ("3.3", 0x30), ("3.4", 0x40)] {
        let frames = [
            text("small"),
            frame(FIN | bits | TEXT, b"x"),
            frame(FIN | PING, b""),
        ];
        cases.bad(number, &frames, &[said("small")], 1002);
    }
    cases.bad("3.5", &[frame(FIN | 0x50 | BINARY, b"x")], &[], 1002);
    cases.bad("3.6", &[frame(FIN | 0x60 | PING, b"x")], &[], 1002);
    cases.bad("3.7", &[frame(FIN | 0x70 | CLOSE, b"")], &[], 1002);
}

pub(super) fn opcodes(cases: &mut Cases) {
    for (group, reserved) in [(1, 3..=7), (2, 11..=15)] {
        for (n, opcode) in reserved.enumerate() {
            let name = format!("4.{group}.{}", n + 1);
            let small = [
                text("small"),
                frame(FIN | opcode, b"x"),
                frame(FIN | PING, b""),
            ];
            match n {
                0 => cases.bad(&name, &[frame(FIN | opcode, b"")], &[], 1002),
                1 => cases.bad(&name, &[frame(FIN | opcode, b"reserved")], &[], 1002),
                _ => cases.bad(&name, &small, &[said("small")], 1002),
            }
        }
    }
}

pub(super) fn fragments(cases: &mut Cases) {
    let (one, two) = (frame(TEXT, b"fragment1"), frame(FIN, b"fragment2"));
    let whole = said("fragment1fragment2");
    let between = frame(FIN | PING, b"between");
    cases.bad("5.1", &[frame(PING, b"fragment1"), two.clone()], &[], 1002);
    cases.bad("5.2", &[frame(PONG, b"fragment1"), two.clone()], &[], 1002);
    for number in ["5.3", "5.4", "5.5"] {
        cases.good(
            number,
            &[one.clone(), two.clone()],
            std::slice::from_ref(&whole),
        );
    }
    for number in ["5.6", "5.7", "5.8"] {
        let frames = [one.clone(), between.clone(), two.clone()];
        cases.good(number, &frames, &[ping(b"between"), whole.clone()]);
    }
    for (number, first) in [
        ("5.9", FIN),
        ("5.10", FIN),
        ("5.11", FIN),
        ("5.12", CONTINUE),
        ("5.13", CONTINUE),
        ("5.14", CONTINUE),
    ] {
        cases.bad(
            number,
            &[frame(first, b"non-continuation"), text("Hello")],
            &[],
            1002,
        );
    }
    let stray = [one.clone(), two, frame(CONTINUE, b"fragment3"), text("x")];
    cases.bad("5.15", &stray, std::slice::from_ref(&whole), 1002);
    for (number, first) in [("5.16", CONTINUE), ("5.17", FIN)] {
        let frames = [
            frame(first, b"fragment1"),
            frame(TEXT, b"fragment2"),
            frame(FIN, b"3"),
        ];
        cases.bad(number, &frames, &[], 1002);
    }
    cases.bad("5.18", &[one, text("fragment2")], &[], 1002);
    for number in ["5.19", "5.20"] {
        let frames = [
            frame(TEXT, b"fragment1"),
            frame(CONTINUE, b"fragment2"),
            frame(FIN | PING, b"pongme 1!"),
            frame(CONTINUE, b"fragment3"),
            frame(CONTINUE, b"fragment4"),
            frame(FIN | PING, b"pongme 2!"),
            frame(FIN, b"fragment5"),
        ];
        let whole = said("fragment1fragment2fragment3fragment4fragment5");
        cases.good(
            number,
            &frames,
            &[ping(b"pongme 1!"), ping(b"pongme 2!"), whole],
        );
    }
}
