//! What decoders make of what is written, joined anywhere.

use std::io::Read as _;

use axum::http::{HeaderMap, header};

use super::*;

fn parts() -> Vec<String> {
    let part = |n: usize| {
        format!(
            "data: {{\"n\":{n},\"text\":\"{}\"}}\n\n",
            "grüße ".repeat(n * n % 700)
        )
    };
    (0..60).map(part).collect()
}

fn read(coding: Coding, bytes: &[u8]) -> String {
    let mut text = String::new();
    match coding {
        Coding::Gzip => flate2::read::GzDecoder::new(bytes).read_to_string(&mut text),
        Coding::Zstd => zstd::stream::read::Decoder::new(bytes)
            .unwrap()
            .read_to_string(&mut text),
        Coding::Brotli => brotli::Decompressor::new(bytes, 4096).read_to_string(&mut text),
        Coding::Messages { .. } => Ok(0),
    }
    .unwrap();
    text
}

#[test]
fn a_reader_that_joins_at_any_part_reads_the_rest() {
    for coding in [Coding::Gzip, Coding::Zstd] {
        let parts = parts();
        // from each part on: a shared encoder that is made anew there
        for join in 0..parts.len() {
            let mut own = Encoder::new(coding).unwrap();
            let mut bytes = BytesMut::from(coding.prologue());
            let mut sum = Sum::default();
            for part in &parts[..join] {
                own.write(part.as_bytes(), &mut bytes).unwrap();
                sum = sum.then(Sum::of(part.as_bytes()));
            }
            if join > 0 {
                bytes.put_slice(coding.seam());
            }
            let mut shared = Encoder::new(coding).unwrap();
            for part in &parts[join..] {
                shared.write(part.as_bytes(), &mut bytes).unwrap();
                sum = sum.then(Sum::of(part.as_bytes()));
            }
            bytes.put_slice(coding.seam());
            coding.epilogue(sum, &mut bytes);
            assert_eq!(
                read(coding, &bytes),
                parts.concat(),
                "{coding:?} from {join}"
            );
        }
    }
}

#[test]
fn a_stream_of_brotli_is_read() {
    let mut bytes = BytesMut::new();
    let mut encoder = Encoder::new(Coding::Brotli).unwrap();
    for part in parts() {
        encoder.write(part.as_bytes(), &mut bytes).unwrap();
    }
    Coding::Brotli.epilogue(Sum::default(), &mut bytes);
    assert_eq!(read(Coding::Brotli, &bytes), parts().concat());
}

#[test]
fn sums_are_put_together_and_taken_apart() {
    let text = "some bytes of a stream, and then some more of it".repeat(9);
    for cut in 0..text.len() {
        let (a, b) = text.as_bytes().split_at(cut);
        let whole = Sum::of(text.as_bytes());
        assert_eq!(Sum::of(a).then(Sum::of(b)), whole);
        assert_eq!(whole.since(Sum::of(a)), Sum::of(b));
    }
}

#[test]
fn the_best_liked_coding_is_taken() {
    for (text, coding) in [
        ("", None),
        ("identity", None),
        ("gzip", Some(Coding::Gzip)),
        ("x-gzip", Some(Coding::Gzip)),
        ("gzip, deflate, br, zstd", Some(Coding::Gzip)),
        ("br, zstd", Some(Coding::Zstd)),
        ("gzip, deflate, br", Some(Coding::Gzip)),
        ("br", Some(Coding::Brotli)),
        ("br;q=1, gzip;q=0.8", Some(Coding::Brotli)),
        ("gzip;q=0", None),
        ("gzip;q=0, *;q=0.5", Some(Coding::Zstd)),
        ("gzip;q=0.2, identity;q=0.5", None),
        ("GZIP; Q=0.5", Some(Coding::Gzip)),
        ("gzip;q=2, br;q=x, zstd;level=1", None),
        ("*;q=0", None),
        ("deflate, compress", None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, text.parse().unwrap());
        assert_eq!(accepted(&headers), coding, "{text}");
    }
    let mut two = HeaderMap::new();
    two.append(header::ACCEPT_ENCODING, "br;q=0.5".parse().unwrap());
    two.append(header::ACCEPT_ENCODING, "gzip".parse().unwrap());
    assert_eq!(accepted(&two), Some(Coding::Gzip));
    assert_eq!(accepted(&HeaderMap::new()), None);
}
