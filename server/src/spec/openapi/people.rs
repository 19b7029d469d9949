//! Questions to people, and files.

use axum::http::Method;
use serde_json::json;

use super::book::Book;
use super::parameters::{FileHeaders, ProducerHeaders};
use super::{FILES, PEOPLE};
use crate::api::answer::{Answered, ArtifactEntry, Artifacts, OpenWaits, Waits};
use crate::api::{artifacts, waits};

pub(super) fn describe(book: &mut Book) {
    book.entry(
        Method::GET,
        "/api/waits",
        PEOPLE,
        ("listOpenWaits", "What waits for people, in all runs"),
    )
    .query::<waits::ListParameters>()
    .answers::<OpenWaits>(200, "The oldest first.")
    .write();
    book.entry(
        Method::GET,
        "/api/executions/{id}/waits",
        PEOPLE,
        ("listWaits", "What a run asks people"),
    )
    .answers::<Waits>(200, "Its questions, in the order in which they were asked.")
    .write();
    book.entry(
        Method::POST,
        "/api/executions/{id}/waits/{wait_id}/answer",
        PEOPLE,
        ("answerWait", "Answer a question"),
    )
    .about("The first answer counts. The same answer again is 200, with the first one's `answer`, `by` and `source`.")
    .body::<waits::Answering>(true)
    .answers::<Answered>(200, "It is taken, and kept.")
    .problem(404, "There is no such question.")
    .problem(409, "Another answer came first (`answered` is that one), the run has ended, or is run elsewhere.")
    .problem(410, "The deadline has passed.")
    .problem(413, "The answer is larger than the setting `max_event_bytes` allows.")
    .problem(422, "The answer does not fit the form; `errors` says where.")
    .problem(507, "The disk is full: send it again.")
    .write();
    files(book);
}

fn files(book: &mut Book) {
    let path = "/api/executions/{id}/artifacts";
    let bytes = || json!({});
    book.entry(
        Method::GET,
        path,
        FILES,
        ("listArtifacts", "The files of a run"),
    )
    .answers::<Artifacts>(200, "In the order in which they were announced.")
    .write();
    book.entry(
        Method::POST,
        path,
        FILES,
        (
            "addArtifact",
            "Keep a file of a run that is run elsewhere, and announce it",
        ),
    )
    .query::<artifacts::Added>()
    .headers::<ProducerHeaders>()
    .raw_body("*/*", bytes())
    .answers::<ArtifactEntry>(200, "The same request had kept it before.")
    .answers::<ArtifactEntry>(201, "It is kept, and announced.")
    .problem(
        409,
        "The execution has ended, is not run elsewhere, or `Producer-Seq` leaves a hole.",
    )
    .problem(
        413,
        "The file, or all files of the execution, are larger than the settings allow.",
    )
    .problem(
        422,
        "The body is not the content that `sha256` names, or the event cannot be taken.",
    )
    .problem(429, "Too many events in a second.")
    .problem(507, "The disk is full.")
    .write();
    book.entry(
        Method::GET,
        "/api/executions/{id}/artifacts/{sha256}",
        FILES,
        ("getArtifact", "A file, or a part of it"),
    )
    .headers::<FileHeaders>()
    .sends(
        200,
        "The file, of the media type that it was announced with.",
        "*/*",
        bytes(),
    )
    .sends(206, "The part that `Range` asks for.", "*/*", bytes())
    .with_header(206, "Content-Range", "Which part it is.")
    .empty(304, "The content that `If-None-Match` names.")
    .problem(404, "This execution has no such file.")
    .problem(410, "The file is gone.")
    .problem(416, "The file has no such part.")
    .write();
}
