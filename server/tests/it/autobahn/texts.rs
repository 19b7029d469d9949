//! Cases 6 and 7: text and closes.

use super::*;

pub(super) fn utf8(cases: &mut Cases) {
    cases.good("6.1.1", &[text("")], &[said("")]);
    cases.good(
        "6.1.2",
        &[frame(TEXT, b""), frame(CONTINUE, b""), frame(FIN, b"")],
        &[said("")],
    );
    let middle = [
        frame(TEXT, b""),
        frame(CONTINUE, b"middle"),
        frame(FIN, b""),
    ];
    cases.good("6.1.3", &middle, &[said("middle")]);
    let greeting = "Hello-µ@ßöäüàá-UTF-8!!";
    cases.good("6.2.1", &[text(greeting)], &[said(greeting)]);
    let (start, end) = greeting.as_bytes().split_at(13);
    cases.good(
        "6.2.2",
        &[frame(TEXT, start), frame(FIN, end)],
        &[said(greeting)],
    );
    let each = |bytes: &[u8]| {
        let last = bytes.len() - 1;
        let first = |n| if n == 0 { TEXT } else { CONTINUE } | if n == last { FIN } else { 0 };
        let frames = bytes.iter().enumerate();
        frames
            .map(|(n, byte)| frame(first(n), &[*byte]))
            .collect::<Vec<_>>()
    };
    cases.good("6.2.3", &each(greeting.as_bytes()), &[said(greeting)]);
    let kosme = "κόσμε";
    cases.good("6.2.4", &each(kosme.as_bytes()), &[said(kosme)]);
    let broken = [kosme.as_bytes(), b"\xed\xa0\x80edited"].concat();
    cases.bad("6.3.1", &[frame(FIN | TEXT, &broken)], &[], 1007);
    cases.bad("6.3.2", &each(&broken), &[], 1007);
    let past = [kosme.as_bytes(), b"\xf4\x90\x80\x80"].concat();
    // what is wrong is refused before the message is whole: nothing that follows is sent
    cases.bad(
        "6.4.1",
        &[frame(TEXT, kosme.as_bytes()), frame(CONTINUE, &past[11..])],
        &[],
        1007,
    );
    cases.bad(
        "6.4.2",
        &[frame(TEXT, &past[..12]), frame(CONTINUE, &past[12..13])],
        &[],
        1007,
    );
    let whole = frame(FIN | TEXT, &[&past, b"edited".as_slice()].concat());
    cases.bad("6.4.3", &[whole[..whole.len() - 7].to_vec()], &[], 1007);
    cases.bad("6.4.4", &[whole[..whole.len() - 8].to_vec()], &[], 1007);
    for (number, valid) in [
        ("6.5.1", "\u{0}"),
        ("6.6.2", "κ"),
        ("6.6.11", "κόσμε"),
        ("6.7.1", "\u{0}"),
        ("6.7.2", "\u{80}"),
        ("6.7.3", "\u{800}"),
        ("6.7.4", "\u{10000}"),
        ("6.9.1", "\u{7f}"),
        ("6.9.2", "\u{7ff}"),
        ("6.9.3", "\u{ffff}"),
        ("6.9.4", "\u{10ffff}"),
        ("6.11.1", "\u{d7ff}"),
        ("6.11.2", "\u{e000}"),
        ("6.11.3", "\u{fffd}"),
        ("6.11.4", "\u{10ffff}"),
        ("6.22.1", "\u{fffe}"),
        ("6.22.2", "\u{ffff}"),
        ("6.22.3", "\u{1fffe}"),
        ("6.22.34", "\u{10ffff}"),
        ("6.23.1", "\u{fff9}"),
        ("6.23.7", "\u{ffff}"),
    ] {
        cases.good(number, &[text(valid)], &[said(valid)]);
    }
    let invalid: [(&str, &[u8]); 41] = [
        ("6.6.1", b"\xce"),
        ("6.6.3", b"\xce\xba\xe1"),
        ("6.6.4", b"\xce\xba\xe1\xbd"),
        ("6.6.6", b"\xce\xba\xe1\xbd\xb9\xcf"),
        ("6.6.8", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce"),
        ("6.6.10", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce"),
        ("6.8.1", b"\xf8\x88\x80\x80\x80"),
        ("6.8.2", b"\xfc\x84\x80\x80\x80\x80"),
        ("6.10.1", b"\xf7\xbf\xbf\xbf"),
        ("6.10.2", b"\xfb\xbf\xbf\xbf\xbf"),
        ("6.10.3", b"\xfd\xbf\xbf\xbf\xbf\xbf"),
        ("6.11.5", b"\xf4\x90\x80\x80"),
        ("6.12.1", b"\x80"),
        ("6.12.2", b"\xbf"),
        ("6.12.3", b"\x80\xbf"),
        ("6.12.4", b"\x80\xbf\x80"),
        ("6.12.8", b"\x80\xbf\x80\xbf\x80\xbf\x80"),
        ("6.13.1", b"\xc0 \xc1 \xc2 "),
        ("6.13.2", b"\xe0 \xe1 \xe2 "),
        ("6.13.3", b"\xf0 \xf1 \xf2 "),
        ("6.13.4", b"\xf8 \xf9 \xfa "),
        ("6.13.5", b"\xfc \xfd "),
        ("6.14.1", b"\xc0"),
        ("6.14.2", b"\xe0\x80"),
        ("6.14.3", b"\xf0\x80\x80"),
        ("6.14.6", b"\xdf"),
        ("6.14.7", b"\xef\xbf"),
        ("6.14.8", b"\xf7\xbf\xbf"),
        ("6.15.1", b"\xc0\xe0\x80\xf0\x80\x80"),
        ("6.16.1", b"\xfe"),
        ("6.16.2", b"\xff"),
        ("6.16.3", b"\xfe\xfe\xff\xff"),
        ("6.17.1", b"\xc0\xaf"),
        ("6.17.2", b"\xe0\x80\xaf"),
        ("6.17.3", b"\xf0\x80\x80\xaf"),
        ("6.18.1", b"\xc1\xbf"),
        ("6.19.1", b"\xc0\x80"),
        ("6.20.1", b"\xed\xa0\x80"),
        ("6.20.7", b"\xed\xbf\xbf"),
        ("6.21.1", b"\xed\xa0\x80\xed\xb0\x80"),
        ("6.21.8", b"\xed\xaf\xbf\xed\xbf\xbf"),
    ];
    for (number, bytes) in invalid {
        cases.bad(number, &[frame(FIN | TEXT, bytes)], &[], 1007);
    }
}

pub(super) fn closes(cases: &mut Cases) {
    let done = close(1000, b"");
    let closed = Message::Close(Some(1000));
    cases.good(
        "7.1.1",
        &[text("Hello World!"), done.clone()],
        &[said("Hello World!"), closed.clone()],
    );
    cases.good("7.3.1", &[frame(FIN | CLOSE, b"")], &[Message::Close(None)]);
    cases.bad("7.3.2", &[frame(FIN | CLOSE, b"a")], &[], 1002);
    cases.good("7.3.3", &[done], std::slice::from_ref(&closed));
    cases.good(
        "7.3.4",
        &[close(1000, b"Hello World!")],
        std::slice::from_ref(&closed),
    );
    cases.good(
        "7.3.5",
        &[close(1000, &[b'*'; 123])],
        std::slice::from_ref(&closed),
    );
    cases.bad("7.3.6", &[close(1000, &[b'*'; 124])], &[], 1002);
    cases.bad(
        "7.5.1",
        &[close(
            1000,
            b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        )],
        &[],
        1007,
    );
    let valid = [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
    ];
    for (n, code) in valid.into_iter().enumerate() {
        cases.good(
            &format!("7.7.{}", n + 1),
            &[close(code, b"")],
            &[Message::Close(Some(code))],
        );
    }
    for (n, code) in [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999]
        .into_iter()
        .enumerate()
    {
        cases.bad(&format!("7.9.{}", n + 1), &[close(code, b"")], &[], 1002);
    }
    cases.bad("7.13.1", &[close(5000, b"")], &[], 1002);
    cases.bad("7.13.2", &[close(65_535, b"")], &[], 1002);
}
