//! Conversions of security events.

use std::net::IpAddr;

use proto::identity::admin::v1 as admin;
use proto::identity::v1 as pb;
use shared::error::{Error, Result};
use shared::json::to_timestamp;
use shared::validation::{MAX_BATCH, Violations};
use uuid::Uuid;

use super::queries::{EventFilter, EventRow};
use super::{Event, KIND_PREFIX, Kind, name_of};

/// The caller's own events.
pub(super) fn own_filter(user_id: Uuid, request: &pb::ListSecurityEventsRequest) -> Result<EventFilter> {
    let mut v = Violations::new();
    let filter = EventFilter {
        user_id: Some(user_id),
        kinds: kinds(&mut v, &request.kinds),
        since: v.optional_time("since", request.since),
        until: v.optional_time("until", request.until),
        address: None,
    };
    v.finish()?;
    Ok(filter)
}

pub(super) fn filter(request: &admin::ListSecurityEventsRequest) -> Result<EventFilter> {
    let mut v = Violations::new();
    let address = (!request.ip_address.is_empty()).then(|| address(&mut v, &request.ip_address));
    let filter = EventFilter {
        user_id: v.optional_uuid("user_id", &request.user_id),
        kinds: kinds(&mut v, &request.kinds),
        since: v.optional_time("since", request.since),
        until: v.optional_time("until", request.until),
        address,
    };
    v.finish()?;
    Ok(filter)
}

fn kinds(v: &mut Violations, values: &[i32]) -> Vec<String> {
    v.at_most("kinds", values.len(), MAX_BATCH);
    let known = |value: &i32| Kind::try_from(*value).ok().filter(|kind| *kind != Kind::Unspecified);
    let kinds: Vec<_> = values.iter().filter_map(known).map(name_of).collect();
    v.require(kinds.len() == values.len(), "kinds", "must be known kinds");
    kinds
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
