//! The caller of an RPC, as the authentication layer found it.

use std::net::{IpAddr, Ipv6Addr};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::authentication::Scopes;
use crate::error::{Error, ErrorReason, Result};
use proto::common::Principal;

/// The caller of an RPC. The authentication layer puts it into the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A caller without a session.
    Anonymous,
    /// A signed-in user.
    User(Session),
    /// A service of the suite, or its operator.
    Service(String),
}

/// The session of a signed-in user, or the API token under which a program acts for one.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Session {
    /// The id of the session or API token.
    pub session_id: Uuid,
    /// The user.
    pub user_id: Uuid,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
    /// The scopes of an API token; `None` for a session.
    pub scopes: Option<Scopes>,
}

/// Where the call comes from, past the proxies that are trusted; beside [`Caller`] in a request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub IpAddr);

impl Caller {
    /// The caller of a request.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when the authentication layer was not passed: never fail open.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<Self> {
        request.extensions().get::<Self>().cloned().ok_or(SESSION_REQUIRED)
    }

    /// The signed-in user.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for anyone else.
    pub fn user(&self) -> Result<&Session> {
        match self {
            Self::User(session) => Ok(session),
            Self::Anonymous | Self::Service(_) => Err(SESSION_REQUIRED),
        }
    }

    /// The scopes of an API token; `None` for everybody else.
    pub fn scopes(&self) -> Option<&Scopes> {
        match self {
            Self::User(session) => session.scopes.as_ref(),
            Self::Anonymous | Self::Service(_) => None,
        }
    }

    /// The id that row-level security compares: the nil UUID stands for somebody without a session.
    pub fn database_user(&self) -> Uuid {
        match self {
            Self::User(session) => session.user_id,
            Self::Anonymous | Self::Service(_) => Uuid::nil(),
        }
    }

    /// The name of the operator who calls.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` for anybody else, also for the services of the suite.
    pub fn operator(&self) -> Result<&str> {
        match self {
            Self::Service(name) if principal_of(name) == Some(Principal::Operator) => Ok(name),
            _ => Err(Error::PermissionDenied {
                reason: ErrorReason::AudienceRefused,
                message: "this method is for operators".to_owned(),
                metadata: Vec::new(),
            }),
        }
    }
}

/// The kind of principal that authenticates under this name; `None` for a name of no kind.
pub fn principal_of(name: &str) -> Option<Principal> {
    let is =
        |kind: &str| name.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    match name {
        "identity" => Some(Principal::Identity),
        "project" => Some(Principal::Project),
        "task" => Some(Principal::Task),
        "content" => Some(Principal::Content),
        _ if is("operator") => Some(Principal::Operator),
        _ if is("backend") => Some(Principal::Backend),
        _ => None,
    }
}

/// What counts as one peer: one subscriber commonly has a whole /64 of IPv6 addresses (RFC 6177).
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

/// The refusal of a caller without a session.
pub const SESSION_REQUIRED: Error = Error::Unauthenticated {
    reason: ErrorReason::SessionRequired,
    message: "this method needs a session: send `authorization: Bearer <session_token>`",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_peer() {
        let network = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }

    #[test]
    fn a_principal_is_known_by_its_name() {
        for (name, expected) in [
            ("operator", Some(Principal::Operator)),
            ("operator-olga", Some(Principal::Operator)),
            ("operators", None),
            ("backend", Some(Principal::Backend)),
            ("backend-web", Some(Principal::Backend)),
            ("backend_web", None),
            ("task", Some(Principal::Task)),
            ("task-2", None),
            ("", None),
        ] {
            assert_eq!(principal_of(name), expected, "{name}");
        }
    }

    #[test]
    fn only_operators_are_operators() {
        for (name, expected) in
            [("operator", true), ("operator-olga", true), ("operators", false), ("task", false)]
        {
            assert_eq!(Caller::Service(name.to_owned()).operator().is_ok(), expected, "{name}");
        }
        assert!(Caller::Anonymous.operator().is_err());
    }
}
