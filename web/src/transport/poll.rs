//! One long poll: a request that the server answers when it has events, or after a while.

use stepcast_core::client::ConnectionEnd;
use wasm_bindgen_futures::JsFuture;

use super::{Answer, Connection, Report, Request, Sink};

#[derive(Debug)]
pub(super) struct Poll {
    _request: Request,
}

impl Poll {
    pub(super) fn open(url: String, token: Option<&str>, sink: Sink) -> Self {
        let exchange = async move |answer: Answer| {
            let body = read(&answer).await;
            if answer.aborted() {
                return;
            }
            match body {
                Ok(text) => sink(Report::Text(&text)),
                Err(end) => sink(Report::Closed(end)),
            }
        };
        Self {
            _request: Request::get(url, "application/json", token, exchange),
        }
    }
}

impl Connection for Poll {
    fn send(&self, _text: &str) {}
}

async fn read(answer: &Answer) -> Result<String, ConnectionEnd> {
    let response = answer.accepted("application/json")?;
    let promise = response.text().map_err(|_refused| ConnectionEnd::Broken)?;
    let text = JsFuture::from(promise)
        .await
        .map_err(|_cut| ConnectionEnd::Broken)?;
    text.as_string().ok_or(ConnectionEnd::Broken)
}
