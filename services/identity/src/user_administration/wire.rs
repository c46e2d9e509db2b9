//! Conversions of operators' requests.

use proto::identity::admin::v1 as pb;
use shared::error::Result;
use shared::validation::{MAX_EMAIL_CHARS, Violations, normal_email_prefix};

use super::UserFilter;

const MAX_USERNAME_PREFIX_CHARS: usize = 50;

impl UserFilter {
    pub(super) fn parse(request: &pb::ListUsersRequest) -> Result<Self> {
        let mut v = Violations::new();
        let email_prefix = v.line("email_prefix", request.email_prefix.clone(), 0, MAX_EMAIL_CHARS);
        let username_prefix =
            v.line("username_prefix", request.username_prefix.clone(), 0, MAX_USERNAME_PREFIX_CHARS);
        let filter = Self {
            statuses: v.enums("statuses", &request.statuses),
            email_verified: request.email_verified,
            email_prefix: normal_email_prefix(&email_prefix),
            username_prefix,
            created_since: v.optional_time("created_since", request.created_since),
            created_before: v.optional_time("created_before", request.created_before),
            unused_since: v.optional_time("unused_since", request.unused_since),
        };
        v.finish()?;
        Ok(filter)
    }
}
