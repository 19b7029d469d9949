use super::*;

const EVENT: &str = r#"{"event_type":"step_progress","execution_id":"e","step_id":"fetch","seq":7,
    "timestamp":"2025-10-22T10:30:00.123Z","data":{"kind":"log","level":"error","message":"disk is full",
    "rows":[{"id":1,"tags":["a"]},{"id":2,"tags":["b","c"]}],"took_ms":120.5}}"#;

fn condition(text: &str) -> Result<Condition, ConditionError> {
    text.parse()
}

fn holds(text: &str) -> bool {
    condition(text).unwrap().holds(EVENT)
}

#[test]
fn what_holds_of_an_event() {
    for text in [
        "step_id == 'fetch'",
        "data.level == 'error' && contains(data.message, 'full')",
        "data.rows[?id == `2`].tags[]",
        "data.rows[-1].id > `1`",
        "length(data.rows) == `2`",
        "data.took_ms >= `120`",
        "!(data.other)",
        "seq",
        "starts_with(timestamp, '2025-10') || data.other",
        "contains(to_string(data), 'disk')",
        "data.* | [?type(@) == 'number']",
        "max(data.rows[*].id) == `2`",
    ] {
        assert!(holds(text), "{text}");
    }
    for text in [
        "step_id == 'other'",
        "data.rows[?id == `3`]",
        "data.rows[9]",
        "data.other",
        "metadata",
        // not to be evaluated: `contains` of a number
        "contains(seq, 'x')",
        "length(data.took_ms) > `0`",
        "seq == '7'",
        "\"\"",
    ] {
        assert!(!holds(text), "{text}");
    }
    assert!(!condition("@").unwrap().holds("no JSON"));
}

#[test]
fn what_is_no_condition_says_why() {
    for (text, why) in [
        ("", "at character 1"),
        ("data.", "at character"),
        ("[data, data]", "makes nothing"),
        ("{a: data}", "makes nothing"),
        ("data.rows[0:1]", "makes nothing"),
        ("sort_by(data.rows, &id)", "may call abs, avg"),
        ("to_array(@)", "it calls `to_array`"),
        ("not_null(`[1, 2]`)", "texts, numbers"),
        ("to_string(@) == to_string(data)", "more than once"),
        ("data.rows[-99999999]", "no element"),
        (&"!".repeat(65), "more than 64 of"),
        (&"a.".repeat(300), "600 bytes"),
        (&format!("a{}", ".a".repeat(40)), "deeper than 32"),
    ] {
        let error = condition(text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn it_travels_as_its_text() {
    let text = "data.level == 'error'";
    let written = serde_json::to_string(&condition(text).unwrap()).unwrap();
    assert_eq!(written, format!("\"{text}\""));
    assert_eq!(
        serde_json::from_str::<Condition>(&written)
            .unwrap()
            .as_str(),
        text
    );
    assert!(serde_json::from_str::<Condition>("7").is_err());
}

#[test]
fn the_longest_and_deepest_need_little_of_a_stack() {
    let texts: Vec<String> = [
        "(", "[", "[?", "!", "*.", "[*].", "{a:", "[][", "a[?", "max(", "&", "a&&!",
    ]
    .iter()
    .map(|part| part.repeat(Condition::LONGEST / part.len()))
    .flat_map(|text| [text.clone(), text.chars().take(64).collect()])
    .chain(
        [".a", "||a", "|a", "==a", "[0]"]
            .iter()
            .map(|part| format!("a{}", part.repeat(511 / part.len()))),
    )
    .chain([
        format!("{}a{}", "(".repeat(64), ")".repeat(64)),
        format!("{}a", "!".repeat(64)),
    ])
    .collect();
    let small = std::thread::Builder::new().stack_size(512 << 10);
    let nested = format!("{}{}", "[".repeat(127), "]".repeat(127));
    let task = move || {
        for text in &texts {
            if let Ok(condition) = condition(text) {
                condition.holds(&nested);
            }
        }
    };
    small.spawn(task).unwrap().join().unwrap();
}
