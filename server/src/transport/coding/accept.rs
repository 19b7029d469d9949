//! `Accept-Encoding` (RFC 9110, section 12.5.3).

use axum::http::{HeaderMap, header};

use super::Coding;

/// The coding that a client likes best; of those that it likes equally, the one that most decoders read as a stream that goes
/// on. None where it likes plain bytes best.
pub(crate) fn accepted(headers: &HeaderMap) -> Option<Coding> {
    let texts = headers.get_all(header::ACCEPT_ENCODING).iter();
    let listed: Vec<(String, u16)> = texts
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .filter_map(entry)
        .collect();
    let weight = |name: &str| {
        let named = listed.iter().find(|(it, _)| it == name);
        let any = || listed.iter().find(|(it, _)| it == "*");
        named.or_else(any).map(|(_, weight)| *weight)
    };
    let plain = listed
        .iter()
        .find(|(it, _)| it == "identity")
        .map_or(0, |(_, weight)| *weight);
    // the last of the greatest counts
    let best = [Coding::Brotli, Coding::Zstd, Coding::Gzip]
        .into_iter()
        .filter_map(|coding| Some((weight(coding.name())?, coding)))
        .max_by_key(|(weight, _)| *weight)?;
    (best.0 > 0 && best.0 >= plain).then_some(best.1)
}

/// A coding and its weight in thousandths; one that is none is passed over.
fn entry(text: &str) -> Option<(String, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts
        .next()
        .filter(|name| !name.is_empty())?
        .to_ascii_lowercase();
    let name = if name == "x-gzip" {
        "gzip".to_owned()
    } else {
        name
    };
    let weight = match parts.next() {
        None => 1.0,
        Some(weight) => {
            let (q, value) = weight.split_once('=')?;
            let value: f32 = value.trim().parse().ok()?;
            (q.trim().eq_ignore_ascii_case("q") && (0.0..=1.0).contains(&value)).then_some(value)?
        }
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 1000"
    )]
    let thousandths = (weight * 1000.0) as u16;
    Some((name, thousandths))
}
