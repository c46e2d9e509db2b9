//! Export of all data of a user, in batches.

use futures::stream::{BoxStream, try_unfold};
use futures::{StreamExt as _, TryStreamExt as _};
use proto::identity::v1::UserRecord;
use proto::identity::v1::user_record::Data;
use shared::error::{Error, Result};
use shared::json::to_struct;
use tonic::Status;
use uuid::Uuid;

use super::queries::{self, ChangePosition};
use crate::audit::{self, Event};
use crate::handler::IdentityHandler;
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
    handler: IdentityHandler,
    id: Uuid,
    event: &Event,
) -> Result<BoxStream<'static, Result<UserRecord, Status>>> {
    let tx = handler.begin_background().await?;
    let user = users::queries::find(&tx, id).await?.ok_or_else(|| Error::not_found("user", id))?;
    let profile = profiles::queries::find(&tx, id).await?;
    let sessions = queries::list_sessions(&tx, id, MAX_ROWS).await?;
    let tokens = api_tokens::queries::list_of_user(&tx, id, MAX_ROWS).await?;
    let factor = second_factor::find_status(&tx, id).await?;
    audit::append(&tx, event)?;
    tx.commit().await?;

    let mut records = vec![Data::User(user.into_wire(&handler.keys)?)];
    records.extend(profile.map(|profile| profile.into_wire(&handler.keys)).transpose()?.map(Data::Profile));
    records.extend(sessions.into_iter().map(|session| Data::Session(session.into_wire(Uuid::nil()))));
    records.extend(tokens.into_iter().map(|token| Data::ApiToken(token.into())));
    records.extend(factor.is_enabled().then(|| Data::SecondFactor(factor.into())));
    let first = futures::stream::iter(records.into_iter().map(Ok::<_, Error>));
    let rest = try_unfold(Some(None), move |position| {
        let handler = handler.clone();
        async move {
            let Some(after) = position else { return Ok(None) };
            let (changes, next) = next_changes(&handler, id, after).await?;
            Ok::<_, Error>(Some((futures::stream::iter(changes.into_iter().map(Ok)), next)))
        }
    });
    let all = first.chain(rest.try_flatten());
    Ok(all.map_ok(|data| UserRecord { data: Some(data) }).map_err(Status::from).boxed())
}

/// A batch of changes, and the position after which the next begins; `None` if it is the last.
async fn next_changes(
    handler: &IdentityHandler,
    id: Uuid,
    after: Option<ChangePosition>,
) -> Result<(Vec<Data>, Option<Option<ChangePosition>>)> {
    let tx = handler.begin_background().await?;
    let changes = queries::list_changes(&tx, id, after.as_ref(), BATCH_SIZE).await?;
    tx.finish();
    let is_last = i64::try_from(changes.len()).is_ok_and(|count| count < BATCH_SIZE);
    let next = changes.last().map(queries::Change::position).filter(|_| !is_last).map(Some);
    Ok((changes.into_iter().map(|change| Data::Change(to_struct(&change.change))).collect(), next))
}
