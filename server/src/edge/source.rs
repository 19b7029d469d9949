//! Where a request comes from: the peer of its connection, or whom a trusted proxy names.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::settings::EdgeSettings;
use crate::telemetry::Wire;

/// Who sends a request, as far as the network tells; in the extensions of each.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Source {
    /// From where; `None` where a trusted proxy does not say.
    pub(crate) address: Option<IpAddr>,
    /// Whether it is known to have come under TLS.
    pub(crate) secure: bool,
    /// What the connection to this server speaks, whoever is at its other end.
    pub(crate) wire: Wire,
}

/// From where somebody comes, as far as one can choose addresses.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Network(IpAddr);

/// In which headers a trusted proxy says for whom it asks. It must overwrite or extend them: those of the other kind
/// are the client's own.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forwarding {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The proxies whose word counts.
#[derive(Clone, Debug)]
pub(crate) struct Proxies {
    trusted: Vec<IpNet>,
    forwarding: Forwarding,
}

/// One connection on the way, as the proxy tells it that took it.
#[derive(Clone, Copy, Debug, Default)]
struct Hop {
    from: Option<IpAddr>,
    secure: Option<bool>,
}

impl Source {
    /// The other end of a connection.
    pub(crate) fn peer(address: Option<SocketAddr>, secure: bool) -> Self {
        Self {
            address: address.map(|address| address.ip().to_canonical()),
            secure,
            wire: if secure { Wire::Tls } else { Wire::Clear },
        }
    }
}

impl Network {
    /// Of IPv6 the first 64 bits: that much, or more, is what one customer has.
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let bits = address.to_bits() >> 64 << 64;
                IpAddr::V6(Ipv6Addr::from_bits(bits))
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// The proxies that are trusted.
pub(crate) fn trusted(settings: &EdgeSettings) -> Vec<IpNet> {
    let proxies = settings.trusted_proxies.iter();
    proxies.filter_map(|text| network(text)).collect()
}

impl Proxies {
    /// `None` where nobody's word counts.
    pub(crate) fn of(settings: &EdgeSettings) -> Option<Self> {
        let trusted = trusted(settings);
        (!trusted.is_empty()).then_some(Self {
            trusted,
            forwarding: settings.forwarding,
        })
    }

    /// Puts the source of a request in the place of its peer.
    pub(super) fn locate(&self, request: &mut Request) {
        let peer = request.extensions().get().copied().unwrap_or_default();
        let source = self.source(peer, request.headers());
        request.extensions_mut().insert(source);
    }

    /// Walks back from the peer, and ends at the first that is no trusted proxy: what stands before it, it may have
    /// written itself.
    fn source(&self, peer: Source, headers: &HeaderMap) -> Source {
        let mut source = peer;
        let hops = match self.forwarding {
            Forwarding::XForwarded => x_forwarded(headers),
            Forwarding::Forwarded => forwarded(headers),
        };
        for hop in hops.into_iter().rev() {
            if !self.trusts(source.address) {
                return source;
            }
            source.address = hop.from;
            source.secure = hop.secure.unwrap_or(source.secure);
        }
        source
    }

    fn trusts(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| self.trusted.iter().any(|net| net.contains(&address)))
    }
}

/// A network, or a single address.
pub(super) fn network(text: &str) -> Option<IpNet> {
    let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(alone)
}

/// The hops that `X-Forwarded-For` lists, the farthest first. A proxy that sets the scheme once says it of all.
fn x_forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let addresses = list(headers, &X_FORWARDED_FOR);
    let schemes = list(headers, &X_FORWARDED_PROTO);
    let paired = schemes.len() == addresses.len();
    let last = schemes.last();
    let hop = |(at, address): (usize, &String)| Hop {
        from: node(address),
        secure: if paired { schemes.get(at) } else { last }.map(|scheme| is_secure(scheme)),
    };
    addresses.iter().enumerate().map(hop).collect()
}

/// The hops that `Forwarded` lists, the farthest first. An element that is malformed names nobody.
fn forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let hop = |element: &String| {
        let mut hop = Hop::default();
        for pair in unquoted(element, ';') {
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "for" => hop.from = node(value),
                "proto" => hop.secure = Some(is_secure(value)),
                _ => {}
            }
        }
        hop
    };
    list(headers, &header::FORWARDED).iter().map(hop).collect()
}

/// The values of a header that is a list, all of its lines together. A line that is not text is one value that means
/// nothing.
fn list(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).iter();
    lines
        .flat_map(|line| unquoted(line.to_str().unwrap_or("?"), ','))
        .map(|value| value.trim().to_owned())
        .collect()
}

/// The parts between separators that stand in no quotes.
fn unquoted(text: &str, separator: char) -> Vec<&str> {
    let mut quoted = false;
    text.split(|character| {
        quoted ^= character == '"';
        character == separator && !quoted
    })
    .collect()
}

/// An address, with a port or without; none where a proxy hides it (`unknown`, `_name`).
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let with_port = || text.parse::<SocketAddr>().ok().map(|it| it.ip());
    let address = bare.parse::<IpAddr>().ok().or_else(with_port)?;
    Some(address.to_canonical())
}

fn is_secure(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss")
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(forwarding: Forwarding) -> Proxies {
        let trusted = ["127.0.0.1", "10.0.0.0/8", "fd00::/8"].map(|text| network(text).unwrap());
        Proxies {
            trusted: trusted.to_vec(),
            forwarding,
        }
    }

    fn check(forwarding: Forwarding, peer: &str, headers: &[(&str, &str)], expected: (&str, bool)) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        let peer = Source {
            address: Some(peer.parse().unwrap()),
            secure: false,
            wire: Wire::Clear,
        };
        let found = proxies(forwarding).source(peer, &map);
        let address = found.address.map_or("?".to_owned(), |it| it.to_string());
        assert_eq!((address.as_str(), found.secure), expected, "{headers:?}");
    }

    #[test]
    fn who_is_not_trusted_says_nothing_of_where_it_comes_from() {
        for (peer, forwarding) in [
            ("192.0.2.1", Forwarding::XForwarded),
            ("11.0.0.1", Forwarding::XForwarded),
            ("192.0.2.1", Forwarding::Forwarded),
        ] {
            let headers = [
                ("x-forwarded-for", "203.0.113.9"),
                ("x-forwarded-proto", "https"),
                ("forwarded", "for=203.0.113.9;proto=https"),
            ];
            check(forwarding, peer, &headers, (peer, false));
        }
    }

    #[test]
    fn of_trusted_proxies_the_farthest_counts_and_not_what_a_client_put_before() {
        use Forwarding::XForwarded;
        let (list, scheme) = ("x-forwarded-for", "x-forwarded-proto");
        for (headers, expected) in [
            (vec![], ("127.0.0.1", false)),
            (vec![(list, "192.0.2.7")], ("192.0.2.7", false)),
            (
                vec![(list, "192.0.2.7"), (scheme, "https")],
                ("192.0.2.7", true),
            ),
            (
                vec![(list, "8.8.8.8, 192.0.2.7"), (scheme, "https")],
                ("192.0.2.7", true),
            ),
            (
                vec![(list, "8.8.8.8"), (list, "192.0.2.7, 10.1.1.1")],
                ("192.0.2.7", false),
            ),
            (
                vec![(list, "192.0.2.7, 10.1.1.1"), (scheme, "https, http")],
                ("192.0.2.7", true),
            ),
            (vec![(list, "10.2.2.2, 10.1.1.1")], ("10.2.2.2", false)),
            (vec![(list, "192.0.2.7:4711")], ("192.0.2.7", false)),
            (vec![(list, "[2001:db8::1]:80")], ("2001:db8::1", false)),
            (vec![(list, "2001:db8::1")], ("2001:db8::1", false)),
            (vec![(list, "::ffff:192.0.2.7")], ("192.0.2.7", false)),
            (vec![(list, "8.8.8.8, unknown")], ("?", false)),
            (vec![(list, "8.8.8.8, ")], ("?", false)),
            // the other kind is the client's own
            (vec![("forwarded", "for=8.8.8.8")], ("127.0.0.1", false)),
        ] {
            check(XForwarded, "127.0.0.1", &headers, expected);
        }
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        for (value, expected) in [
            (
                "for=192.0.2.60;proto=https;by=203.0.113.43",
                ("192.0.2.60", true),
            ),
            (
                "For=\"[2001:db8:cafe::17]:4711\"",
                ("2001:db8:cafe::17", false),
            ),
            ("for=8.8.8.8, for=192.0.2.7", ("192.0.2.7", false)),
            (
                "for=192.0.2.7;proto=https, for=10.0.0.1;proto=http",
                ("192.0.2.7", true),
            ),
            ("for=8.8.8.8, for=\"_hidden\"", ("?", false)),
            ("for=8.8.8.8, nonsense", ("?", false)),
            ("for=\"a,for=8.8.8.8\"", ("?", false)),
        ] {
            let headers = [("forwarded", value)];
            check(Forwarding::Forwarded, "fd00::1", &headers, expected);
        }
    }
}
