//! Export of all data of a user, in batches.

use std::sync::Arc;

use futures::stream::{BoxStream, try_unfold};
use futures::{StreamExt as _, TryStreamExt as _};
use proto::identity::v1::UserRecord;
use proto::identity::v1::user_record::Record;
use shared::error::{Error, Result};
use shared::json::to_struct;
use tonic::Status;
use uuid::Uuid;

use super::queries::{self, ChangePosition};
use crate::audit::{self, Event};
use crate::identity::Identity;
use crate::{api_tokens, profiles, second_factor, users};

/// More sessions or API tokens than anybody has.
const MAX_ROWS: i64 = 10_000;
/// Changes per query.
const BATCH_SIZE: i64 = 200;

/// Streams the account, its profile, sessions, API tokens and second factor, and its changes in the log. Writes `event`.
///
/// # Errors
/// `NOT_FOUND` when there is no such user.
pub async fn stream(
    identity: Arc<Identity>,
    id: Uuid,
    event: &Event,
) -> Result<BoxStream<'static, Result<UserRecord, Status>>> {
    let tx = identity.begin_background().await?;
    let user = users::queries::find(&tx, id).await?.ok_or_else(|| Error::not_found("user", id))?;
    let profile = profiles::queries::find(&tx, id).await?;
    let sessions = queries::list_sessions(&tx, id, MAX_ROWS).await?;
    let tokens = api_tokens::queries::list_of_user(&tx, id, MAX_ROWS).await?;
    let factor = second_factor::find_status(&tx, id).await?;
    audit::append(&tx, event)?;
    tx.commit().await?;

    let mut records = vec![Record::User(user.into_wire(&identity.keys)?)];
    records
        .extend(profile.map(|profile| profile.into_wire(&identity.keys)).transpose()?.map(Record::Profile));
    records.extend(sessions.into_iter().map(|session| Record::Session(session.into_wire(Uuid::nil()))));
    records.extend(tokens.into_iter().map(|token| Record::ApiToken(token.into())));
    records.extend(factor.is_enabled().then(|| Record::SecondFactor(factor.into())));
    let first = futures::stream::iter(records.into_iter().map(Ok::<_, Error>));
    let rest = try_unfold(Some(None), move |position| {
        let identity = identity.clone();
        async move {
            let Some(after) = position else { return Ok(None) };
            let (changes, next) = next_changes(&identity, id, after).await?;
            Ok::<_, Error>(Some((futures::stream::iter(changes.into_iter().map(Ok)), next)))
        }
    });
    let all = first.chain(rest.try_flatten());
    Ok(all.map_ok(|record| UserRecord { record: Some(record) }).map_err(Status::from).boxed())
}

/// A batch of changes, and the position after which the next begins; `None` if it is the last.
async fn next_changes(
    identity: &Identity,
    id: Uuid,
    after: Option<ChangePosition>,
) -> Result<(Vec<Record>, Option<Option<ChangePosition>>)> {
    let tx = identity.begin_background().await?;
    let changes = queries::list_changes(&tx, id, after.as_ref(), BATCH_SIZE).await?;
    tx.finish();
    let is_last = i64::try_from(changes.len()).is_ok_and(|count| count < BATCH_SIZE);
    let next = changes.last().map(queries::Change::position).filter(|_| !is_last).map(Some);
    Ok((changes.into_iter().map(|change| Record::Change(to_struct(&change.change))).collect(), next))
}
