//! Takes over users from elsewhere, as the background role. Who comes without a
//! password has none until one is set.

use std::collections::HashSet;

use crate::schema::{user_profiles, users};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::StreamExt as _;
use futures::stream::{BoxStream, try_unfold};
use proto::common::ImportResult;
use proto::identity::admin::v1 as pb;
use shared::database::Database;
use shared::error::Error;
use shared::import::{created, refused, unchanged};
use shared::validation::{MAX_BATCH, Violations};
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::imported::NewAccount;
use crate::encryption::KeyRing;

/// Serves `IdentityImportService`.
pub struct ImportApi {
    worker: Database,
    keys: KeyRing,
}

impl ImportApi {
    /// As the background role, with personal data sealed under these keys.
    pub fn new(worker: Database, keys: KeyRing) -> Self {
        Self { worker, keys }
    }
}

impl ImportApi {
    /// A batch is read when the one before is answered, so that nothing queues up.
    pub(crate) async fn import_users(
        &self,
        request: Request<Streaming<pb::ImportUsersRequest>>,
    ) -> Result<Response<BoxStream<'static, Result<pb::ImportUsersResponse, Status>>>, Status> {
        let state = (request.into_inner(), self.worker.clone(), self.keys.clone());
        let answers = try_unfold(state, async |(mut batches, worker, keys)| {
            let Some(batch) = batches.message().await? else { return Ok(None) };
            let results = import(&worker, &keys, batch.users).await?;
            Ok(Some((pb::ImportUsersResponse { results }, (batches, worker, keys))))
        });
        Ok(Response::new(answers.boxed()))
    }
}

/// What is taken: by the table and by the items of the batch before the one that is looked at.
#[derive(Default)]
struct Taken {
    ids: HashSet<Uuid>,
    emails: HashSet<String>,
    usernames: HashSet<String>,
}

impl Taken {
    fn add(&mut self, id: Uuid, email: String, username: String) {
        self.ids.insert(id);
        self.emails.insert(email);
        self.usernames.insert(username);
    }

    /// What becomes of an item; `None` if it is to be stored, which it then counts as.
    fn settle(&mut self, line: u64, NewAccount { user, .. }: &NewAccount) -> Option<ImportResult> {
        if self.ids.contains(&user.id) {
            return Some(unchanged(line));
        }
        for (taken, field) in [
            (self.emails.contains(&user.email), "email"),
            (self.usernames.contains(&user.username), "username"),
        ] {
            if taken {
                return Some(refused(line, format!("{field}: belongs to another user")));
            }
        }
        self.add(user.id, user.email.clone(), user.username.clone());
        None
    }
}

/// Stores a batch in one transaction and says what became of each item, in their order.
async fn import(
    worker: &Database,
    keys: &KeyRing,
    batch: Vec<pb::ImportedUser>,
) -> Result<Vec<ImportResult>, Error> {
    let mut v = Violations::new();
    v.at_most("users", batch.len(), MAX_BATCH);
    v.finish()?;
    let checked = batch.into_iter().map(|user| Ok((user.line, NewAccount::of(user, keys)?)));
    let checked = checked.collect::<Result<Vec<_>, Error>>()?;

    let tx = worker.begin_background().await?;
    let mut taken = find_taken(&tx, checked.iter().filter_map(|(_, user)| user.as_ref().ok())).await?;
    let mut results = Vec::with_capacity(checked.len());
    let mut new = Vec::new();
    for (line, user) in checked {
        let settled = match &user {
            Ok(user) => taken.settle(line, user),
            Err(sentence) => Some(refused(line, sentence)),
        };
        results.push((line, settled));
        new.extend(user.ok().filter(|_| results.last().is_some_and(|(_, settled)| settled.is_none())));
    }
    let stored = if new.is_empty() { HashSet::new() } else { store(&tx, &new).await? };
    tx.commit().await?;

    let mut stored = new.iter().map(|account| stored.contains(&account.user.id));
    let answer = |(line, settled): (u64, Option<ImportResult>)| match settled {
        Some(result) => result,
        None if stored.next() == Some(true) => created(line),
        None => refused(line, "id, email or username was taken at the same time; try again"),
    };
    Ok(results.into_iter().map(answer).collect())
}

async fn find_taken(
    mut conn: &AsyncPgConnection,
    wanted: impl Iterator<Item = &NewAccount>,
) -> Result<Taken, Error> {
    let (mut ids, mut emails, mut usernames) = (Vec::new(), Vec::new(), Vec::new());
    for NewAccount { user, .. } in wanted {
        ids.push(user.id);
        emails.push(&user.email);
        usernames.push(&user.username);
    }
    let same = users::id.eq_any(ids).or(users::email.eq_any(emails)).or(users::username.eq_any(usernames));
    let rows: Vec<(Uuid, String, String)> =
        users::table.filter(same).select((users::id, users::email, users::username)).load(&mut conn).await?;
    let mut taken = Taken::default();
    rows.into_iter().for_each(|(id, email, username)| taken.add(id, email, username));
    Ok(taken)
}

/// Stores users with their profiles. What another transaction took in the meantime is passed over.
async fn store(mut conn: &AsyncPgConnection, new: &[NewAccount]) -> Result<HashSet<Uuid>, Error> {
    let mut new_users: Vec<_> = new.iter().map(|account| &account.user).collect();
    // Two imports of the same users wait for each other in one order.
    new_users.sort_by_key(|user| user.id);
    let insert =
        diesel::insert_into(users::table).values(new_users).on_conflict_do_nothing().returning(users::id);
    let stored: HashSet<Uuid> = insert.load(&mut conn).await?.into_iter().collect();
    let profiles = new.iter().map(|account| &account.profile);
    let profiles: Vec<_> = profiles.filter(|profile| stored.contains(&profile.user_id)).collect();
    // Diesel makes an insert of nothing a select, which the role may not do.
    if profiles.is_empty() {
        return Ok(stored);
    }
    diesel::insert_into(user_profiles::table).values(profiles).execute(&mut conn).await?;
    Ok(stored)
}
