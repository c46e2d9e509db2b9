//! Import of users, as the background role. A user without a password hash has no password until a reset.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::StreamExt as _;
use futures::stream::{BoxStream, try_unfold};
use proto::common::ImportResult;
use proto::identity::admin::v1 as pb;
use shared::error::Error;
use shared::import::{created, refused, unchanged};
use shared::validation::{MAX_BATCH, Violations};
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::imported::NewAccount;
use crate::handler::IdentityHandler;
use crate::schema::{lower, user_profiles, users};

impl IdentityHandler {
    /// A batch is read when the one before is answered, so that nothing accumulates.
    pub(crate) async fn import_users(
        &self,
        request: Request<Streaming<pb::ImportUsersRequest>>,
    ) -> Result<Response<BoxStream<'static, Result<pb::ImportUsersResponse, Status>>>, Status> {
        let state = (request.into_inner(), self.clone());
        let responses = try_unfold(state, async |(mut batches, handler)| {
            let Some(batch) = batches.message().await? else { return Ok(None) };
            let results = import(&handler, batch.users).await?;
            Ok(Some((pb::ImportUsersResponse { results }, (batches, handler))))
        });
        Ok(Response::new(responses.boxed()))
    }
}

/// Ids, addresses and usernames that are taken, by the table or by earlier items of the batch.
#[derive(Default)]
struct TakenNames {
    ids: HashSet<Uuid>,
    emails: HashSet<String>,
    /// In lower case.
    usernames: HashSet<String>,
}

impl TakenNames {
    fn add(&mut self, id: Uuid, email: String, username: &str) {
        self.ids.insert(id);
        self.emails.insert(email);
        self.usernames.insert(username.to_lowercase());
    }

    /// The result of an item that is not to be stored. `None` if it is to be stored; its values are then taken.
    fn check(&mut self, line: u64, NewAccount { user, .. }: &NewAccount) -> Option<ImportResult> {
        if self.ids.contains(&user.id) {
            return Some(unchanged(line));
        }
        for (taken, field) in [
            (self.emails.contains(&user.email), "email"),
            (self.usernames.contains(&user.username.to_lowercase()), "username"),
        ] {
            if taken {
                return Some(refused(line, format!("{field}: belongs to another user")));
            }
        }
        self.add(user.id, user.email.clone(), &user.username);
        None
    }
}

/// Stores a batch in one transaction and returns the result of each item, in their order.
async fn import(handler: &IdentityHandler, batch: Vec<pb::ImportedUser>) -> Result<Vec<ImportResult>, Error> {
    let mut v = Violations::new();
    v.at_most("users", batch.len(), MAX_BATCH);
    v.finish()?;
    let checked = batch.into_iter().map(|user| Ok((user.line, NewAccount::new(user, &handler.keys)?)));
    let checked = checked.collect::<Result<Vec<_>, Error>>()?;

    let tx = handler.begin_background().await?;
    let mut taken = find_taken(&tx, checked.iter().filter_map(|(_, user)| user.as_ref().ok())).await?;
    let mut results = Vec::with_capacity(checked.len());
    let mut new = Vec::new();
    for (line, user) in checked {
        let result = match &user {
            Ok(user) => taken.check(line, user),
            Err(sentence) => Some(refused(line, sentence)),
        };
        results.push((line, result));
        new.extend(user.ok().filter(|_| results.last().is_some_and(|(_, result)| result.is_none())));
    }
    let stored = if new.is_empty() { HashSet::new() } else { store(&tx, &new).await? };
    tx.commit().await?;

    let mut stored = new.iter().map(|account| stored.contains(&account.user.id));
    let result = |(line, result): (u64, Option<ImportResult>)| match result {
        Some(result) => result,
        None if stored.next() == Some(true) => created(line),
        None => refused(line, "id, email or username was taken at the same time; try again"),
    };
    Ok(results.into_iter().map(result).collect())
}

async fn find_taken(
    mut conn: &AsyncPgConnection,
    wanted: impl Iterator<Item = &NewAccount>,
) -> Result<TakenNames, Error> {
    let (mut ids, mut emails, mut usernames) = (Vec::new(), Vec::new(), Vec::new());
    for NewAccount { user, .. } in wanted {
        ids.push(user.id);
        emails.push(&user.email);
        usernames.push(user.username.to_lowercase());
    }
    let same =
        users::id.eq_any(ids).or(users::email.eq_any(emails)).or(lower(users::username).eq_any(usernames));
    let rows: Vec<(Uuid, String, String)> =
        users::table.filter(same).select((users::id, users::email, users::username)).load(&mut conn).await?;
    let mut taken = TakenNames::default();
    rows.into_iter().for_each(|(id, email, username)| taken.add(id, email, &username));
    Ok(taken)
}

/// Inserts users with their profiles, except those that conflict with a concurrent transaction.
async fn store(mut conn: &AsyncPgConnection, new: &[NewAccount]) -> Result<HashSet<Uuid>, Error> {
    let mut new_users: Vec<_> = new.iter().map(|account| &account.user).collect();
    // In one order, so that two imports of the same users do not deadlock.
    new_users.sort_by_key(|user| user.id);
    let insert =
        diesel::insert_into(users::table).values(new_users).on_conflict_do_nothing().returning(users::id);
    let stored: HashSet<Uuid> = insert.load(&mut conn).await?.into_iter().collect();
    let profiles = new.iter().map(|account| &account.profile);
    let profiles: Vec<_> = profiles.filter(|profile| stored.contains(&profile.user_id)).collect();
    // Diesel turns an insert of no rows into a select, which the role may not do.
    if profiles.is_empty() {
        return Ok(stored);
    }
    diesel::insert_into(user_profiles::table).values(profiles).execute(&mut conn).await?;
    Ok(stored)
}
