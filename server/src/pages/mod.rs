//! Pages for people beside the dashboard: files inside the binary, which load nothing from elsewhere.

pub(crate) mod docs;
pub(crate) mod playground;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::edge;
use crate::error::Problem;

/// A page, and what it loads.
pub(crate) struct Page {
    html: &'static str,
    files: &'static [File],
}

struct File {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

impl Page {
    /// What its files are called.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.files.iter().map(|file| file.name).collect()
    }

    fn index(&self) -> Response {
        let mut response = sent("text/html; charset=utf-8", self.html);
        if let Ok(policy) = HeaderValue::from_str(&edge::of_page(self.html)) {
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    }

    fn file(&self, name: &str) -> Result<Response, Problem> {
        let found = self.files.iter().find(|file| file.name == name);
        let file = found
            .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "The page has no such file."))?;
        Ok(sent(file.kind, file.text))
    }
}

impl File {
    const fn css(name: &'static str, text: &'static str) -> Self {
        let kind = "text/css; charset=utf-8";
        Self { name, kind, text }
    }

    const fn script(name: &'static str, text: &'static str) -> Self {
        let kind = "text/javascript; charset=utf-8";
        Self { name, kind, text }
    }
}

fn sent(media_type: &'static str, text: &'static str) -> Response {
    (
        [
            (header::CONTENT_TYPE, media_type),
            // another version of the server may have another page
            (header::CACHE_CONTROL, "no-cache"),
        ],
        text,
    )
        .into_response()
}
