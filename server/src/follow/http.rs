//! Server-sent events and long poll over HTTP.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use stepcast_core::client::ConnectionEnd;

use super::connection::{End, Link, Report};
use super::server::Server;

/// Reads an SSE body until it ends.
pub(super) async fn stream(server: Server, path: String, link: Link) {
    let end = tokio::select! {
        end = read_stream(&server, &path, &link) => end,
        () = link.dropped() => return,
    };
    link.close(end).await;
}

/// Makes one long poll.
pub(super) async fn poll(server: Server, path: String, link: Link) {
    let answer = tokio::select! {
        answer = read_page(&server, &path) => answer,
        () = link.dropped() => return,
    };
    match answer {
        Ok(text) => {
            if link.report(Report::Text(text)).await.is_err() {
                tracing::trace!("a long poll was answered after its owner had gone");
            }
        }
        Err(end) => link.close(end).await,
    }
}

async fn read_stream(server: &Server, path: &str, link: &Link) -> End {
    let mut response = match get(server, path, "text/event-stream").await {
        Ok(response) => response,
        Err(end) => return end,
    };
    loop {
        let piece = match response.chunk().await {
            Ok(Some(piece)) => piece,
            Ok(None) => return broken_off("the answer ended"),
            Err(error) => return broken(&error),
        };
        if link.report(Report::Bytes(piece)).await.is_err() {
            return broken_off("nobody listens");
        }
    }
}

async fn read_page(server: &Server, path: &str) -> Result<String, End> {
    let response = get(server, path, "application/json").await?;
    response.text().await.map_err(|error| broken(&error))
}

/// A GET that is answered with 200 and the content type asked for.
async fn get(server: &Server, path: &str, accept: &str) -> Result<Response, End> {
    let request = server.get(path).header(ACCEPT, accept);
    let response = request.send().await.map_err(|error| broken(&error))?;
    if response.status() != StatusCode::OK {
        return Err(refusal(&response));
    }
    let found = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if found.starts_with(accept) {
        Ok(response)
    } else {
        // A proxy or a login page answers 200 with a page of its own.
        Err(broken_off(
            "the answer is not a stream: is this a Stepcast server?",
        ))
    }
}

/// An answer that is no stream.
pub(super) fn refusal(response: &Response) -> End {
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let status = response.status();
    let end = ConnectionEnd::Http {
        status: status.as_u16(),
        retry_after,
    };
    (end, format!("the server answered {status}"))
}

/// A request that failed: the innermost cause says why.
pub(super) fn broken(error: &reqwest::Error) -> End {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    broken_off(&cause.to_string())
}

pub(super) fn broken_off(why: &str) -> End {
    (ConnectionEnd::Broken, why.to_owned())
}
