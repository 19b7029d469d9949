//! Numbers, times and the connection in words.

use std::time::Duration;

use stepcast_core::client::{State, Transport, WaitReason};
use stepcast_core::control::GapReason;
use stepcast_core::id::Seq;
use stepcast_core::time::{Time, Timestamp};

/// A duration as people say it: `870 ms`, `1.2 s`, `42 s`, `2 min 03 s`, `1 h 04 min`.
pub fn duration(ms: f64) -> String {
    let ms = if ms.is_finite() { ms.max(0.0) } else { 0.0 };
    let seconds = (ms / 1000.0).round() as u64;
    if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else if ms < 9950.0 {
        format!("{:.1} s", ms / 1000.0)
    } else if seconds < 60 {
        format!("{seconds} s")
    } else if seconds < 3600 {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    } else {
        format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60)
    }
}

/// A duration that still grows, in whole seconds: a calm clock.
pub fn elapsed(ms: f64) -> String {
    if ms < 60_000.0 {
        format!("{} s", (ms.max(0.0) / 1000.0).floor())
    } else {
        duration((ms / 1000.0).floor() * 1000.0)
    }
}

/// A count with thin spaces between thousands: `12 345`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3 * 2);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun: `1 event`, `3 events`.
pub fn counted(n: u64, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(n))
}

/// A size: `870 bytes`, `12.3 kB`, `4.0 MB`.
pub fn bytes(n: u64) -> String {
    let size = n as f64;
    match n {
        0..1_000 => counted(n, "byte"),
        1_000..999_950 => format!("{:.1} kB", size / 1e3),
        999_950..999_950_000 => format!("{:.1} MB", size / 1e6),
        _ => format!("{:.1} GB", size / 1e9),
    }
}

/// The time that is left, in whole seconds: `4 min 12 s left`, `12 days left`, `no time left`.
pub fn left(ms: u64) -> String {
    match ms / 1000 {
        0 => "no time left".to_owned(),
        1..172_800 => format!("{} left", elapsed(ms as f64)),
        seconds => format!("{} days left", seconds / 86_400),
    }
}

/// A fraction as whole percent; 100 only when it is 1.
pub fn percent(fraction: f64) -> u32 {
    let whole = (fraction.clamp(0.0, 1.0) * 100.0).floor();
    whole as u32
}

/// The time of day in UTC to the millisecond: `10:30:00.123`. The text itself where it is no timestamp.
pub fn time_of_day(at: &Timestamp) -> String {
    match (at.unix_millis(), at.as_str().get(11..)) {
        (Some(ms), Some(_)) => {
            let text = Timestamp::from_unix_millis(ms);
            text.as_str().get(11..23).unwrap_or_default().to_owned()
        }
        _ => at.to_string(),
    }
}

/// How long ago, roughly: `just now`, `4 min ago`, `3 h ago`, `12 days ago`.
pub fn ago(ms: u64) -> String {
    let minutes = ms / 60_000;
    if minutes < 1 {
        "just now".to_owned()
    } else if minutes < 60 {
        format!("{minutes} min ago")
    } else if minutes < 48 * 60 {
        format!("{} h ago", minutes / 60)
    } else {
        format!("{} days ago", minutes / 60 / 24)
    }
}

/// A transport's name.
pub const fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::WebSocket => "WebSocket",
        Transport::Sse => "SSE",
        Transport::LongPoll => "long poll",
    }
}

/// What a gap is, in words.
pub const fn gap(reason: GapReason) -> &'static str {
    match reason {
        GapReason::Retention => "the server no longer keeps them",
        GapReason::Epoch => "the log was recreated",
        GapReason::Transport => "they were lost on the way",
        _ => "the server gives no reason that this page knows",
    }
}

/// The connection in words, a short one and what there is to add.
pub fn connection(state: State, now: Time, last_seq: Seq) -> (String, String) {
    let again = |attempt: u32| match attempt {
        0 | 1 => String::new(),
        n => format!("try {n}"),
    };
    match state {
        State::Idle => ("Not connected".into(), String::new()),
        State::Connecting {
            transport: by,
            attempt,
        } => (format!("Connecting by {}", transport(by)), again(attempt)),
        State::CatchingUp {
            transport: by,
            until,
        } => (
            "Catching up".into(),
            format!(
                "{} of {} by {}",
                count(last_seq),
                count(until),
                transport(by)
            ),
        ),
        State::Live { transport: by } => ("Live".into(), transport(by).into()),
        State::Waiting {
            until,
            attempt,
            reason,
        } => {
            let left = until.since(now);
            let words = if left <= Duration::from_millis(500) {
                "Reconnecting now".to_owned()
            } else {
                format!("Reconnecting in {} s", left.as_secs_f64().ceil())
            };
            let tries = again(attempt);
            let sep = if tries.is_empty() { "" } else { ", " };
            (words, format!("{}{sep}{tries}", waiting(reason)))
        }
        State::Offline => ("Offline".into(), "what is here stays here".into()),
        State::Ended { .. } => ("Stream ended".into(), "all of it is here".into()),
        State::Refused { status } => ("Refused".into(), refusal(status).into()),
        State::Stopped => ("Stopped".into(), String::new()),
        _ => ("Unknown".into(), String::new()),
    }
}

/// How old the server's last word is, a heartbeat at least; none where no other is to come.
pub fn last_word(state: State, age: Duration) -> Option<String> {
    let comes = matches!(
        state,
        State::Connecting { .. }
            | State::CatchingUp { .. }
            | State::Live { .. }
            | State::Waiting { .. }
            | State::Offline
    );
    if !comes {
        return None;
    }
    let ms = age.as_secs_f64() * 1000.0;
    Some(if ms < 2_000.0 {
        "last word just now".to_owned()
    } else {
        format!("last word {} ago", elapsed(ms))
    })
}

/// A word for styles and tests: `live`, `waiting`, …
pub const fn connection_kind(state: State) -> &'static str {
    match state {
        State::Idle => "idle",
        State::Connecting { .. } => "connecting",
        State::CatchingUp { .. } => "catching-up",
        State::Live { .. } => "live",
        State::Waiting { .. } => "waiting",
        State::Offline => "offline",
        State::Ended { .. } => "ended",
        State::Refused { .. } => "refused",
        State::Stopped => "stopped",
        _ => "unknown",
    }
}

const fn waiting(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::Broken => "the connection broke",
        WaitReason::Stale => "the server fell silent",
        WaitReason::ServerRestart => "the server restarts",
        WaitReason::Busy => "the server is busy",
        WaitReason::Blocked => "blocked: trying another transport",
        WaitReason::Expired => "the sign-in has expired",
    }
}

/// Why a server refuses a stream.
pub const fn refusal(status: u16) -> &'static str {
    match status {
        400 => "the server does not understand this address (400)",
        401 => "sign in first (401)",
        403 => "this run is not yours to see (403)",
        404 => "there is no such run (404)",
        410 => "this run is no longer kept (410)",
        _ => "the server will not stream this run",
    }
}

#[cfg(test)]
mod tests {
    use stepcast_core::control::EndReason;

    use super::*;

    #[test]
    fn durations_read_like_speech() {
        let said: Vec<String> = [
            0.0,
            870.4,
            1234.0,
            9940.0,
            9960.0,
            42_400.0,
            123_000.0,
            3_840_000.0,
            f64::NAN,
        ]
        .into_iter()
        .map(duration)
        .collect();
        assert_eq!(
            said,
            [
                "0 ms",
                "870 ms",
                "1.2 s",
                "9.9 s",
                "10 s",
                "42 s",
                "2 min 03 s",
                "1 h 04 min",
                "0 ms"
            ]
        );
        assert_eq!(elapsed(59_999.0), "59 s");
        assert_eq!(elapsed(119_999.0), "1 min 59 s");
    }

    #[test]
    fn counts_are_grouped_and_agree_with_their_noun() {
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(count(999), "999");
        assert_eq!(counted(1, "event"), "1 event");
        assert_eq!(counted(0, "event"), "0 events");
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(12_345), "12.3 kB");
        assert_eq!(bytes(999_999), "1.0 MB");
        assert_eq!(bytes(3_000_000_000), "3.0 GB");
        assert_eq!(left(0), "no time left");
        assert_eq!(left(65_999), "1 min 05 s left");
        assert_eq!(left(3 * 86_400_000), "3 days left");
        assert_eq!(percent(0.999), 99);
        assert_eq!(percent(1.0), 100);
    }

    #[test]
    fn a_time_of_day_is_cut_from_the_timestamp() {
        assert_eq!(
            time_of_day(&Timestamp::from("2025-10-22T10:30:00Z".to_owned())),
            "10:30:00.000"
        );
        assert_eq!(time_of_day(&Timestamp::from("soon".to_owned())), "soon");
        assert_eq!(ago(0), "just now");
        assert_eq!(ago(240_000), "4 min ago");
    }

    #[test]
    fn a_last_word_has_an_age_as_long_as_another_is_to_come() {
        let transport = Transport::WebSocket;
        let said = |state, ms| last_word(state, Duration::from_millis(ms));
        let live = State::Live { transport };
        assert_eq!(said(live, 1_900).unwrap(), "last word just now");
        assert_eq!(said(live, 14_200).unwrap(), "last word 14 s ago");
        assert_eq!(
            said(State::Offline, 125_000).unwrap(),
            "last word 2 min 05 s ago"
        );
        let reason = EndReason::Complete;
        assert_eq!(said(State::Ended { reason }, 0), None);
        assert_eq!(said(State::Refused { status: 404 }, 0), None);
    }

    #[test]
    fn the_connection_says_what_it_does() {
        let said = |state| {
            let (words, more) = connection(state, Time::from_millis(1000), 12);
            format!("{words} ({more})")
        };
        let waiting = |until, attempt, reason| State::Waiting {
            until: Time::from_millis(until),
            attempt,
            reason,
        };
        let ws = Transport::WebSocket;
        assert_eq!(said(State::Live { transport: ws }), "Live (WebSocket)");
        assert_eq!(
            said(waiting(3500, 2, WaitReason::ServerRestart)),
            "Reconnecting in 3 s (the server restarts, try 2)"
        );
        assert_eq!(
            said(waiting(900, 1, WaitReason::Broken)),
            "Reconnecting now (the connection broke)"
        );
        assert_eq!(
            said(State::CatchingUp {
                transport: Transport::Sse,
                until: 5000
            }),
            "Catching up (12 of 5\u{202f}000 by SSE)"
        );
        assert_eq!(
            said(State::Refused { status: 404 }),
            "Refused (there is no such run (404))"
        );
        assert_eq!(
            connection_kind(State::Ended {
                reason: EndReason::Complete
            }),
            "ended"
        );
    }
}
