//! The origin of a call.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use shared::caller::PeerAddress;
use tonic::Request;

const MAX_USER_AGENT_CHARS: usize = 500;

/// The origin of a call, as far as it is known.
#[derive(Clone, Debug)]
pub struct Device {
    pub address: Option<IpAddr>,
    pub user_agent: Option<String>,
}

impl Device {
    pub fn of<T>(request: &Request<T>) -> Self {
        let agent = request.metadata().get("user-agent").and_then(|value| value.to_str().ok());
        Self {
            address: request.extensions().get::<PeerAddress>().map(|peer| peer.0),
            user_agent: agent.map(|text| text.chars().take(MAX_USER_AGENT_CHARS).collect()),
        }
    }

    /// The address in the type of its column.
    pub fn network(&self) -> Option<IpNetwork> {
        self.address.map(IpNetwork::from)
    }
}
