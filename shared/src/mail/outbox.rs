//! Queued mail in a table of the service's own schema, so that it survives a crash.
//!
//! A mail is claimed before it is sent, by postponing its next attempt. Replicas skip each other's claims (`FOR UPDATE
//! SKIP LOCKED`), and no transaction is open while the mail server answers, for that would hold up the readers of the
//! change log. After a crash, the next attempt sends the mail.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Integer, Jsonb, Text, Timestamptz, Uuid as SqlUuid, Varchar};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::future::join_all;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::backlog::Backlog;
use super::{Mail, Mailer, NOTHING};
use crate::clock::Clock;
use crate::database::{Database, Transaction, literal};
use crate::error::{Error, Result};

/// Attempts to send a mail: with the delays between, over about eight hours.
pub const MAX_ATTEMPTS: i32 = 14;
/// The delay after the first attempt, which is also how long a claim lasts: longer than sending may take. It doubles
/// with each attempt, up to [`MAX_RETRY_DELAY_SECONDS`].
const FIRST_RETRY_DELAY_SECONDS: i32 = 60;
/// The longest delay between attempts.
const MAX_RETRY_DELAY_SECONDS: i32 = 60 * 60;
/// Mails that are sent concurrently.
const BATCH_SIZE: i64 = 8;
/// How often to look for mail without having been woken: postponed, or queued by a process that has ended.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// How often the metrics of the queue are measured.
const MEASURE_INTERVAL: Duration = Duration::from_secs(15);

/// The mail queue of one schema; cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    schema: &'static str,
    clock: Clock,
    wake: Arc<Notify>,
}

/// A queued mail, not written yet.
#[derive(Clone, Debug, QueryableByName)]
pub struct QueuedMail {
    /// The id of the mail, which makes its `Message-ID`.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// Which text it has.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// The address of the recipient.
    #[diesel(sql_type = Varchar)]
    pub recipient: String,
    /// The user, invitation or other entity that it is about.
    #[diesel(sql_type = SqlUuid)]
    pub entity_id: Uuid,
    /// Further parameters of the text; never a secret.
    #[diesel(sql_type = Jsonb)]
    pub parameters: Value,
    /// After this time it is not sent.
    #[diesel(sql_type = Timestamptz)]
    pub expires_at: DateTime<Utc>,
}

/// A mail that this process has claimed.
#[derive(QueryableByName)]
struct ClaimedMail {
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

    /// Queues a mail in the transaction of the change that it is about. The statement is sent ahead of the next one, which
    /// fails if this does. Wake the outbox after the commit.
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

    /// Makes this process look for mail at once.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Sends queued mail until `shutdown`. `write` makes the text; a mail that cannot be written is given up.
    pub async fn deliver(
        self,
        worker: Database,
        mailer: Mailer,
        write: impl Fn(&QueuedMail) -> Result<Mail> + Send + Sync,
        shutdown: CancellationToken,
    ) {
        let backlog = Backlog::measured(self.schema);
        let mut measured = None;
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
            if measured.is_none_or(|at: Instant| at.elapsed() >= MEASURE_INTERVAL) {
                measured = Some(Instant::now());
                if let Err(error) = backlog.measure(&worker, self.schema, self.clock.now()).await {
                    tracing::warn!(schema = self.schema, %error, "the mail that waits is not measured");
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

    async fn claim(&self, worker: &Database) -> Result<Vec<ClaimedMail>> {
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

    /// Sends a mail. Returns whether it can be deleted: it was sent, or it is given up.
    async fn try_to_send(
        &self,
        claimed: &ClaimedMail,
        mailer: &Mailer,
        write: &(impl Fn(&QueuedMail) -> Result<Mail> + Sync),
    ) -> bool {
        let ClaimedMail { mail, attempts } = claimed;
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
        // In the order of ids, to avoid deadlocks with other deletions.
        let query = sql_query(format!(
            "DELETE FROM {schema}.mail_outbox WHERE id = ANY (ARRAY( \
             SELECT id FROM {schema}.mail_outbox WHERE id = ANY ($1) ORDER BY id FOR UPDATE))",
            schema = self.schema
        ));
        query.bind::<Array<SqlUuid>, _>(ids).execute(&mut conn).await?;
        tx.commit().await
    }
}

/// The error of the transport.
fn reason(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
