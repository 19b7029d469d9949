//! Conditions of filters, and the events that they are asked of.

use stepcast_core::filter::{Condition, FUNCTIONS, Filter, Level};

use super::texts;
use crate::Target;
use crate::bytes::Input;

/// A condition, and behind a NUL an event.
pub(super) const CONDITION: Target = Target {
    name: "condition",
    largest: 16 << 10,
    seeds: || {
        let mut seeds = texts(&[
            "data.level == 'error' && contains(data.message, 'full')\0{\"event_type\":\"step_progress\",\"data\":{\"kind\":\"log\",\"level\":\"error\",\"message\":\"full\"}}",
            "data.rows[?id > `1` || !name].tags[] | [0]\0{\"data\":{\"rows\":[{\"id\":2,\"tags\":[\"a\"]}]}}",
            "data.*.[0]\0{}",
            "max(data.n[*]) >= abs(`-1.5e3`)\0{\"data\":{\"n\":[1,2,18446744073709551615]}}",
            "to_string(data.\"a b\"[-1])\0{\"data\":{\"a b\":[[[{\"c\":\"\\\\\\\"\"}]]]}}",
            "@\0[1,2]",
        ]);
        seeds.extend(
            FUNCTIONS.map(|name| format!("{name}(data, seq)\0{{\"data\":[]}}").into_bytes()),
        );
        seeds
    },
    words: &[
        "[?",
        "[*]",
        "[]",
        "[",
        "]",
        ".*",
        ".",
        "`",
        "'",
        "\"",
        "||",
        "&&",
        "!",
        "|",
        "==",
        "!=",
        "<=",
        "@",
        "&",
        "(",
        ")",
        "{",
        ":",
        "}",
        "\0",
        "data",
        "to_string(",
        "contains(",
        "-2147483648",
        "99999999999",
    ],
    long: |size| {
        let event = |data: String| format!("{{\"data\":{data}}}");
        let list = format!("[{}0]", "{\"a\":[1,2,\"xy\"]},".repeat(size / 18));
        let text = format!("\"{}\"", "\\\\\\\"".repeat(size / 4));
        let of = |condition: &str, data: &str| {
            format!("{condition}\0{}", event(data.to_owned())).into_bytes()
        };
        vec![
            of(
                "data[?a[?@ == 'z'] || contains(to_string(@), 'zz')][].*[][]",
                &list,
            ),
            of(&format!("data{}", "[?a || !a]".repeat(20)), &list),
            of(&vec!["contains(data, 'xyz')"; 20].join(" || "), &text),
            of("to_string(data) == data", &text),
            of(&"(".repeat(size), "1"),
        ]
    },
    check: |bytes| {
        let (text, json) = Input(bytes).split(0);
        let (Ok(text), Ok(json)) = (std::str::from_utf8(text), std::str::from_utf8(json)) else {
            return;
        };
        let Ok(condition) = text.parse::<Condition>() else {
            return;
        };
        assert!(text.len() <= Condition::LONGEST);
        assert_eq!(condition.as_str(), text);
        let holds = condition.holds(json);
        let filter = Filter {
            level: Some(Level::Debug),
            condition: Some(condition),
            ..Filter::default()
        };
        let again: Filter =
            serde_json::from_str(&serde_json::to_string(&filter).expect("a filter is JSON"))
                .expect("a filter is read as it is written");
        assert_eq!(again, filter);
        let passes = filter.passes(&"step_progress".into(), None, || json.into());
        assert!(holds || !passes);
    },
};
