//! Times, sizes, connection states and other people's text, as a terminal shows them.

use std::fmt::Write as _;
use std::time::Duration;

use stepcast_core::client::{State, Transport, WaitReason};
use stepcast_core::control::GapReason;
use stepcast_core::id::Seq;
use stepcast_core::time::Time;

/// A duration in milliseconds, short: `350 ms`, `1.2 s`, `2 min 3 s`, `1 h 5 min`.
pub(super) fn duration(ms: f64) -> String {
    let duration = Duration::try_from_secs_f64(ms.max(0.0) / 1000.0).unwrap_or(Duration::MAX);
    let seconds = duration.as_secs();
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else if seconds < 10 {
        format!("{:.1} s", duration.as_secs_f64())
    } else if seconds < 60 {
        format!("{seconds} s")
    } else if seconds < 3600 {
        format!("{} min {} s", seconds / 60, seconds % 60)
    } else {
        format!("{} h {} min", seconds / 3600, seconds / 60 % 60)
    }
}

/// `1 step`, `2 steps`.
pub(super) fn count(n: usize, of: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {of}{plural}")
}

/// Text of a pipeline or a step, without what would steer the terminal, in one line.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\t' | '\n' => Some(' '),
            c if c.is_control() || is_bidi_control(c) => None,
            c => Some(c),
        })
        .collect()
}

/// Characters that reorder the text around them.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A hole in what is known.
pub(super) fn gap(from: Seq, to: Seq, reason: GapReason) -> String {
    let why = match reason {
        GapReason::Retention => "the server no longer has them",
        GapReason::Epoch => "the log was recreated",
        GapReason::Transport => "they were lost on the way",
        _ => "the server says so",
    };
    if from == to {
        format!("event {from} is missing: {why}")
    } else {
        format!("events {from} to {to} are missing: {why}")
    }
}

/// The state of a connection.
pub(super) fn state(state: State, now: Time) -> String {
    match state {
        State::Idle => "not started".to_owned(),
        State::Connecting { transport, attempt } => {
            let mut text = format!("connecting by {}", by(transport));
            if attempt > 1 {
                let _ok = write!(text, ", attempt {attempt}");
            }
            text
        }
        State::CatchingUp { transport, until } => {
            format!(
                "connected by {}, reading up to event {until}",
                by(transport)
            )
        }
        State::Live { transport } => format!("live by {}", by(transport)),
        State::Waiting {
            until,
            attempt: _,
            reason,
        } => {
            let ms = until.since(now).as_secs_f64() * 1000.0;
            format!("{}; trying again in {}", lost(reason), duration(ms))
        }
        State::Offline => "offline".to_owned(),
        State::Ended { reason: _ } => "all of it is here".to_owned(),
        State::Refused { status } => format!("refused: {}", refusal(status)),
        State::Stopped => "stopped".to_owned(),
        _ => format!("{state:?}"),
    }
}

fn by(transport: Transport) -> &'static str {
    match transport {
        Transport::WebSocket => "WebSocket",
        Transport::Sse => "server-sent events",
        Transport::LongPoll => "long poll",
    }
}

fn lost(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::Broken => "no connection",
        WaitReason::Stale => "the server fell silent",
        WaitReason::ServerRestart => "the server restarts",
        WaitReason::Busy => "the server is full",
        WaitReason::Blocked => "no answer by this transport",
        WaitReason::Expired => "the sign-in has expired",
    }
}

/// What an HTTP status that ends a subscription means.
pub(super) fn refusal(status: u16) -> String {
    match status {
        400 => {
            "the request is not understood, or the cursor is none of this stream (400)".to_owned()
        }
        401 => "the server wants to know who asks: give --token, or set STEPCAST_TOKEN (401)"
            .to_owned(),
        403 => "the server does not let you see it (403)".to_owned(),
        404 => "there is no such execution (404)".to_owned(),
        410 => "it is gone (410)".to_owned(),
        status => format!("status {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short_at_every_size() {
        for (ms, words) in [
            (-1.0, "0 ms"),
            (0.4, "0 ms"),
            (350.2, "350 ms"),
            (1234.0, "1.2 s"),
            (59_999.0, "59 s"),
            (123_000.0, "2 min 3 s"),
            (3_900_000.0, "1 h 5 min"),
        ] {
            assert_eq!(duration(ms), words);
        }
        assert!(duration(f64::MAX).ends_with("min"));
    }

    #[test]
    fn nothing_that_a_step_says_steers_the_terminal() {
        assert_eq!(clean("a\u{1b}[31mb\r\n\tc\u{7}\u{202e}d"), "a[31mb  cd");
        assert_eq!(clean("grüße 🎈"), "grüße 🎈");
    }

    #[test]
    fn states_are_sentences() {
        let waiting = State::Waiting {
            until: Time::from_millis(3500),
            attempt: 2,
            reason: WaitReason::Stale,
        };
        assert_eq!(
            state(waiting, Time::from_millis(1000)),
            "the server fell silent; trying again in 2.5 s"
        );
        let connecting = State::Connecting {
            transport: Transport::Sse,
            attempt: 3,
        };
        assert_eq!(
            state(connecting, Time::ZERO),
            "connecting by server-sent events, attempt 3"
        );
        assert_eq!(
            gap(3, 7, GapReason::Retention),
            "events 3 to 7 are missing: the server no longer has them"
        );
    }
}
