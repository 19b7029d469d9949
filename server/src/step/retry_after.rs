//! When a server that was asked too often wants to be asked again.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The pause that a response asks for: `retry-after-ms`, else `Retry-After` in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| *number >= 0.0);
    if let Some(ms) = text("retry-after-ms").and_then(number) {
        return Duration::try_from_secs_f64(ms / 1e3).ok();
    }
    let asked = text(RETRY_AFTER.as_str())?;
    if let Some(seconds) = number(asked) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(asked).ok()?;
    // a date that has passed asks for no pause
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_milliseconds_and_dates_are_read_and_nonsense_is_not() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2026 07:28:00 GMT").unwrap();
        for (name, value, expected) in [
            ("retry-after", "2", Some(2.0)),
            ("retry-after", " 0.5 ", Some(0.5)),
            ("retry-after-ms", "1500", Some(1.5)),
            ("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT", Some(30.0)),
            ("retry-after", "Wed, 21 Oct 2026 07:27:30 GMT", Some(0.0)),
            ("retry-after", "-1", None),
            ("retry-after", "1e300", None),
            ("retry-after", "soon", None),
            ("x-other", "2", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            let expected = expected.map(Duration::from_secs_f64);
            assert_eq!(retry_after(&headers, now), expected, "{name}: {value}");
        }
    }
}
