//! What a request shows of who sends it: a header, a subprotocol, a ticket or a cookie.

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};

use crate::edge::Source;

/// What a request shows.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Proof<'a> {
    /// Nothing at all.
    Nothing,
    /// A token, in `Authorization` or as a subprotocol.
    Bearer(&'a str),
    /// A ticket, in the address.
    Ticket(String),
    /// Cookies: of a session, of a link to a shared run.
    Cookies(Option<&'a str>, Option<&'a str>),
    /// Cookies of ours, in a request that a page of another site has sent.
    ForeignPage,
    /// Something that cannot be read.
    Unreadable,
}

impl<'a> Proof<'a> {
    /// What `parts` show. The first of the ways that is there counts, valid or not.
    pub(crate) fn of(parts: &'a Parts) -> Self {
        let headers = &parts.headers;
        let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
        if let Some(authorization) = authorizations.next() {
            let bearer = authorization.to_str().ok().and_then(bearer);
            return match (bearer, authorizations.next()) {
                (Some(token), None) => Self::Bearer(token),
                _ => Self::Unreadable,
            };
        }
        if let Some(token) = protocols(headers).find_map(|it| it.strip_prefix(BEARER_PROTOCOL)) {
            return Self::Bearer(token);
        }
        let query = parts.uri.query().unwrap_or_default();
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        if let Some((_, ticket)) = pairs.find(|(name, _)| name == "ticket") {
            return Self::Ticket(ticket.into_owned());
        }
        match (
            cookie(headers, SESSION_COOKIE),
            cookie(headers, SHARE_COOKIE),
        ) {
            (None, None) => Self::Nothing,
            (session, share) if is_own_page(parts) => Self::Cookies(session, share),
            _ => Self::ForeignPage,
        }
    }
}

/// The subprotocols that a WebSocket's client offers.
pub(crate) fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| {
            let (found, value) = pair.trim().split_once('=')?;
            (found == name && !value.is_empty()).then_some(value)
        })
}

/// Whether a page of this server's own has sent this. `SameSite` does not tell ports apart, and lets a page through that
/// another program on the same machine serves; so a request that changes something, or opens a WebSocket, has to name
/// the very origin that it is sent to.
pub(crate) fn is_own_page(parts: &Parts) -> bool {
    let text = |name: header::HeaderName| {
        let value = parts.headers.get(name);
        value.map(|value| value.to_str().unwrap_or_default())
    };
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    if !site.is_none_or(|site| matches!(site, "same-origin" | "none")) {
        return false;
    }
    let host = text(header::HOST).or_else(|| parts.uri.authority().map(|it| it.as_str()));
    let upgrades = parts.headers.contains_key(header::UPGRADE);
    let reads = matches!(parts.method, Method::GET | Method::HEAD) && !upgrades;
    // a page that came in clear may be anybody's, whatever its name
    let secure = parts.extensions.get().is_some_and(|it: &Source| it.secure);
    match text(header::ORIGIN) {
        Some(origin) => origin.split_once("://").is_some_and(|(scheme, authority)| {
            Some(authority) == host && (scheme == "https" || !secure)
        }),
        None => reads,
    }
}

/// Holds a browser's session.
pub(crate) const SESSION_COOKIE: &str = "stepcast_session";
/// Holds the secret of a link to a shared run.
pub(crate) const SHARE_COOKIE: &str = "stepcast_share";
/// Begins a subprotocol that carries a token.
pub(crate) const BEARER_PROTOCOL: &str = "stepcast.bearer.";
/// The subprotocol that this server speaks, for clients that must have one chosen.
pub(crate) const PROTOCOL: &str = "stepcast.v1";
/// The same, in CBOR.
pub(crate) const CBOR_PROTOCOL: &str = "stepcast.cbor";

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_first_way_counts() {
        let cookie = ("cookie", "a=b; stepcast_session=s; stepcast_share=");
        for (uri, headers, proof) in [
            ("/", vec![], Proof::Nothing),
            (
                "/",
                vec![("authorization", "bearer t"), cookie],
                Proof::Bearer("t"),
            ),
            (
                "/",
                vec![("authorization", "Basic t"), cookie],
                Proof::Unreadable,
            ),
            (
                "/",
                vec![("authorization", "Bearer a"), ("authorization", "Bearer b")],
                Proof::Unreadable,
            ),
            (
                "/?ticket=a%20b",
                vec![("sec-websocket-protocol", "stepcast.v1, stepcast.bearer.t")],
                Proof::Bearer("t"),
            ),
            (
                "/?x=1&ticket=a%20b",
                vec![cookie],
                Proof::Ticket("a b".into()),
            ),
            ("/", vec![cookie], Proof::Cookies(Some("s"), None)),
            (
                "/",
                vec![cookie, ("sec-fetch-site", "same-site")],
                Proof::ForeignPage,
            ),
        ] {
            let parts = parts("GET", uri, &headers);
            assert_eq!(Proof::of(&parts), proof, "{uri} {headers:?}");
        }
    }

    #[test]
    fn a_page_of_another_port_is_another_site() {
        let own = |method, more: &[(&str, &str)]| {
            let mut headers = vec![("host", "127.0.0.1:8400")];
            headers.extend_from_slice(more);
            is_own_page(&parts(method, "/", &headers))
        };
        let (same, other) = ("http://127.0.0.1:8400", "http://127.0.0.1:9000");
        assert!(own("GET", &[]) && own("POST", &[("origin", same)]));
        assert!(!own("POST", &[]) && !own("POST", &[("origin", other)]));
        assert!(!own("GET", &[("origin", other)]) && !own("GET", &[("origin", "null")]));
        assert!(!own("GET", &[("upgrade", "websocket")]));
        assert!(own("GET", &[("upgrade", "websocket"), ("origin", same)]));
        assert!(!own("GET", &[("sec-fetch-site", "cross-site")]));
        // under TLS a page of the same name that came in clear is another site
        for (origin, is_own) in [
            ("https://127.0.0.1:8400", true),
            ("http://127.0.0.1:8400", false),
        ] {
            let headers = [("host", "127.0.0.1:8400"), ("origin", origin)];
            let mut parts = parts("POST", "/", &headers);
            parts.extensions.insert(Source {
                secure: true,
                ..Source::default()
            });
            assert_eq!(is_own_page(&parts), is_own, "{origin}");
        }
    }
}
