//! Conversions of operators' requests.

use proto::identity::admin::v1 as pb;
use shared::error::Result;
use shared::validation::{MAX_EMAIL_CHARS, Violations, normal_email_prefix};

use super::UserFilter;

const MAX_USERNAME_PREFIX_CHARS: usize = 50;

impl UserFilter {
    pub(super) fn parse(filter: Option<pb::UserFilter>) -> Result<Self> {
        let filter = filter.unwrap_or_default();
        let mut v = Violations::within("filter.");
        let mut prefix = |field, text: String, max| {
            if text.is_empty() { text } else { v.line(field, text, 1, max) }
        };
        let email_prefix = prefix("email_prefix", filter.email_prefix, MAX_EMAIL_CHARS);
        let username_prefix = prefix("username_prefix", filter.username_prefix, MAX_USERNAME_PREFIX_CHARS);
        let filter = Self {
            statuses: v.enums("statuses", &filter.statuses),
            email_verified: filter.email_verified,
            email_prefix: normal_email_prefix(&email_prefix),
            username_prefix,
            created_at: v.time_range("created_at", filter.created_at),
            no_login_since: v.optional_time("no_login_since", filter.no_login_since),
        };
        v.finish()?;
        Ok(filter)
    }
}
