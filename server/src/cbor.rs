//! CBOR (RFC 8949): what is JSON, in fewer bytes, and what a client says so.

use std::convert::Infallible;
use std::fmt;

use cbor4ii::core::utils::SliceReader;
use cbor4ii::core::{dec, enc, types};
use cbor4ii::serde::Deserializer as Reader;
use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The same value in CBOR: lengths stand before what they count, and a number takes as few bytes as hold it exactly, but
/// for a fraction, which takes four or eight.
///
/// What is no JSON, or is nested deeper than JSON is read, is a text of CBOR's.
pub(crate) fn of_json(json: &[u8]) -> Vec<u8> {
    let mut out = Out(Vec::with_capacity(json.len()));
    let mut read = serde_json::Deserializer::from_slice(json);
    if Item(&mut out).deserialize(&mut read).is_err() {
        out.0.clear();
        // infallible: what it is pushed into grows
        let _always = enc::Encode::encode(&&*String::from_utf8_lossy(json), &mut out);
    }
    out.0
}

/// An object whose last member, of this name, holds bytes; the others are JSON.
pub(crate) fn with_bytes(json: &Map<String, Value>, name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = Out(Vec::with_capacity(bytes.len() + 128));
    let written = out.counted(types::Map::bounded, |out| {
        for (name, value) in json {
            out.put(name.as_str())?;
            out.0.extend(of_json(value.to_string().as_bytes()));
        }
        out.put(name)?;
        out.put(types::Bytes(bytes))?;
        Ok(json.len() + 1)
    });
    // infallible: what it is pushed into grows
    let _always: Result<(), serde_json::Error> = written;
    out.0
}

/// What a message holds, as JSON: one item, whose keys are texts, and which has nothing that JSON has no word for.
///
/// # Errors
/// Where it is not, in words for who has sent it.
pub(crate) fn to_json(message: &[u8]) -> Result<String, String> {
    let mut reader = Reader::new(SliceReader::new(message));
    let value = Value::deserialize(&mut reader).map_err(|error| error.to_string())?;
    let mut reader = reader.into_inner();
    match dec::Read::fill(&mut reader, 1) {
        Ok(rest) if rest.as_ref().is_empty() => Ok(value.to_string()),
        _ => Err("something follows the item".to_owned()),
    }
}

/// What is written.
struct Out(Vec<u8>);

impl enc::Write for Out {
    type Error = Infallible;

    fn push(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

impl Out {
    fn put<E: Error>(&mut self, item: impl enc::Encode) -> Result<(), E> {
        item.encode(self).map_err(E::custom)
    }

    /// Writes what `fill` counts, and its head where it belongs, once that is known: a byte for up to 23.
    fn counted<E: Error>(
        &mut self,
        head: fn(usize, &mut Self) -> Result<(), enc::Error<Infallible>>,
        fill: impl FnOnce(&mut Self) -> Result<usize, E>,
    ) -> Result<(), E> {
        let at = self.0.len();
        self.0.push(0);
        let count = fill(self)?;
        let mut counted = Self(Vec::new());
        head(count, &mut counted).map_err(E::custom)?;
        self.0.splice(at..=at, counted.0);
        Ok(())
    }
}

/// The next value of JSON, which is written as it is read.
struct Item<'a>(&'a mut Out);

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.put(types::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.put(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.0.put(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.put(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        #[expect(clippy::cast_possible_truncation, reason = "looked at right below")]
        let short = value as f32;
        #[expect(clippy::float_cmp, reason = "whether it holds the very same number")]
        if f64::from(short) == value {
            return self.0.put(short);
        }
        self.0.put(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.0.put(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.counted(types::Array::bounded, |out| {
            let mut count = 0;
            while items.next_element_seed(Item(out))?.is_some() {
                count += 1;
            }
            Ok(count)
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.0.counted(types::Map::bounded, |out| {
            let mut count = 0;
            while entries.next_key_seed(Item(out))?.is_some() {
                entries.next_value_seed(Item(out))?;
                count += 1;
            }
            Ok(count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As RFC 8949 writes them in its appendix A.
    #[test]
    fn json_is_written_as_the_standard_has_it() {
        for (json, bytes) in [
            ("0", "00"),
            ("23", "17"),
            ("24", "1818"),
            ("1000000000000", "1b000000e8d4a51000"),
            ("18446744073709551615", "1bffffffffffffffff"),
            ("-1", "20"),
            ("-1000", "3903e7"),
            ("1.1", "fb3ff199999999999a"),
            ("100000.0", "fa47c35000"),
            ("-4.1", "fbc010666666666666"),
            ("false", "f4"),
            ("true", "f5"),
            ("null", "f6"),
            (r#""""#, "60"),
            (r#""\"\\""#, "62225c"),
            ("\"ü水𐅑\"", "69c3bce6b0b4f0908591"),
            ("[]", "80"),
            ("[1, [2, 3], [4, 5]]", "8301820203820405"),
            (r#"{"a": 1, "b": [2, 3]}"#, "a26161016162820203"),
        ] {
            let hex = |bytes: Vec<u8>| {
                bytes
                    .iter()
                    .map(|it| format!("{it:02x}"))
                    .collect::<String>()
            };
            assert_eq!(hex(of_json(json.as_bytes())), bytes, "{json}");
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let many: Vec<u32> = (0..70_000).collect();
        let wide: Map<String, Value> = (0..300).map(|n| (n.to_string(), n.into())).collect();
        let deep = format!("{}0{}", "[".repeat(100), "]".repeat(100));
        for value in [
            serde_json::json!({ "many": many, "wide": wide, "text": "x".repeat(70_000) }),
            serde_json::json!([1.0, 0.1, -2.5e300, i64::MIN, u64::MAX, null, { "": {} }]),
            serde_json::from_str(&deep).unwrap(),
        ] {
            let json = value.to_string();
            let back = to_json(&of_json(json.as_bytes())).unwrap();
            assert!(
                serde_json::from_str::<Value>(&back).unwrap() == value,
                "{back:.200}"
            );
        }
        let deeper = "[".repeat(200) + &"]".repeat(200);
        let text = to_json(&of_json(deeper.as_bytes())).unwrap();
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), deeper);
    }

    #[test]
    fn a_fraction_is_the_same_to_its_last_bit() {
        for _ in 0..20_000 {
            let number = f64::from_bits(fastrand::u64(..));
            if number.is_finite() {
                let json = Value::from(number).to_string();
                let back = to_json(&of_json(json.as_bytes())).unwrap();
                assert_eq!(back, json);
            }
        }
    }

    #[test]
    fn what_a_client_says_is_one_item_that_json_has_a_word_for() {
        let ping = b"\xa1\x66action\x64ping";
        assert_eq!(to_json(ping).unwrap(), r#"{"action":"ping"}"#);
        assert_eq!(
            to_json(b"\xbf\x66action\x7f\x62pi\x62ng\xff\xff").unwrap(),
            r#"{"action":"ping"}"#,
            "of a length that is not told before"
        );
        let twice = [&ping[..], ping].concat();
        let deep = vec![0x81; 60_000];
        for wrong in [
            &b""[..],
            b"\xa1",
            b"\xa1\x66action",
            b"\x62\xff\xff",
            b"\xa1\x01\x02",
            b"\x43abc",
            b"\xc1\x00",
            b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x00",
            &twice,
            &deep,
        ] {
            let error = to_json(wrong).unwrap_err();
            assert!(!error.is_empty(), "{wrong:02x?}");
        }
    }
}
