//! Rules of redaction, and the events that they are applied to.

use serde_json::{Value, json};
use stepcast::context::Draft;
use stepcast::redaction::{REDACTED, Redaction, Rules};
use stepcast_core::event::EventType;

use super::texts;
use crate::Target;
use crate::bytes::Input;

/// Rules, one a line, and behind a NUL the data of an event.
pub(super) const REDACTION: Target = Target {
    name: "redaction",
    largest: 16 << 10,
    seeds: || {
        texts(&[
            "data.a.b\n**.password\n*.keys.*\0{\"a\":{\"b\":1},\"x\":[{\"Password\":\"p\"}],\"keys\":[1,2]}",
            "data.\"a.b\".**.c\n*\0{\"a.b\":[[{\"c\":\"secret-of-mine\"}]]}",
            "**.a.**.a.**.a\0{\"a\":{\"a\":{\"a\":{\"a\":\"xsecret-of-minex\"}}}}",
        ])
    },
    words: &[
        "data",
        "metadata",
        "*",
        "**",
        ".",
        "\n",
        "\"",
        "secret-of-mine",
        "{\"a\":",
        "}",
        "[",
        "]",
        "\0",
    ],
    long: |size| {
        let deep = |rule: &str, size: usize| {
            let data = format!("{}1{}", "{\"a\":[".repeat(60), "]}".repeat(60));
            let all = format!("{data},").repeat(size / 500);
            format!("{rule}\0[{all}1]").into_bytes()
        };
        vec![
            deep("**.a.**.a.**.b\n".repeat(80).trim_end(), size),
            deep("*.x", size),
            format!("data.{}\0{{}}", "a.".repeat(size / 2)).into_bytes(),
            format!("data.a\0\"{}\"", "secret-of-min".repeat(size / 13)).into_bytes(),
        ]
    },
    check: |bytes| {
        let (rules, data) = Input(bytes).split(0);
        let Ok(rules) = std::str::from_utf8(rules) else {
            return;
        };
        let rules = match Rules::parse(rules.lines()) {
            Ok(rules) => rules,
            Err(bad) => {
                assert_eq!(Some(bad.rule.as_str()), rules.lines().nth(bad.at));
                return;
            }
        };
        let Ok(data) = serde_json::from_slice::<Value>(data) else {
            return;
        };
        let redaction = Redaction::new(rules, ["secret-of-mine"]);
        let draft = Draft {
            event_type: EventType::StepOutput,
            step_id: None,
            data: data.clone(),
            metadata: Some(json!({"m": data})),
        };
        let shown = redaction.draft(&draft);
        assert!(!json!(shown.data).to_string().contains("secret-of-mine"));
        assert!(!json!(shown.metadata).to_string().contains("secret-of-mine"));
        // what is redacted stays so, and the rest is as it was
        assert_eq!(redaction.draft(&shown).as_ref(), shown.as_ref());
        assert!(only_redacted(&draft.data, &shown.data));
    },
};

fn only_redacted(before: &Value, after: &Value) -> bool {
    if before == after || after == REDACTED {
        return true;
    }
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let named = |(key, a): (&String, &Value)| match after.get(key) {
                Some(b) => only_redacted(a, b),
                // the name held a secret
                None => key.contains("secret-of-mine"),
            };
            before.iter().all(named)
        }
        (Value::Array(before), Value::Array(after)) => {
            before.len() == after.len()
                && before.iter().zip(after).all(|(a, b)| only_redacted(a, b))
        }
        (Value::String(before), Value::String(_)) => before.contains("secret-of-mine"),
        _ => false,
    }
}
