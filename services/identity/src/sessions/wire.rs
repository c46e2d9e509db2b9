//! Conversions of sessions.

use proto::identity::v1 as pb;
use shared::json::to_timestamp;
use uuid::Uuid;

use super::Session;

impl Session {
    /// For the caller with the session `current`.
    pub fn into_wire(self, current: Uuid) -> pb::Session {
        pb::Session {
            id: self.id.to_string(),
            user_id: self.user_id.to_string(),
            ip_address: self.ip_address.map(|network| network.ip().to_string()).unwrap_or_default(),
            user_agent: self.user_agent.unwrap_or_default(),
            active: self.is_active,
            created_at: Some(to_timestamp(self.created_at)),
            expires_at: Some(to_timestamp(self.expires_at)),
            current: self.id == current,
            refresh_expires_at: Some(to_timestamp(self.refresh_expires_at)),
            last_seen_at: self.last_seen_at.map(to_timestamp),
        }
    }
}
