//! Which server, and which execution on it: parsed once from what a person types.

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, RequestBuilder, Url};
use stepcast_core::id::{ExecutionId, IdError};
use thiserror::Error;

/// A server to follow executions on, with the HTTP client that reaches it.
#[derive(Clone, Debug)]
pub struct Server {
    /// Without a slash at the end.
    base: String,
    http: Client,
    /// What every request shows.
    token: Option<HeaderValue>,
}

/// An execution on a server.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where.
    pub server: Server,
    /// Which.
    pub execution_id: ExecutionId,
}

/// Why a text names no server or no execution.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Not a URL.
    #[error("{text:?} is no URL: {reason}")]
    Url {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another scheme.
    #[error("{0:?} is no scheme of a Stepcast server: use http, https, ws or wss")]
    Scheme(String),
    /// No execution in the address.
    #[error(
        "{0} names no execution: end it with /ws/pipeline/ID, /stream/pipeline/ID or /api/executions/ID"
    )]
    NoExecution(String),
    /// The execution's id is none.
    #[error("{text:?} is no execution id: {source}")]
    Id {
        /// What was given.
        text: String,
        /// What is wrong with it.
        source: IdError,
    },
    /// A token with characters that stand in none.
    #[error("the token is none: it is one word of visible ASCII characters")]
    Token,
    /// The HTTP client cannot be made.
    #[error("no HTTP client can be made: {0}")]
    Client(#[from] reqwest::Error),
}

impl Server {
    /// The server at this address. What stands after the host is kept, for a server behind a prefix.
    ///
    /// # Errors
    /// Where the text is no http or ws URL.
    pub fn new(address: &str) -> Result<Self, ServerError> {
        Self::at(&parse(address)?)
    }

    /// Shows this token with every request from now on, on a server with accounts. A token that is renewed is given
    /// here again: the next connection shows it.
    ///
    /// # Errors
    /// Where it cannot stand in a header.
    pub fn show(&mut self, token: Option<&str>) -> Result<(), ServerError> {
        self.token = token
            .map(|token| {
                let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
                    .map_err(|_invalid| ServerError::Token)?;
                value.set_sensitive(true);
                Ok::<_, ServerError>(value)
            })
            .transpose()?;
        Ok(())
    }

    /// The address, without a slash at the end.
    pub fn address(&self) -> &str {
        &self.base
    }

    /// A GET of a path that begins with a slash.
    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.shown(self.http.get(format!("{}{path}", self.base)))
    }

    /// A POST to a path that begins with a slash.
    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.shown(self.http.post(format!("{}{path}", self.base)))
    }

    fn shown(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, token.clone()),
            None => request,
        }
    }

    fn at(url: &Url) -> Result<Self, ServerError> {
        // Fails where a provider is installed already, which is as good.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let mut base = url.clone();
        base.set_query(None);
        base.set_fragment(None);
        Ok(Self {
            base: base.as_str().trim_end_matches('/').to_owned(),
            // A WebSocket begins as HTTP/1.1. A redirect is an answer like any other: nobody is led elsewhere.
            http: Client::builder()
                .http1_only()
                .redirect(reqwest::redirect::Policy::none())
                .user_agent(concat!("stepcast/", env!("CARGO_PKG_VERSION")))
                .build()?,
            token: None,
        })
    }
}

impl Target {
    /// An execution by its address, or by its id on the server at `server`.
    ///
    /// # Errors
    /// Where one of the two is not what it should be.
    pub fn parse(text: &str, server: &str) -> Result<Self, ServerError> {
        if !text.contains("://") {
            return Ok(Self {
                execution_id: id_of(text)?,
                server: Server::new(server)?,
            });
        }
        let mut url = parse(text)?;
        let segments: Vec<&str> = url
            .path()
            .split('/')
            .filter(|part| !part.is_empty())
            .collect();
        let found = segments
            .windows(3)
            .enumerate()
            .find_map(|(at, window)| match window {
                ["ws" | "stream", "pipeline", id] | ["api", "executions", id] => Some((at, *id)),
                _ => None,
            });
        let Some((at, id)) = found else {
            return Err(ServerError::NoExecution(text.to_owned()));
        };
        let execution_id = id_of(id)?;
        let prefix = segments.get(..at).unwrap_or_default().join("/");
        url.set_path(&prefix);
        Ok(Self {
            execution_id,
            server: Server::at(&url)?,
        })
    }
}

fn id_of(text: &str) -> Result<ExecutionId, ServerError> {
    text.parse().map_err(|source| ServerError::Id {
        text: text.to_owned(),
        source,
    })
}

/// A URL whose scheme is http or https: the two of WebSocket stand for them.
fn parse(text: &str) -> Result<Url, ServerError> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => "http",
        "https" | "wss" => "https",
        other => return Err(ServerError::Scheme(other.to_owned())),
    };
    Url::parse(&format!("{scheme}://{rest}")).map_err(|error| ServerError::Url {
        text: text.to_owned(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_is_named_by_its_id_or_by_any_of_its_addresses() {
        for (text, base) in [
            ("run_1", "http://127.0.0.1:8400"),
            ("http://h:1/api/executions/run_1", "http://h:1"),
            (
                "http://h:1/api/executions/run_1/events?after=1.2",
                "http://h:1",
            ),
            ("ws://h:1/ws/pipeline/run_1", "http://h:1"),
            (
                "wss://example.org/a/b/ws/pipeline/run_1",
                "https://example.org/a/b",
            ),
            (
                "https://example.org/stream/pipeline/run_1#x",
                "https://example.org",
            ),
        ] {
            let target = Target::parse(text, "127.0.0.1:8400/").unwrap();
            assert_eq!(target.execution_id.as_str(), "run_1", "{text}");
            assert_eq!(target.server.address(), base, "{text}");
        }
    }

    #[test]
    fn what_names_no_execution_is_refused_with_a_reason() {
        for (text, part) in [
            ("a b", "no execution id"),
            ("http://h/", "names no execution"),
            ("http://h/api/executions/a%20b", "no execution id"),
            ("ftp://h/api/executions/a", "scheme"),
            ("http://[/api/executions/a", "no URL"),
        ] {
            let error = Target::parse(text, "http://h").unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(Target::parse("a", "gopher://h").is_err());
    }
}
