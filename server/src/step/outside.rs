//! Requests that must not reach the inside of the operator's network, whatever a name or a redirect leads to.
//!
//! The address that is looked at is the one that is connected to: a name that leads elsewhere at a second look gains
//! nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{ClientBuilder, Url};

/// A client that connects to public addresses only.
pub(crate) fn outside_only(builder: ClientBuilder) -> ClientBuilder {
    builder
        // a proxy would look names up itself
        .no_proxy()
        .dns_resolver(std::sync::Arc::new(Outside))
        .redirect(Policy::custom(follow))
}

/// Whether a request may go there; where there is a name, its address is looked at when it is known.
///
/// # Errors
/// What to tell the pipeline's author.
pub(crate) fn check(url: &Url) -> Result<(), String> {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) if !is_outside(address) => Err(INSIDE.to_owned()),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    if attempt.previous().len() > MOST_REDIRECTS {
        return attempt.error("too many redirects");
    }
    match check(attempt.url()) {
        Ok(()) => attempt.follow(),
        Err(why) => attempt.error(why),
    }
}

/// Looks names up, and keeps the addresses that are outside.
struct Outside;

impl Resolve for Outside {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let outside: Vec<SocketAddr> =
                found.filter(|address| is_outside(address.ip())).collect();
            if outside.is_empty() {
                return Err(INSIDE.into());
            }
            Ok(Box::new(outside.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public network's.
fn is_outside(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_outside_v4(address),
        IpAddr::V6(address) => is_outside_v6(address),
    }
}

fn is_outside_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let reserved = a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b));
    !(reserved
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

/// Addresses that hold one of IPv4 (6to4, Teredo, NAT64) are not told from those inside: none is outside.
fn is_outside_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let is_unicast = (0x2000..0x4000).contains(&a);
    let is_special = a == 0x2002 || (a == 0x2001 && (b < 0x200 || b == 0xdb8)) || a == 0x3fff;
    is_unicast && !is_special
}

const INSIDE: &str = "it leads to the inside of the operator's network, which pipelines of users do not reach (the setting is steps.inside)";

/// As many as the other client follows.
const MOST_REDIRECTS: usize = 10;

#[cfg(test)]
mod tests {
    use super::{Url, check, is_outside};

    #[test]
    fn ssrf_by_an_address_of_the_inside_is_seen_in_every_spelling() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://0/",
            "http://10.0.0.1/",
            "http://172.16.9.9/",
            "http://192.168.1.1/",
            "http://169.254.169.254/latest/meta-data/",
            "http://100.100.100.200/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
        ] {
            assert!(check(&Url::parse(url).unwrap()).is_err(), "{url}");
        }
    }

    #[test]
    fn addresses_of_the_public_network_are_outside() {
        for address in ["1.1.1.1", "93.184.215.14", "172.32.0.1", "2606:4700::1111"] {
            assert!(is_outside(address.parse().unwrap()), "{address}");
        }
    }
}
