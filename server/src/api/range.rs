//! Which part of a file a request asks for.

use std::ops::RangeInclusive;

use axum::http::{HeaderMap, header};
use http_range_header::{RangeUnsatisfiableError, parse_range_header};

/// What is to be sent.
#[derive(Debug, Eq, PartialEq)]
pub enum Part {
    /// All of it.
    Whole,
    /// These bytes.
    From(RangeInclusive<u64>),
    /// There is no such part.
    None,
}

/// One range is answered by that part. Several, and what is no range of bytes, are answered by the whole, as a server may
/// (RFC 9110, 14.2); so is a range of a content that `If-Range` says is another.
pub(crate) fn part_of(headers: &HeaderMap, tag: &str, size: u64) -> Part {
    let Some(range) = headers.get(header::RANGE) else {
        return Part::Whole;
    };
    if headers
        .get(header::IF_RANGE)
        .is_some_and(|known| known != tag)
    {
        return Part::Whole;
    }
    let Ok(range) = range.to_str() else {
        return Part::Whole;
    };
    let asked = parse_range_header(range).and_then(|ranges| ranges.validate(size));
    match asked.as_deref() {
        Ok([range]) => Part::From(range.clone()),
        Ok(_) => Part::Whole,
        Err(RangeUnsatisfiableError::Unsatisfiable) => Part::None,
        Err(_) => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(range: &str, if_range: Option<&str>, size: u64) -> Part {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        if let Some(known) = if_range {
            headers.insert(header::IF_RANGE, known.parse().unwrap());
        }
        part_of(&headers, "\"a\"", size)
    }

    #[test]
    fn a_range_is_read_as_the_standard_says() {
        for (range, expected) in [
            ("bytes=0-4", Part::From(0..=4)),
            ("bytes=5-", Part::From(5..=9)),
            ("bytes=-3", Part::From(7..=9)),
            ("bytes=8-100", Part::From(8..=9)),
            ("bytes=-100", Part::From(0..=9)),
            ("bytes=10-", Part::None),
            ("bytes=0-1,4-5", Part::Whole),
            ("bytes=4-2", Part::Whole),
            ("lines=0-4", Part::Whole),
            ("nonsense", Part::Whole),
        ] {
            assert_eq!(part(range, None, 10), expected, "{range}");
        }
        assert_eq!(part("bytes=0-4", Some("\"a\""), 10), Part::From(0..=4));
        assert_eq!(part("bytes=0-4", Some("\"b\""), 10), Part::Whole);
        assert_eq!(part("bytes=0-4", Some("W/\"a\""), 10), Part::Whole);
    }
}
