//! All that is known about a user, a batch at a time.

use futures::stream::{BoxStream, try_unfold};
use futures::{StreamExt as _, TryStreamExt as _};
use proto::identity::v1::UserRecord;
use proto::identity::v1::user_record::Record;
use shared::database::Database;
use shared::error::{Error, Result};
use shared::json::to_struct;
use tonic::Status;
use uuid::Uuid;

use super::queries::{self, AfterChange};
use crate::audit::{self, Event};
use crate::encryption::KeyRing;
use crate::{api_tokens, profiles, second_factor, users};

/// Sessions and API tokens that are told at most: more than anybody has.
const MAX_ROWS: i64 = 10_000;
/// Changes that are read at a time.
const BATCH: i64 = 200;

/// Streams the account, its profile, its sessions, API tokens and second factor, and what the change log holds of it; the
/// event tells that somebody asked for it.
///
/// # Errors
/// `NOT_FOUND` when there is no such user.
pub async fn stream(
    worker: Database,
    keys: &KeyRing,
    id: Uuid,
    event: &Event,
) -> Result<BoxStream<'static, Result<UserRecord, Status>>> {
    let tx = worker.begin_background().await?;
    let user = users::queries::find(&tx, id).await?.ok_or_else(|| Error::not_found("user", id))?;
    let profile = profiles::queries::find(&tx, id).await?;
    let sessions = queries::sessions(&tx, id, MAX_ROWS).await?;
    let tokens = api_tokens::queries::of_user(&tx, id, MAX_ROWS).await?;
    let factor = second_factor::state(&tx, id).await?;
    audit::append(&tx, event)?;
    tx.commit().await?;

    let mut records = vec![Record::User(user.into_wire(keys)?)];
    records.extend(profile.map(|profile| profile.into_wire(keys)).transpose()?.map(Record::Profile));
    records.extend(sessions.into_iter().map(|session| Record::Session(session.into_wire(Uuid::nil()))));
    records.extend(tokens.into_iter().map(|token| Record::ApiToken(token.into())));
    records.extend(factor.is_on().then(|| Record::SecondFactor(factor.into())));
    let first = futures::stream::iter(records.into_iter().map(Ok::<_, Error>));
    let rest = try_unfold(Some(None), move |place| {
        let worker = worker.clone();
        async move {
            let Some(after) = place else { return Ok(None) };
            let (changes, next) = some_changes(&worker, id, after).await?;
            Ok::<_, Error>(Some((futures::stream::iter(changes.into_iter().map(Ok)), next)))
        }
    });
    let all = first.chain(rest.try_flatten());
    Ok(all.map_ok(|record| UserRecord { record: Some(record) }).map_err(Status::from).boxed())
}

/// Some changes, and after which the next ones come; `None` when there are none left.
async fn some_changes(
    worker: &Database,
    id: Uuid,
    after: Option<AfterChange>,
) -> Result<(Vec<Record>, Option<Option<AfterChange>>)> {
    let tx = worker.begin_background().await?;
    let changes = queries::changes(&tx, id, after.as_ref(), BATCH).await?;
    tx.finish();
    let is_last = i64::try_from(changes.len()).is_ok_and(|count| count < BATCH);
    let next = changes.last().map(queries::Change::place).filter(|_| !is_last).map(Some);
    Ok((changes.into_iter().map(|change| Record::Change(to_struct(&change.change))).collect(), next))
}
