//! What a person can set off from within a run's page, and where its files are.

use leptos::prelude::*;

use crate::api::Answer;

/// The ways out of the page. A handle: cheap to copy, gone with the component that made it.
#[derive(Clone, Copy, Debug)]
pub struct Actions {
    files: StoredValue<String>,
    on_answer: Callback<Answer>,
    on_preview: Callback<String>,
}

impl Actions {
    /// `files` is the address under which the run's files are, by their hash. `on_answer` sends an answer,
    /// `on_preview` reads the beginning of the file of a hash; what comes of either is in the store.
    pub fn new(files: String, on_answer: Callback<Answer>, on_preview: Callback<String>) -> Self {
        Self {
            files: StoredValue::new(files),
            on_answer,
            on_preview,
        }
    }

    /// The address of a file.
    pub(super) fn file(self, sha256: &str) -> String {
        self.files.with_value(|files| format!("{files}{sha256}"))
    }

    pub(super) fn answer(self, answer: Answer) {
        self.on_answer.run(answer);
    }

    pub(super) fn preview(self, sha256: &str) {
        self.on_preview.run(sha256.to_owned());
    }
}
