//! Who makes a call, as the authentication layer found it.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::{Error, ErrorReason, Result};

/// The service principal of an operator; others have a name of their own behind it.
const OPERATOR: &str = "operator";
const OPERATOR_PREFIX: &str = "operator-";

/// Who makes a call. The authentication layer puts it into the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Somebody without a session.
    Anonymous,
    /// A signed-in user.
    User(Session),
    /// A service of the suite, or its operator.
    Service(String),
}

/// The session of a signed-in user.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Session {
    /// The session.
    pub session_id: Uuid,
    /// Its user.
    pub user_id: Uuid,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// The address of the peer, beside [`Caller`] in a request's extensions.
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
            Self::Service(name) if name == OPERATOR || name.starts_with(OPERATOR_PREFIX) => Ok(name),
            _ => Err(Error::PermissionDenied {
                reason: ErrorReason::AudienceRefused,
                message: "this method is for operators".to_owned(),
                metadata: Vec::new(),
            }),
        }
    }
}

/// The refusal of a caller without a session.
pub const SESSION_REQUIRED: Error = Error::Unauthenticated {
    reason: ErrorReason::SessionRequired,
    message: "this method needs a session: send `authorization: Bearer <session_token>`",
};
