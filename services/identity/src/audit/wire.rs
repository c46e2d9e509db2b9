//! Conversions of security events.

use std::net::IpAddr;

use proto::identity::v1 as pb;
use shared::error::{Error, Result};
use shared::json::to_timestamp;
use shared::validation::Violations;
use uuid::Uuid;

use super::queries::{EventFilter, EventRow};
use super::{Event, KIND_PREFIX, Kind, name_of};

impl EventFilter {
    /// Reads the filter of a list, and checks the size of its page.
    pub(super) fn read(
        mut outer: Violations,
        filter: Option<pb::SecurityEventFilter>,
        user_id: Option<Uuid>,
        page_size: i32,
    ) -> Result<Self> {
        let filter = filter.unwrap_or_default();
        let mut v = Violations::within("filter.");
        let address = (!filter.ip_address.is_empty()).then(|| address(&mut v, &filter.ip_address));
        let kinds = kinds(&mut v, &filter.kinds);
        let occurred_at = v.time_range("occurred_at", filter.occurred_at);
        outer.absorb(v);
        outer.require(page_size >= 0, "page_size", "must not be negative");
        outer.finish()?;
        Ok(Self { user_id, kinds, occurred_at, address })
    }
}

fn kinds(v: &mut Violations, values: &[i32]) -> Vec<String> {
    let known = |value| Kind::try_from(value).ok().filter(|kind| *kind != Kind::Unspecified);
    let kinds = v.known_items("kinds", values, known, "must be a known kind");
    kinds.into_iter().map(name_of).collect()
}

/// In the form in which events contain it.
fn address(v: &mut Violations, text: &str) -> String {
    let address = text.parse().map(|address: IpAddr| address.to_canonical().to_string());
    v.require(address.is_ok(), "ip_address", "must be an IP address");
    address.unwrap_or_default()
}

impl TryFrom<EventRow> for pb::SecurityEvent {
    type Error = Error;

    fn try_from(row: EventRow) -> Result<Self> {
        let event: Event = serde_json::from_value(row.event).map_err(Error::internal)?;
        let id_text = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
        let kind = Kind::from_str_name(&format!("{KIND_PREFIX}{}", event.kind.to_uppercase()));
        Ok(Self {
            id: row.id.to_string(),
            kind: kind.unwrap_or_default().into(),
            user_id: id_text(event.user_id),
            actor_user_id: id_text(event.actor_id),
            actor_principal: event.principal.unwrap_or_default(),
            session_id: id_text(event.session_id),
            ip_address: event.address.map(|address| address.to_string()).unwrap_or_default(),
            user_agent: event.user_agent.unwrap_or_default(),
            occurred_at: Some(to_timestamp(row.at)),
            first_occurred_at: event.first_at.map(to_timestamp),
            count: event.count,
            trace_id: event.trace_id,
            details: event.details.into_iter().collect(),
        })
    }
}
