use serde_json::{Map, Value, json};
use stepcast_core::event::StreamEvent;
use stepcast_core::id::Cursor;

use super::{NoEvent, from_headers, members, written};

fn event(value: Value) -> StreamEvent {
    serde_json::from_value(value).unwrap()
}

fn read(value: Value) -> Result<Map<String, Value>, NoEvent> {
    let Value::Object(attributes) = value else {
        panic!("an object");
    };
    members(attributes)
}

#[test]
fn an_event_comes_back_as_it_went() {
    let ours = json!({
        "event_type": "step_output", "execution_id": "e", "step_id": "a b", "seq": 7,
        "timestamp": "2026-01-01T00:00:00.123Z", "data": { "output": { "x": [1, null] } },
        "metadata": { "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "own": { "y": 2 } },
    });
    let cloud = written(&event(ours.clone()), Cursor { epoch: 3, seq: 7 });
    assert_eq!(cloud["id"], "3.7");
    assert_eq!(cloud["source"], "/api/executions/e");
    assert_eq!(cloud["type"], "dev.stepcast.step_output.v1");
    assert_eq!(
        (&cloud["subject"], &cloud["time"]),
        (&json!("a b"), &json!("2026-01-01T00:00:00.123Z"))
    );
    assert_eq!(cloud["traceparent"], ours["metadata"]["traceparent"]);
    // attributes are of simple types, and their names of small letters and digits
    for (name, value) in cloud.as_object().unwrap() {
        assert!(
            name == "data" || !(value.is_object() || value.is_array()),
            "{name}"
        );
        assert!(
            name.bytes()
                .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit()),
            "{name}"
        );
    }
    let back = read(cloud).unwrap();
    assert_eq!(back["event_type"], "step_output");
    assert_eq!(
        (&back["step_id"], &back["data"]),
        (&ours["step_id"], &ours["data"])
    );
    assert_eq!(back["metadata"]["own"], ours["metadata"]["own"]);
    assert_eq!(
        back["metadata"]["traceparent"],
        ours["metadata"]["traceparent"]
    );
    assert_eq!(back["metadata"]["cloudevent"]["id"], "3.7");
}

#[test]
fn what_somebody_else_sends_is_kept_whole() {
    let told = read(json!({
        "specversion": "1.0", "id": "1", "source": "/shop", "type": "com.example.Order-Created",
        "subject": "order 7", "time": "2026-01-01T00:00:00Z", "partitionkey": "k", "data": [1, 2],
    }))
    .unwrap();
    assert_eq!(told["event_type"], "com_example_order_created");
    assert_eq!(
        (told.get("step_id"), &told["data"]),
        (None, &json!({ "value": [1, 2] }))
    );
    let kept = &told["metadata"]["cloudevent"];
    assert_eq!(
        (
            &kept["type"],
            &kept["subject"],
            &kept["source"],
            &kept["partitionkey"]
        ),
        (
            &json!("com.example.Order-Created"),
            &json!("order 7"),
            &json!("/shop"),
            &json!("k")
        )
    );
    for (wrong, attribute) in [
        (
            json!({ "id": "1", "source": "s", "type": "t" }),
            "specversion",
        ),
        (
            json!({ "specversion": "0.3", "id": "1", "source": "s", "type": "t" }),
            "specversion",
        ),
        (
            json!({ "specversion": "1.0", "id": "", "source": "s", "type": "t" }),
            "id",
        ),
        (
            json!({ "specversion": "1.0", "id": "1", "source": "s", "type": "t", "ext": {} }),
            "ext",
        ),
        (
            json!({ "specversion": "1.0", "id": "1", "source": "s", "type": "t", "Ext": "" }),
            "",
        ),
        (
            json!({ "specversion": "1.0", "id": "1", "source": "s", "type": "t", "data_base64": "?" }),
            "data_base64",
        ),
    ] {
        assert_eq!(read(wrong).unwrap_err().0, attribute);
    }
}

#[test]
fn headers_are_attributes() {
    let mut headers = axum::http::HeaderMap::new();
    for (name, value) in [
        ("ce-id", "1"),
        ("ce-subject", "caf%C3%A9"),
        ("content-type", "application/json"),
    ] {
        headers.insert(
            axum::http::HeaderName::from_static(name),
            value.parse().unwrap(),
        );
    }
    let attributes = from_headers(&headers, b"{\"x\":1}").unwrap();
    assert_eq!(
        Value::Object(attributes),
        json!({ "id": "1", "subject": "café", "data": { "x": 1 } })
    );
    assert_eq!(from_headers(&headers, b"{").unwrap_err().0, "data");
    headers.insert("ce-subject", "%C3".parse().unwrap());
    assert_eq!(from_headers(&headers, b"").unwrap_err().0, "subject");
}
