//! The settings of the edge, `[edge]` in the file.

use axum::http::Uri;
use serde::{Deserialize, Serialize};

use super::source::{Forwarding, network};

/// What comes in, and how. `docs/configuration.md` holds it as a table.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeSettings {
    /// Pages of other sites that may call this server, each as a browser names it: `https://app.example`.
    pub allowed_origins: Vec<String>,
    /// Proxies in front, addresses and networks (`10.0.0.0/8`): only what they say counts of where a request comes from.
    pub trusted_proxies: Vec<String>,
    /// In which headers they say it.
    pub forwarding: Forwarding,
    /// For how long browsers are to come to this name under TLS only, in seconds (`Strict-Transport-Security`, RFC 6797);
    /// 0 tells them nothing. It holds for every port of the name.
    pub hsts_seconds: u64,
}

impl EdgeSettings {
    /// Whether a page of this origin is expected.
    pub(crate) fn allows(&self, origin: &str) -> bool {
        let mut allowed = self.allowed_origins.iter();
        allowed.any(|it| it.eq_ignore_ascii_case(origin))
    }

    /// Which setting cannot be used, and why.
    pub(crate) fn check(&self) -> Result<(), (String, String)> {
        for (at, origin) in self.allowed_origins.iter().enumerate() {
            if !is_origin(origin) {
                let key = format!("edge.allowed_origins[{at}]");
                let message = format!(
                    "`{origin}` is no origin: write scheme, host and port as a browser does, for example https://app.example, without a path; `*` is not taken"
                );
                return Err((key, message));
            }
        }
        for (at, proxy) in self.trusted_proxies.iter().enumerate() {
            if network(proxy).is_none() {
                let key = format!("edge.trusted_proxies[{at}]");
                let message = format!(
                    "`{proxy}` is no address: write one, for example 127.0.0.1, or a network, for example 10.0.0.0/8; names are not taken"
                );
                return Err((key, message));
            }
        }
        Ok(())
    }
}

/// Whether this is an origin as browsers write them.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let host = text.parse::<Uri>().ok();
    let host = host.as_ref().and_then(Uri::host);
    ["http", "https"].contains(&scheme)
        && host.is_some_and(|host| !host.is_empty() && !host.contains('*'))
        && !authority.contains(['/', '@', '?', '#'])
}

#[cfg(test)]
mod tests {
    use super::EdgeSettings;

    #[test]
    fn an_origin_is_scheme_host_and_port_and_nothing_else() {
        let checked = |origin: &str| {
            let settings = EdgeSettings {
                allowed_origins: vec![origin.to_owned()],
                ..EdgeSettings::default()
            };
            settings.check()
        };
        for good in [
            "https://app.example",
            "http://localhost:3000",
            "https://[::1]:8443",
        ] {
            assert_eq!(checked(good), Ok(()), "{good}");
        }
        for bad in [
            "*",
            "null",
            "app.example",
            "https://app.example/",
            "https://*.example",
            "https://me@app.example",
            "file:///x",
            "https://",
        ] {
            let (key, message) = checked(bad).unwrap_err();
            assert_eq!(key, "edge.allowed_origins[0]");
            assert!(message.contains(bad), "{message}");
        }
    }

    #[test]
    fn a_proxy_is_an_address_or_a_network_and_no_name() {
        let checked = |proxy: &str| {
            let settings = EdgeSettings {
                trusted_proxies: vec!["::1".to_owned(), proxy.to_owned()],
                ..EdgeSettings::default()
            };
            settings.check()
        };
        for good in ["127.0.0.1", "10.0.0.0/8", "fd00::/8"] {
            assert_eq!(checked(good), Ok(()), "{good}");
        }
        for bad in ["proxy", "10.0.0.0/33", "*", "", "127.0.0.1:80"] {
            let (key, message) = checked(bad).unwrap_err();
            assert_eq!(key, "edge.trusted_proxies[1]");
            assert!(message.contains(bad), "{message}");
        }
    }
}
