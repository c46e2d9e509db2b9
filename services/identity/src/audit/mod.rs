//! Security events: who changed the security of an account, from where, when, and in which trace.
//!
//! They are rows of this schema's change log (entity `security_event`), kept as long as the log (30 days). The event of a
//! change is written in its transaction. A failure changes nothing: it is written in the background, see
//! [`Audit::record_failure`].
//!
//! A change sends its event before the statement that commits, without a round trip of its own:
//!
//! ```text
//! audit::append(&tx, &Event::new(Kind::PasswordChanged, user_id).by(&caller).from(&device))?;
//! queries::set_password(tx, ...).await?;
//! ```

mod failures;
mod queries;
mod rpc;
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

/// An event, as in the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    id: Uuid,
    /// The proto's name without its prefix, in lower case.
    kind: String,
    /// The account that it is about, if known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    user_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    actor_id: Option<Uuid>,
    /// The service that acted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    principal: Option<String>,
    /// Or API token.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    session_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    user_agent: Option<String>,
    /// More than 1 for failures that were counted together.
    count: u64,
    /// Set if the count is more than 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    first_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    trace_id: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    details: BTreeMap<String, String>,
}

impl Event {
    /// An event of the current call.
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

    /// For a user who has just proven to be one.
    pub fn by_user(mut self, user_id: Uuid) -> Self {
        self.actor_id = Some(user_id);
        self
    }

    pub fn from(mut self, device: &Device) -> Self {
        self.address = device.address;
        self.user_agent.clone_from(&device.user_agent);
        self
    }

    /// Adds a detail. Never a secret or personal data: the log outlives an erased account.
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.details.insert(key.to_owned(), value.to_string());
        self
    }
}

fn name_of(kind: Kind) -> String {
    kind.as_str_name().trim_start_matches(KIND_PREFIX).to_lowercase()
}

const KIND_PREFIX: &str = "SECURITY_EVENT_KIND_";

/// Writes an event in this transaction; sent ahead of the next statement, which fails if this one fails.
///
/// # Errors
/// When the transaction has ended.
pub fn append(tx: &Transaction, event: &Event) -> Result<()> {
    // jsonb rejects the escape of NUL.
    let events = serde_json::to_string(&[event]).map_err(Error::internal)?.replace("\\u0000", "");
    tx.send_ahead(&format!("SELECT identity.append_security_events({})", literal(&events)))
}
