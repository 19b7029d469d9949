//! Keeps pages of other sites out: a browser names the site it speaks for, and only names that the operator allows pass.
//!
//! A server on loopback is reachable for every page that the machine's browser has open: directly, and under a
//! name of the page's own that resolves to loopback. The first shows in `Origin`, the second in `Host`.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};

use crate::config::Config;
use crate::error::Problem;

/// Answers 403 where `Host` or `Origin` carries a name that is not allowed.
pub(crate) fn same_site(config: &Config, request: &Request) -> Result<(), Problem> {
    let allowed = &config.allowed_hosts;
    let passes = |host: &str| {
        allowed
            .iter()
            .any(|name| name.eq_ignore_ascii_case(without_port(host)))
    };
    let headers = request.headers();
    let host =
        text(headers, &header::HOST).or_else(|| request.uri().authority().map(|it| it.as_str()));
    let origin = text(headers, &header::ORIGIN);
    let origin_passes = origin.is_none_or(|origin| {
        let own = origin
            .split_once("://")
            .is_some_and(|(_, host)| passes(host));
        own || config.edge.allows(origin)
    });
    if host.is_some_and(passes) && origin_passes {
        return Ok(());
    }
    let detail = "This server is asked under a name that it does not answer to; the settings are allowed_hosts and edge.allowed_origins.";
    Err(Problem::new(StatusCode::FORBIDDEN, detail))
}

/// A value that is not text is taken for a name that nobody allows.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers
        .get(name)
        .map(|value| value.to_str().unwrap_or_default())
}

fn without_port(host: &str) -> &str {
    let end = host
        .rfind(']')
        .map_or_else(|| host.find(':'), |bracket| Some(bracket + 1));
    end.and_then(|end| host.get(..end)).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::without_port;

    #[test]
    fn a_port_is_no_part_of_the_name() {
        for (host, name) in [
            ("localhost", "localhost"),
            ("a.b:80", "a.b"),
            ("[::1]:8400", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(without_port(host), name);
        }
    }
}
