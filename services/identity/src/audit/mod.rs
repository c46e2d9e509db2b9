//! Security events: who did what to an account's security, from where, when, and in which trace.
//!
//! They are rows of this schema's change log (entity `security_event`), kept as long as it is (30 days). An event
//! that belongs to a change is written in the change's transaction; a failure changes nothing, so it is noted
//! and written on the side, see [`Audit::note_failure`].
//!
//! How a change tells its event, at no round trip of its own, before the statement that commits:
//!
//! ```text
//! audit::append(&tx, &Event::new(Kind::PasswordChanged, user_id).by(&caller).from(&device))?;
//! queries::set_password(tx, ...).await?;
//! ```

mod failures;
mod queries;
pub(crate) mod rpc;
mod wire;

use std::collections::BTreeMap;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::caller::Caller;
use shared::database::{Transaction, literal};
use shared::error::{Error, Result};
use shared::telemetry;
use uuid::Uuid;

use crate::sessions::Device;

pub use failures::Audit;
pub use proto::identity::v1::SecurityEventKind as Kind;
pub use rpc::{OperatorAuditApi, SecurityEventApi};

/// An event, as the log holds it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    id: Uuid,
    /// The proto's name without its prefix, in lower case.
    kind: String,
    /// Whose account it is about; `None` if it names none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    user_id: Option<Uuid>,
    /// The user who acted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    actor_id: Option<Uuid>,
    /// The service principal that acted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    principal: Option<String>,
    /// The session or API token under which they acted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    session_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    user_agent: Option<String>,
    /// How often it happened; more than 1 for failures that came close together.
    count: u64,
    /// When it happened first, if more than once.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    first_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    trace_id: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    details: BTreeMap<String, String>,
}

impl Event {
    /// Something happened to a user's account, in the call that is being worked on.
    pub fn new(kind: Kind, user_id: impl Into<Option<Uuid>>) -> Self {
        Self {
            id: Uuid::now_v7(),
            kind: name_of(kind),
            user_id: user_id.into(),
            actor_id: None,
            principal: None,
            session_id: None,
            address: None,
            user_agent: None,
            count: 1,
            first_at: None,
            trace_id: telemetry::current_trace_id(),
            details: BTreeMap::new(),
        }
    }

    /// Who acted, as the call says.
    pub fn by(mut self, caller: &Caller) -> Self {
        match caller {
            Caller::Anonymous => {}
            Caller::User(session) => {
                self.actor_id = Some(session.user_id);
                self.session_id = Some(session.session_id);
            }
            Caller::Service(name) => self.principal = Some(name.clone()),
        }
        self
    }

    /// The user acted, who just proved to be one.
    pub fn by_user(mut self, user_id: Uuid) -> Self {
        self.actor_id = Some(user_id);
        self
    }

    /// From where.
    pub fn from(mut self, device: &Device) -> Self {
        self.address = device.address;
        self.user_agent.clone_from(&device.user_agent);
        self
    }

    /// A detail. Never a secret, and nothing personal: the log outlives an erased account.
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.details.insert(key.to_owned(), value.to_string());
        self
    }
}

fn name_of(kind: Kind) -> String {
    kind.as_str_name().trim_start_matches(KIND_PREFIX).to_lowercase()
}

const KIND_PREFIX: &str = "SECURITY_EVENT_KIND_";

/// Writes an event in this transaction. Sent ahead of the transaction's next statement without waiting; if it
/// fails, so does that one.
///
/// # Errors
/// When the transaction has ended.
pub fn append(tx: &Transaction, event: &Event) -> Result<()> {
    // A text that holds the escape of NUL is no jsonb.
    let events = serde_json::to_string(&[event]).map_err(Error::internal)?.replace("\\u0000", "");
    tx.send_ahead(&format!("SELECT identity.append_security_events({})", literal(&events)))
}
