//! The targets of [`crate::fuzz_targets`] that read what belongs to the protocol.

use http::{HeaderMap, HeaderValue};

use super::client_address::ClientAddress;
use super::deadline::{Deadline, GRPC_TIMEOUT};
use super::framing::{Cardinality, Framing};
use crate::config::{ForwardedHeader, ProxyOptions};

/// Frames of gRPC: the same in whatever pieces they arrive. The first byte says what the method takes.
pub fn grpc_frames(bytes: &[u8]) {
    let Some((&kind, body)) = bytes.split_first() else { return };
    let cardinality = if kind & 1 == 0 { Cardinality::One } else { Cardinality::Any };
    let outcomes = [1, 3, body.len().max(1)].map(|size| {
        let (mut framing, mut lengths) = (Framing::new(cardinality, kind & 2 == 0), Vec::new());
        let mut begin = |length| {
            lengths.push(length);
            Ok(())
        };
        let followed = body.chunks(size).try_for_each(|piece| framing.follow(piece, &mut begin));
        (followed.and_then(|()| framing.end()).map_err(|status| status.code()), lengths)
    });
    assert!(outcomes.windows(2).all(|pair| pair.first() == pair.last()), "{outcomes:?}");
}

/// The headers of proxies: an address that a client cannot choose to be a proxy's own.
pub fn client_address(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    for (name, forwarded_header) in
        [("x-forwarded-for", ForwardedHeader::XForwardedFor), ("forwarded", ForwardedHeader::Forwarded)]
    {
        let trusted_proxies = "10.0.0.0/8".parse().into_iter().collect();
        let clients = ClientAddress::new(&ProxyOptions { trusted_proxies, forwarded_header });
        let mut headers = HeaderMap::new();
        headers.append(name, value.clone());
        let stranger = [192, 0, 2, 1].into();
        assert_eq!(clients.of(stranger, &headers), stranger);
        let _client = clients.of([10, 0, 0, 1].into(), &headers);
    }
}

/// The client's timeout.
pub fn grpc_timeout(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let headers = HeaderMap::from_iter([(GRPC_TIMEOUT, value)]);
    for is_streaming in [false, true] {
        let _deadline = Deadline::of(&headers, is_streaming);
    }
}
