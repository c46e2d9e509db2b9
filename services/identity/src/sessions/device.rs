//! Where a call comes from.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use shared::caller::PeerAddress;
use tonic::Request;

/// What is kept of a user agent, in characters.
const USER_AGENT_CHARS: usize = 500;

/// Where a call comes from, as far as it can be told.
#[derive(Clone, Debug)]
pub struct Device {
    /// Address of the peer.
    pub address: Option<IpAddr>,
    /// What it calls itself.
    pub user_agent: Option<String>,
}

impl Device {
    /// The device behind a request.
    pub fn of<T>(request: &Request<T>) -> Self {
        let agent = request.metadata().get("user-agent").and_then(|value| value.to_str().ok());
        Self {
            address: request.extensions().get::<PeerAddress>().map(|peer| peer.0),
            user_agent: agent.map(|text| text.chars().take(USER_AGENT_CHARS).collect()),
        }
    }

    /// The address as the database holds it.
    pub fn network(&self) -> Option<IpNetwork> {
        self.address.map(IpNetwork::from)
    }
}
