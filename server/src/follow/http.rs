//! Server-sent events and long poll over HTTP.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use stepcast_core::client::ConnectionEnd;

use super::connection::{Link, Report};
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

async fn read_stream(server: &Server, path: &str, link: &Link) -> ConnectionEnd {
    let mut response = match get(server, path, "text/event-stream").await {
        Ok(response) => response,
        Err(end) => return end,
    };
    while let Ok(Some(piece)) = response.chunk().await {
        if link.report(Report::Bytes(piece)).await.is_err() {
            break;
        }
    }
    ConnectionEnd::Broken
}

async fn read_page(server: &Server, path: &str) -> Result<String, ConnectionEnd> {
    let response = get(server, path, "application/json").await?;
    response.text().await.map_err(|_cut| ConnectionEnd::Broken)
}

/// A GET that is answered with 200 and the content type asked for.
async fn get(server: &Server, path: &str, accept: &str) -> Result<Response, ConnectionEnd> {
    let request = server.get(path).header(ACCEPT, accept);
    let response = request.send().await.map_err(|error| {
        tracing::debug!(%error, path, "a request failed");
        ConnectionEnd::Broken
    })?;
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
        tracing::debug!(found, path, "the answer is not of the type asked for");
        Err(ConnectionEnd::Broken)
    }
}

/// An answer that is no stream.
pub(super) fn refusal(response: &Response) -> ConnectionEnd {
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    ConnectionEnd::Http {
        status: response.status().as_u16(),
        retry_after,
    }
}
