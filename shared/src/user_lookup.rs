//! Which users exist, according to the identity service.

use std::collections::HashSet;

use uuid::Uuid;

use crate::error::{Error, Result, from_sibling};
use crate::siblings::Siblings;
use crate::validation::MAX_BATCH;
use proto::identity::backend::v1::ResolveUsersRequest;
use proto::identity::v1::UserStatus;

/// Those of these users who exist, and are active if `only_active`. Identity is asked in batches of [`MAX_BATCH`].
///
/// # Errors
/// `UNAVAILABLE` when identity does not answer.
pub async fn known_users(siblings: &Siblings, user_ids: &[Uuid], only_active: bool) -> Result<HashSet<Uuid>> {
    let mut known = HashSet::with_capacity(user_ids.len());
    for some in user_ids.chunks(MAX_BATCH) {
        let request = ResolveUsersRequest { user_ids: some.iter().map(Uuid::to_string).collect() };
        let answer = siblings.user_lookup().resolve_users(request).await.map_err(from_sibling("identity"))?;
        for user in answer.into_inner().users {
            if !only_active || user.status == i32::from(UserStatus::Active) {
                known.insert(Uuid::try_parse(&user.id).map_err(Error::internal)?);
            }
        }
    }
    Ok(known)
}
