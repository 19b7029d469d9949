//! The way of a request to the router, and of its answer back.
//!
//! One function and no layers: axum copies a layer with all that is below it for each request, and once more in each
//! layer above it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::HeaderValue;
use axum::response::{IntoResponse as _, Response};
use tower_service::Service as _;
use tracing::Instrument as _;

use super::compression::Accepted;
use super::headers::{harden, strict};
use super::request_id::Name;
use super::source::{Proxies, Source};
use crate::executions::Executions;
use crate::guard::same_site;

/// What every request passes; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Way(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    router: Router,
    executions: Executions,
    proxies: Option<Proxies>,
    strict: Option<HeaderValue>,
    body: DefaultBodyLimit,
}

impl Way {
    /// To this router.
    pub(crate) fn to(router: Router, executions: Executions) -> Self {
        let config = executions.config();
        Self(Arc::new(Inner {
            router,
            proxies: Proxies::of(&config.edge),
            strict: strict(&config.edge),
            body: DefaultBodyLimit::max(config.max_body_bytes),
            executions,
        }))
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, mut request: Request) -> Response {
        let name = Name::of(&request);
        let span = name.span();
        let answered = async {
            if let Some(proxies) = &self.0.proxies {
                proxies.locate(&mut request);
            }
            // in clear anybody on the way could have written it (RFC 6797, 7.2)
            let secure = (request.extensions().get()).is_some_and(|source: &Source| source.secure);
            let strict = self.0.strict.clone().filter(|_| secure);
            let mut response = self.looked_at(request).await;
            harden(response.headers_mut(), strict);
            name.answered(&mut response);
            response
        };
        answered.instrument(span).await
    }

    async fn looked_at(&self, mut request: Request) -> Response {
        let config = self.0.executions.config();
        if let Err(refused) = same_site(config, &request) {
            return refused.into_response();
        }
        self.0.body.apply(&mut request);
        let accepted = Accepted::of(request.headers());
        let Ok(response) = self.0.router.clone().call(request).await;
        if config.compression.responses {
            return accepted.compress(response).await;
        }
        response
    }
}
