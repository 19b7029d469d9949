//! Who may ask: as the router says of each route.

use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};

use crate::access::Action;
use crate::access::ticket::Purpose;
use crate::router::Ask;

/// The ways to say who one is.
pub(super) fn schemes() -> [(&'static str, SecurityScheme); 3] {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A token: `stepcast token create` makes one, or an issuer that the server trusts.",
        ))
        .build();
    let cookie = ApiKeyValue::with_description(
        crate::access::proof::SESSION_COOKIE,
        "What `POST /api/session` sets; counts only from a page of the very same origin.",
    );
    let ticket = ApiKeyValue::with_description(
        "ticket",
        "What `POST /api/tickets` gives: good once, within 30 seconds, for one run and one purpose.",
    );
    [
        ("bearer", SecurityScheme::Http(bearer)),
        ("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie))),
        ("ticket", SecurityScheme::ApiKey(ApiKey::Query(ticket))),
    ]
}

/// What a route takes; none where it asks for nothing.
pub(super) fn of(ask: Option<Ask>, path: &str) -> Option<Vec<SecurityRequirement>> {
    match ask? {
        Ask::Nothing => None,
        Ask::Name | Ask::May(_) | Ask::Of(_) | Ask::Handshake => {
            let mut ways = vec!["bearer", "session"];
            if Purpose::of(path).is_some() {
                ways.push("ticket");
            }
            let none: [&str; 0] = [];
            Some(
                ways.into_iter()
                    .map(|way| SecurityRequirement::new(way, none))
                    .collect(),
            )
        }
    }
}

/// How a route refuses.
pub(super) fn problems(ask: Option<Ask>) -> Vec<(u16, &'static str)> {
    let unknown = (401, "The server has accounts, and does not know who asks.");
    let denied = (403, "A scope is missing.");
    let absent = (404, "There is no such execution, or it is somebody else's.");
    let counted = [Action::Open, Action::OpenAll, Action::Start, Action::Resume];
    let mut problems = match ask {
        None | Some(Ask::Nothing | Ask::Handshake) => Vec::new(),
        Some(Ask::Name) => vec![unknown],
        Some(Ask::May(_)) => vec![unknown, denied],
        Some(Ask::Of(_)) => vec![unknown, denied, absent],
    };
    if let Some(Ask::May(action) | Ask::Of(action)) = ask
        && counted.contains(&action)
    {
        problems.push((429, OFTEN));
    }
    problems
}

/// Why who asks too often is refused.
pub(super) const OFTEN: &str = "The caller has as many streams at once, or opens or starts as many in a minute, as `[limits]` allows.";
