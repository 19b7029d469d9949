//! Questions on the command line.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::cli::{output, stepcast, told};
use crate::harness::{Server, soon};
use crate::human_api::{asks, form, of_kind};

const REVIEW: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/review");

/// `stepcast run` of the review, with these lines on standard input.
async fn review(more: &[&str], lines: &str) -> (i32, Vec<Value>, String) {
    let mut command = stepcast(&["run", REVIEW]);
    command.args(more).env("USER", "ann").stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(lines.as_bytes()).await.unwrap();
    drop(stdin);
    let (code, out, err) = told(soon(child.wait_with_output()).await.unwrap());
    let events = out.lines().map(|line| serde_json::from_str(line).unwrap());
    (code, events.collect(), err)
}

#[tokio::test]
async fn run_asks_in_its_own_terminal_line_by_line() {
    let lines = "maybe\nask for a change\nBring cake.\n1\n\n";
    let (code, events, err) = review(&["--ask", "always"], lines).await;
    assert_eq!(code, 0, "{err}");
    for part in [
        "? Shall revision 1 be published?",
        "| {\"notice\":\"The library is closed on Monday.\"}",
        "Decision: 1 Publish it, 2 Ask for a change, 3 Drop it",
        "`decision` is one of \"publish\", \"change\", \"drop\"",
        "? Shall revision 2 be published?",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
    let answers = of_kind(&events, "answered");
    assert_eq!(answers.len(), 2);
    assert_eq!(
        (
            &answers[0]["data"]["by"],
            &answers[0]["data"]["answer"]["note"]
        ),
        (&json!("ann"), &json!("Bring cake."))
    );
    let end = &events.last().unwrap()["data"]["output"];
    assert_eq!(
        end["notice"],
        "The library is closed on Monday.\nBring cake."
    );
}

#[tokio::test]
async fn run_ends_with_a_clear_word_where_nobody_can_be_asked() {
    // nobody is left in the middle of a form
    let (code, events, err) = review(&["--ask", "always"], "1\n").await;
    assert_eq!(code, 2);
    assert!(
        err.contains("step `review` asks a person, and there is nobody to ask here"),
        "{err}"
    );
    assert_eq!(events.last().unwrap()["data"]["reason"], "cancelled");
    // no terminal, and no deadline that would help
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pipeline.json");
    std::fs::write(&file, asks(json!({"prompt": "?"})).to_string()).unwrap();
    let file = file.to_str().unwrap();
    let (code, _, err) = output(&["run", file]).await;
    assert_eq!(code, 2);
    assert!(err.contains("stepcast answer"), "{err}");
    // a deadline with a default helps
    let config = json!({"choices": ["a"], "timeout_seconds": 0.2, "default": "a"});
    std::fs::write(file, asks(config).to_string()).unwrap();
    let (code, out, err) = output(&["run", file]).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("\"source\":\"default\""));
}

#[tokio::test]
async fn answer_lists_what_waits_and_answers_by_names_labels_and_numbers() {
    let server = Server::start().await;
    let address = format!("http://{}", server.address);
    let answer = async |words: &[&str]| {
        let mut arguments = vec!["answer", "--server", &address];
        arguments.extend(words);
        output(&arguments).await
    };
    let (code, out, err) = answer(&[]).await;
    assert_eq!((code, out.as_str()), (0, ""));
    assert!(err.contains("nothing waits for a person"), "{err}");
    for id in ["one", "two"] {
        server
            .run(id, asks(json!({"prompt": "Publish it?", "form": form()})))
            .await;
        server.stands(id, "waiting").await;
    }
    let (code, out, _) = answer(&[]).await;
    assert_eq!(code, 0);
    assert_eq!(
        out.lines().take(4).collect::<Vec<_>>(),
        [
            "one review.1: Publish it?",
            "  decision: decision: 1 publish, 2 reject",
            "  stars: stars (may be left empty)",
            "  note: Note (may be left empty)",
        ]
    );
    for (words, part) in [
        (
            &["one", "decision=perhaps"][..],
            "`decision` is one of \"publish\", \"reject\"",
        ),
        (
            &["one", "decison=publish"],
            "$.answer.decison: the form has no field `decison`; did you mean `decision`?",
        ),
        (
            &["one", "review.7", "decision=publish"],
            "asks no question `review.7`",
        ),
        (&["one", "review.1", "publish"], "write FIELD=VALUE"),
        (
            &["nobody", "decision=publish"],
            "There is no execution with this id",
        ),
    ] {
        let (code, _, err) = answer(words).await;
        assert_eq!(code, 2, "{err}");
        assert!(err.contains(part), "{part}: {err}");
    }
    let (code, _, err) = answer(&["one", "decision=2", "stars=3", "--by", "alice"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains(r#"answered: {"decision":"reject","stars":3,"note":null}"#),
        "{err}"
    );
    server.stands("one", "completed").await;
    let again = &["one", "review.1", "decision=reject", "stars=3"];
    assert_eq!(answer(again).await.0, 0, "the same once more is no error");
    let (code, _, err) = answer(&["one", "review.1", "decision=publish"]).await;
    assert_eq!(code, 1);
    assert!(
        err.contains("answered otherwise") && err.contains("alice"),
        "{err}"
    );
    let (code, _, err) = answer(&["one", "decision=publish"]).await;
    assert_eq!(code, 2);
    assert!(err.contains("asks nothing at present"), "{err}");
    server.stop().await;
}
