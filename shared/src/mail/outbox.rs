//! What is to be mailed, in a table of the service's own schema: the truth about it survives a crash.
//!
//! A mail is claimed before it is sent, by putting its next try off: several replicas pass over each other's
//! (`FOR UPDATE SKIP LOCKED`), and no transaction is open while a server takes its time, for that would hold up the
//! readers of the change log. Whoever crashes after the claim leaves it to the next try.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Integer, Jsonb, Text, Timestamptz, Uuid as SqlUuid, Varchar};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::future::join_all;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Mail, Mailer};
use crate::clock::Clock;
use crate::database::{Database, Transaction, literal};
use crate::error::{Error, Result};

/// How often a mail is tried: with the pauses between, over about eight hours.
pub const MAX_ATTEMPTS: i32 = 14;
/// The pause after the first try, which also is how long a claim lasts: longer than sending may take. It doubles
/// with each try, up to [`MAX_RETRY_DELAY_SECONDS`].
const FIRST_RETRY_DELAY_SECONDS: i32 = 60;
/// The longest pause between tries.
const MAX_RETRY_DELAY_SECONDS: i32 = 60 * 60;
/// Mails that are sent at the same time.
const BATCH_SIZE: i64 = 8;
/// How often to look for mail that nobody woke us for: put off, or queued by a process that is gone.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// A kind of mail that is none: queued where nobody is to tell by the time that there is nothing to send.
pub const NOTHING: &str = "nothing";

/// Mail of one schema that waits to be sent; cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    schema: &'static str,
    clock: Clock,
    wake: Arc<Notify>,
}

/// A mail to be written.
#[derive(Clone, Debug, QueryableByName)]
pub struct QueuedMail {
    /// Key.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// Which text.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// Address.
    #[diesel(sql_type = Varchar)]
    pub recipient: String,
    /// What it is about: a user, an invitation.
    #[diesel(sql_type = SqlUuid)]
    pub entity_id: Uuid,
    /// What the text needs beside; never a secret.
    #[diesel(sql_type = Jsonb)]
    pub parameters: Value,
    /// From when on it is of no use.
    #[diesel(sql_type = Timestamptz)]
    pub expires_at: DateTime<Utc>,
}

/// A mail that this process may now try to send.
#[derive(QueryableByName)]
struct Claimed {
    #[diesel(embed)]
    mail: QueuedMail,
    #[diesel(sql_type = Integer)]
    attempts: i32,
}

impl Outbox {
    /// Of the schema's table `mail_outbox`.
    pub fn new(schema: &'static str, clock: Clock) -> Self {
        Self { schema, clock, wake: Arc::default() }
    }

    /// Queues a mail in the transaction of what it tells of: sent ahead of its next statement, which fails if this does.
    /// Wake the outbox after the commit.
    ///
    /// # Errors
    /// When the transaction has ended.
    pub fn queue(&self, tx: &Transaction, mail: &QueuedMail) -> Result<()> {
        let QueuedMail { id, entity_id, expires_at, .. } = mail;
        let texts = [&mail.kind, &mail.recipient, &mail.parameters.to_string()].map(|text| literal(text));
        let [kind, recipient, parameters] = texts;
        let (schema, now) = (self.schema, self.clock.now());
        tx.send_ahead(&format!(
            "INSERT INTO {schema}.mail_outbox (id, kind, recipient, entity_id, parameters, expires_at, next_attempt_at) \
             VALUES ('{id}', {kind}, {recipient}, '{entity_id}', {parameters}, '{}', '{}')",
            expires_at.to_rfc3339(),
            now.to_rfc3339()
        ))
    }

    /// Has this process look for mail at once.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Sends what is queued, as the background role, until told to stop. `write` makes the mail; one that cannot be
    /// written is given up.
    pub async fn deliver(
        self,
        worker: Database,
        mailer: Mailer,
        write: impl Fn(&QueuedMail) -> Result<Mail> + Send + Sync,
        shutdown: CancellationToken,
    ) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
            while !shutdown.is_cancelled() {
                match self.deliver_batch(&worker, &mailer, &write).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        tracing::warn!(schema = self.schema, %error, "mail waits; trying again");
                        break;
                    }
                }
            }
        }
    }

    /// Whether there may be more.
    async fn deliver_batch(
        &self,
        worker: &Database,
        mailer: &Mailer,
        write: &(impl Fn(&QueuedMail) -> Result<Mail> + Sync),
    ) -> Result<bool> {
        let claimed = self.claim(worker).await?;
        let full = i64::try_from(claimed.len()).is_ok_and(|count| count == BATCH_SIZE);
        let done = join_all(claimed.iter().map(|claimed| self.try_to_send(claimed, mailer, write))).await;
        let done: Vec<Uuid> =
            claimed.iter().zip(done).filter(|(_, done)| *done).map(|(claimed, _)| claimed.mail.id).collect();
        if !done.is_empty() {
            self.delete(worker, &done).await?;
        }
        Ok(full)
    }

    async fn claim(&self, worker: &Database) -> Result<Vec<Claimed>> {
        let tx = worker.begin_background().await?;
        let query = sql_query(format!(
            "UPDATE {schema}.mail_outbox SET attempts = attempts + 1, next_attempt_at = $1 + make_interval(secs => \
             least({FIRST_RETRY_DELAY_SECONDS} * 2 ^ attempts, {MAX_RETRY_DELAY_SECONDS})) \
             WHERE id IN (SELECT id FROM {schema}.mail_outbox WHERE next_attempt_at <= $1 \
             ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED) \
             RETURNING id, kind, recipient, entity_id, parameters, expires_at, attempts",
            schema = self.schema
        ))
        .bind::<Timestamptz, _>(self.clock.now())
        .bind::<BigInt, _>(BATCH_SIZE);
        Ok(tx.commit_with(query).await?)
    }

    /// Whether nothing is left to do for a mail: it was sent, or it never will be.
    async fn try_to_send(
        &self,
        claimed: &Claimed,
        mailer: &Mailer,
        write: &(impl Fn(&QueuedMail) -> Result<Mail> + Sync),
    ) -> bool {
        let Claimed { mail, attempts } = claimed;
        let (id, kind) = (mail.id, mail.kind.as_str());
        if kind == NOTHING {
            return true;
        }
        if mail.expires_at <= self.clock.now() {
            tracing::warn!(%id, kind, "a mail is of no more use and is given up");
            return true;
        }
        let written = match write(mail) {
            Ok(written) => written,
            Err(error) => {
                tracing::error!(%id, kind, %error, "a mail cannot be written and is given up");
                return true;
            }
        };
        match mailer.send(&written).await {
            Ok(()) => true,
            Err(error) if *attempts >= MAX_ATTEMPTS => {
                tracing::error!(%id, kind, attempts, error = reason(&error), "a mail was not taken and is given up");
                true
            }
            Err(error) => {
                tracing::warn!(%id, kind, attempts, error = reason(&error), "a mail was not taken; trying again");
                false
            }
        }
    }

    async fn delete(&self, worker: &Database, ids: &[Uuid]) -> Result<()> {
        let tx = worker.begin_background().await?;
        let mut conn: &AsyncPgConnection = &tx;
        // In one order: whoever forgets mail for another reason may hold some of it.
        let query = sql_query(format!(
            "DELETE FROM {schema}.mail_outbox WHERE id = ANY (ARRAY( \
             SELECT id FROM {schema}.mail_outbox WHERE id = ANY ($1) ORDER BY id FOR UPDATE))",
            schema = self.schema
        ));
        query.bind::<Array<SqlUuid>, _>(ids).execute(&mut conn).await?;
        tx.commit().await
    }
}

/// What the way of sending said.
fn reason(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
