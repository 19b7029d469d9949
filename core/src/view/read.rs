//! What the fold reads out of an event's data, whatever that holds.

use serde_json::Value;

/// The text at `key`.
pub(super) fn text_of(data: &Value, key: &str) -> Option<String> {
    str_of(data, key).map(str::to_owned)
}

/// The text at `key`, in place.
pub(super) fn str_of<'a>(data: &'a Value, key: &str) -> Option<&'a str> {
    data.get(key).and_then(Value::as_str)
}

/// The list at `key`; an empty one where there is none.
pub(super) fn list_of<'a>(data: &'a Value, key: &str) -> &'a [Value] {
    data.get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The texts of the list at `key`.
pub(super) fn texts_of(data: &Value, key: &str) -> Vec<String> {
    let texts = list_of(data, key).iter().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// The number at `key`, where it is one that counts from 1.
pub(super) fn count_of(data: &Value, key: &str) -> Option<u64> {
    data.get(key).and_then(Value::as_u64).filter(|&n| n > 0)
}

/// The number at `key`, where it is a whole one that every reader can hold: up to 2^53.
pub(super) fn whole_of(data: &Value, key: &str) -> Option<u64> {
    data.get(key)
        .and_then(Value::as_u64)
        .filter(|&n| n <= 1 << 53)
}

/// Whether `true` stands at `key`.
pub(super) fn is_set(data: &Value, key: &str) -> bool {
    data.get(key).and_then(Value::as_bool) == Some(true)
}

/// The value at `key`; none for `null`.
pub(super) fn value_of(data: &Value, key: &str) -> Option<Value> {
    data.get(key).filter(|value| !value.is_null()).cloned()
}

/// Milliseconds of the delay at `key`; none where none is named.
pub(super) fn delay_of(data: &Value, key: &str) -> Option<u64> {
    data.get(key).and_then(Value::as_f64).map(whole_ms)
}

/// Milliseconds from `from` to `to`, or to `now` where there is no end yet.
#[expect(
    clippy::cast_precision_loss,
    reason = "exact for 285,000 years of milliseconds"
)]
pub(super) fn elapsed(from: Option<u64>, to: Option<u64>, now: u64) -> Option<f64> {
    from.map(|from| to.unwrap_or(now).saturating_sub(from) as f64)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and a negative delay is none"
)]
fn whole_ms(ms: f64) -> u64 {
    ms as u64
}
