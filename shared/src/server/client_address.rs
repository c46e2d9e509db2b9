//! Where a call comes from, when proxies stand in front of the service.
//!
//! Each proxy adds the address that it saw at the end of a header. So the header is read from its end, as far as the
//! addresses are those of proxies that we trust: the first that is none is the client. What a client writes into
//! the header itself stands before that, and is never reached.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnetwork::IpNetwork;

use crate::config::{ForwardedHeader, ProxyOptions};

/// Tells clients from the proxies in front of us.
#[derive(Clone)]
pub(super) struct ClientAddress {
    trusted: Vec<IpNetwork>,
    header: ForwardedHeader,
}

impl ClientAddress {
    pub(super) fn new(options: &ProxyOptions) -> Self {
        Self { trusted: options.trusted_proxies.clone(), header: options.forwarded_header }
    }

    /// Where a call comes from that came over a connection from `peer`.
    pub(super) fn of(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        if !self.trusts(client) {
            return client;
        }
        for hop in self.hops_from_the_end(headers) {
            // A proxy that does not name its client counts as the client.
            let Some(address) = hop else { return client };
            client = address;
            if !self.trusts(client) {
                return client;
            }
        }
        client
    }

    /// Whether it is one of the proxies in front of us.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    fn hops_from_the_end(&self, headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
        let (name, read): (_, fn(&str) -> Option<IpAddr>) = match self.header {
            ForwardedHeader::XForwardedFor => ("x-forwarded-for", address),
            ForwardedHeader::Forwarded => ("forwarded", forwarded_for),
        };
        let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
        let hops: Vec<_> = values.flat_map(|value| value.split(',')).map(|hop| read(hop.trim())).collect();
        hops.into_iter().rev()
    }
}

/// The `for` of one element of `forwarded`, as `for="[2001:db8::1]:4711";proto=https`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| address(value.trim().trim_matches('"')))?
    })
}

/// An address, with or without a port; in brackets or not.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let parsed =
        bare.parse().ok().or_else(|| text.parse().ok().map(|with_port: SocketAddr| with_port.ip()))?;
    Some(parsed.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn client(header: ForwardedHeader, peer: &str, lines: &[&str]) -> String {
        let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let name = match header {
            ForwardedHeader::XForwardedFor => "x-forwarded-for",
            ForwardedHeader::Forwarded => "forwarded",
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(line).unwrap());
        }
        let addresses = ClientAddress::new(&ProxyOptions { trusted_proxies, forwarded_header: header });
        addresses.of(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_first_address_before_our_proxies_is_the_client() {
        let of = |peer, lines: &[&str]| client(ForwardedHeader::XForwardedFor, peer, lines);
        assert_eq!(of("10.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(of("10.0.0.1", &["192.0.2.7, 10.0.0.2"]), "192.0.2.7");
        assert_eq!(of("10.0.0.1", &["192.0.2.7", "10.0.0.2"]), "192.0.2.7");
        assert_eq!(of("fd00::1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(of("10.0.0.1", &["192.0.2.7:4711"]), "192.0.2.7");
        assert_eq!(of("10.0.0.1", &["::ffff:192.0.2.7"]), "192.0.2.7");
        assert_eq!(of("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
    }

    #[test]
    fn what_a_client_writes_into_the_header_is_not_believed() {
        let of = |peer, lines: &[&str]| client(ForwardedHeader::XForwardedFor, peer, lines);
        assert_eq!(of("192.0.2.7", &["198.51.100.1"]), "192.0.2.7");
        assert_eq!(of("10.0.0.1", &["198.51.100.1, 192.0.2.7"]), "192.0.2.7");
        assert_eq!(of("10.0.0.1", &["198.51.100.1", "192.0.2.7, 10.0.0.2"]), "192.0.2.7");
    }

    #[test]
    fn a_hop_that_says_nothing_ends_the_search_at_our_own_proxy() {
        let of = |peer, lines: &[&str]| client(ForwardedHeader::XForwardedFor, peer, lines);
        assert_eq!(of("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(of("10.0.0.1", &["192.0.2.7, unknown"]), "10.0.0.1");
        assert_eq!(of("10.0.0.1", &["192.0.2.7, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(of("10.0.0.1", &[""]), "10.0.0.1");
    }

    /// The examples of RFC 7239, section 4, and one that a client began with an open quote.
    #[test]
    fn the_standard_header_is_read_as_the_standard_says() {
        let of = |peer, lines: &[&str]| client(ForwardedHeader::Forwarded, peer, lines);
        assert_eq!(of("10.0.0.1", &["For=\"[2001:db8:cafe::17]:4711\""]), "2001:db8:cafe::17");
        assert_eq!(of("10.0.0.1", &["for=192.0.2.60;proto=http;by=203.0.113.43"]), "192.0.2.60");
        assert_eq!(of("10.0.0.1", &["for=192.0.2.43, for=198.51.100.17"]), "198.51.100.17");
        assert_eq!(of("10.0.0.1", &["for=\"_gazonk\""]), "10.0.0.1");
        assert_eq!(of("10.0.0.1", &["for=\"", "for=192.0.2.43"]), "192.0.2.43");
    }
}
