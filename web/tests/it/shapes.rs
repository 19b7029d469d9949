//! Models, questions to people, files and circuit breakers on the page, over a store that a test fills.

use serde_json::{Value, json};
use stepcast_core::time::Time;
use stepcast_web::api::{ApiError, Beginning};
use stepcast_web::driver::Notice;
use stepcast_web::store::{Preview, Reply, Store};

use crate::monitor::{event, has, lacks, page_of, vector};

fn page(notices: impl IntoIterator<Item = Notice>) -> String {
    page_of(notices, Time::ZERO, |_| ())
}

/// A page on which step `a` has said these things.
fn said(data: &[Value]) -> String {
    page(told(data))
}

fn told(data: &[Value]) -> Vec<Notice> {
    let began = event(1, "step_start", Some("a"), &json!({"kind": "llm"}));
    let said = (2..)
        .zip(data)
        .map(|(seq, data)| event(seq, "step_progress", Some("a"), data));
    std::iter::once(began).chain(said).collect()
}

/// A page on which step `a` asks with these fields.
fn asked(fields: &Value, tell: impl FnOnce(Store)) -> String {
    let form = json!({"title": "Review", "description": "Read it first.", "fields": fields});
    let asks = json!({"kind": "waiting", "wait_id": "a.1", "prompt": "Is it good?", "form": form,
        "context": {"draft": "Hello"}, "assigned_users": ["alice", "bob"],
        "expires_at": "2025-10-22T10:32:00.000Z", "default": {"decision": "no"}});
    page_of(told(&[asks]), Time::ZERO, tell)
}

#[test]
fn a_model_shows_who_it_is_what_it_took_and_which_tools_it_calls() {
    let html = page(vector("llm.json"));
    has(
        &html,
        &[
            "openai / gpt-5",
            "12 tokens in, 40 out (8 reasoning)",
            "calls tools",
            "data-testid=\"scripted\"",
            "cut off: the limit of tokens was reached",
            "data-testid=\"tool-call\" data-done=\"true\"",
            "{\n  \"q\": \"grüße\"\n}",
            "not finished",
            "Reasoning",
            "It is noon.",
            "data-testid=\"run-usage\"",
            "75 tokens in, 45 out (8 reasoning)",
        ],
    );
    // what a model thinks is drawn where it is opened
    lacks(&html, &["Let me look."]);
}

#[test]
fn an_answer_that_ended_badly_says_how() {
    let ends = |reason: &str| {
        said(&[
            json!({"kind": "llm", "model": "m"}),
            json!({"kind": "usage", "finish_reason": reason}),
        ])
    };
    has(
        &ends("refusal"),
        &["the model refused to answer", "data-tone=\"failed\""],
    );
    has(
        &ends("content_filter"),
        &["held back by the provider", "data-tone=\"failed\""],
    );
    has(&ends("length"), &["data-tone=\"warning\""]);
    has(&ends("OTHER_WORD"), &["OTHER_WORD"]);
    lacks(&ends("stop"), &["data-testid=\"scripted\""]);
}

#[test]
fn what_a_failed_step_gave_is_called_incomplete() {
    let html = page(vector("partial.json"));
    has(
        &html,
        &[
            "data-testid=\"incomplete\"",
            "Incomplete: the step failed here.",
            "circuit half open local",
        ],
    );
    lacks(&page(vector("llm.json")), &["data-testid=\"incomplete\""]);
}

#[test]
fn a_run_that_waits_says_so_and_leads_to_the_question() {
    let html = page(vector("waiting.json"));
    has(
        &html,
        &[
            "data-testid=\"run-status\" data-status=\"waiting\"",
            "Waiting for a person",
            "data-testid=\"go-to-question\"",
            "data-testid=\"wait\" data-wait-id=\"review.1\" data-state=\"pending\"",
            "Run waiting for a person",
        ],
    );
}

#[test]
fn a_question_shows_whom_it_asks_until_when_and_what_there_is_to_know() {
    let html = asked(
        &json!([{"name": "decision", "type": "text", "label": "Decision"}]),
        |_| (),
    );
    has(
        &html,
        &[
            "Is it good?",
            "Review",
            "Read it first.",
            "Asked: alice, bob",
            "left",
            "Then it goes on with: Decision: no",
            "data-testid=\"wait-context\"",
            "data-testid=\"answer-by\"",
            "Send answer",
        ],
    );
}

#[test]
fn every_kind_of_field_has_its_control() {
    let options = json!([{"value": 1, "label": "One"}, {"value": "b", "label": "Two"}]);
    let html = asked(
        &json!([
            {"name": "text", "type": "text", "required": true, "placeholder": "Say it", "min": 2, "max": 9},
            {"name": "area", "type": "textarea", "rows": 7, "default": "first <b>"},
            {"name": "n", "type": "number", "min": 0, "max": 10, "default": 5, "description": "0 to 10"},
            {"name": "yes", "type": "boolean", "label": "Sure", "default": true},
            {"name": "r", "type": "radio", "options": options, "required": true, "default": "b"},
            {"name": "s", "type": "select", "options": options, "placeholder": "Pick"},
            {"name": "m", "type": "multiselect", "options": options, "default": [1]},
            {"name": "mail", "type": "email"}, {"name": "site", "type": "url"}, {"name": "day", "type": "date"},
            {"name": "when", "type": "datetime"}, {"name": "key", "type": "password"},
        ]),
        |_| (),
    );
    for kind in [
        "text",
        "number",
        "checkbox",
        "radio",
        "email",
        "url",
        "date",
        "datetime-local",
        "password",
    ] {
        has(&html, &[&format!("type=\"{kind}\"")]);
    }
    has(
        &html,
        &[
            "<textarea",
            "rows=\"7\"",
            "<select",
            "Pick",
            "placeholder=\"Say it\"",
            "minlength=\"2\"",
            "maxlength=\"9\"",
            "min=\"0\"",
            "max=\"10\"",
            "value=\"5\"",
            "0 to 10",
            "<legend>",
            "required",
            "checked",
            "for=\"wait-a.1-0\"",
            "id=\"wait-a.1-0\"",
        ],
    );
    assert_eq!(html.matches("type=\"radio\"").count(), 2);
    assert_eq!(
        html.matches("checked").count(),
        3,
        "the boolean, a radio and a tick"
    );
}

#[test]
fn an_answer_on_its_way_cannot_be_sent_again() {
    let fields = json!([{"name": "decision", "type": "text"}]);
    let html = asked(&fields, |store| {
        assert!(store.begin_reply("a.1"), "nothing is on its way yet");
        assert!(!store.begin_reply("a.1"), "the second click");
    });
    has(
        &html,
        &["Sending…", "<fieldset disabled class=\"plain fields\""],
    );
    let html = asked(&fields, |store| {
        store.set_reply("a.1", Reply::Taken);
        assert!(!store.begin_reply("a.1"), "it has its answer");
    });
    has(&html, &["Sent", "disabled"]);
}

#[test]
fn what_the_server_refuses_is_told_at_its_field_and_can_be_sent_again() {
    let fields = json!([{"name": "decision", "type": "text"}, {"name": "note", "type": "text"}]);
    let problem = json!({"status": 422, "title": "no", "errors": [{"path": "$.answer.decision", "message": "`decision` is required"}]});
    let html = asked(&fields, |store| {
        let problem = serde_json::from_value(problem).unwrap();
        store.set_reply("a.1", Reply::Refused(ApiError::Refused(Box::new(problem))));
    });
    has(
        &html,
        &[
            "Is required",
            "aria-invalid=\"true\"",
            "Not sent: look at the fields",
            "Send answer",
        ],
    );
    assert_eq!(html.matches("aria-invalid=\"true\"").count(), 1);
    let html = asked(&fields, |store| {
        store.set_reply("a.1", Reply::Refused(ApiError::Unreachable));
        assert!(store.begin_reply("a.1"), "it may be tried again");
        store.set_reply("a.1", Reply::Refused(ApiError::Unreachable));
    });
    has(
        &html,
        &["Not sent: the server does not answer", "still here"],
    );
}

#[test]
fn an_answer_is_shown_with_who_gave_it_and_when() {
    let html = page(vector("answered.json"));
    has(
        &html,
        &[
            "alice answered at 10:30:00",
            "<dt>Decision</dt>",
            "<dd>Reject</dd>",
            "Too short.",
            "Nobody answered: the default was taken",
            "It ended without an answer.",
        ],
    );
    lacks(
        &html,
        &[
            "data-testid=\"wait-form\"",
            "data-testid=\"go-to-question\"",
        ],
    );
}

#[test]
fn files_are_shown_by_their_type_in_boxes_of_fixed_size() {
    let file = |name: &str, media: &str, hash: char| {
        json!({"kind": "artifact", "name": name, "media_type": media,
        "size": 12345, "sha256": hash.to_string().repeat(64)})
    };
    let html = said(&[
        file("chart.png", "image/png", 'a'),
        file("song.mp3", "audio/mpeg", 'b'),
        file("film.mp4", "video/mp4", 'c'),
        file("data.json", "application/json", 'd'),
        file("bad.html", "text/html", 'e'),
        file("all.zip", "application/zip", 'f'),
    ]);
    let image = format!(
        "<img src=\"/files/{}\" alt=\"chart.png\" loading=\"lazy\"",
        "a".repeat(64)
    );
    has(
        &html,
        &[
            &image,
            "<audio controls",
            "<video controls",
            "Look inside",
            "image/png, 12.3 kB",
            "download=\"all.zip\"",
            "data-kind=\"other\"",
        ],
    );
    assert_eq!(html.matches("Look inside").count(), 2, "texts only");
    assert_eq!(html.matches(">Download<").count(), 6);
}

#[test]
fn the_inside_of_a_file_is_text_and_never_markup() {
    let file = |media: &str| json!({"kind": "artifact", "name": "f", "media_type": media, "size": 5, "sha256": "a".repeat(64)});
    let opened = |media: &str, preview: Preview| {
        page_of(told(&[file(media)]), Time::ZERO, |store| {
            assert!(store.begin_preview(&"a".repeat(64)));
            store.set_preview(&"a".repeat(64), preview);
        })
    };
    let read = |text: &str, whole| {
        Preview::Read(Beginning {
            text: text.to_owned(),
            whole,
        })
    };
    let html = opened("text/html", read("<img src=x>", true));
    has(&html, &["&lt;img src=x"]);
    lacks(&html, &["<img", "only its beginning"]);
    has(
        &opened("application/json", read("{\"rows\":[1]}", true)),
        &["json-key", "rows"],
    );
    has(
        &opened("application/json", read("{\"rows\":[1", false)),
        &["{\"rows\":[1", "only its beginning"],
    );
    has(
        &opened("text/plain", Preview::Failed(ApiError::Unreachable)),
        &["could not be read: the server does not answer"],
    );
    has(&opened("text/plain", Preview::Reading), &["Reading…"]);
}

#[test]
fn what_models_people_and_files_say_is_text_and_never_markup() {
    let bad = "<img src=x onerror=alert(1)>";
    let html = said(&[
        json!({"kind": "llm", "provider": bad, "model": bad}),
        json!({"kind": "tool_call", "call_id": bad, "name": bad, "arguments": bad, "done": true}),
        json!({"kind": "usage", "finish_reason": bad}),
        json!({"kind": "circuit", "name": bad, "state": bad}),
        json!({"kind": "artifact", "name": bad, "media_type": bad, "sha256": "a".repeat(64)}),
        json!({"kind": "waiting", "wait_id": bad, "prompt": bad, "context": bad, "assigned_users": [bad], "form": {
            "title": bad, "description": bad, "fields": [{"name": bad, "type": "radio", "label": bad, "description": bad,
                "options": [{"value": bad, "label": bad}]}, {"name": "t", "type": "text", "default": bad, "placeholder": bad}]}}),
        json!({"kind": "answered", "wait_id": "other", "answer": {bad: bad}, "by": bad, "source": "person"}),
    ]);
    lacks(&html, &["<img"]);
    has(&html, &["&lt;img"]);
}
