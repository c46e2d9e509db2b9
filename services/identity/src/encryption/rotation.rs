//! Seals again what is not under the current key, and what is still in clear.
//!
//! Row by row in the order of their owners, in batches that are one transaction each: what is locked waits for
//! its writer, nothing is written over, and an interruption leaves whole batches. `updated_at` stays; the etag,
//! which is the row's `xmin`, does not.

use std::time::Duration;

use diesel::pg::Pg;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{Database, Transaction};
use shared::error::Result;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{FIRST_NAME, KeyRing, LAST_NAME, LOCATION, Place, SEALED, Sealed, TOTP_SECRET};

/// Rows sealed in one transaction, so that none holds locks for long.
const BATCH: i64 = 500;
/// How long encryption what is in clear rests after a failure.
const PAUSE: Duration = Duration::from_secs(60);

/// Columns of one table that hold sealed texts.
struct SealedTable {
    name: &'static str,
    /// Holds the id of the user, once for each.
    owner: &'static str,
    columns: &'static [EncryptedColumn],
}

struct EncryptedColumn {
    name: &'static str,
    place: &'static str,
    /// Whether it is older than encryption. In any other column a text in clear is somebody's forgery.
    may_be_clear: bool,
}

impl EncryptedColumn {
    fn seal_again(&self, keys: &KeyRing, owner: Uuid, text: Option<&Sealed>) -> Result<Option<Sealed>> {
        let place = Place::of(self.place, owner);
        let Some(text) = text else { return Ok(None) };
        let open = if self.may_be_clear { KeyRing::open_or_clear } else { KeyRing::open };
        keys.seal(place, &open(keys, place, text)?).map(Some)
    }
}

const TABLES: [SealedTable; 3] = [
    SealedTable {
        name: "users",
        owner: "id",
        columns: &[
            EncryptedColumn { name: "first_name", place: FIRST_NAME, may_be_clear: true },
            EncryptedColumn { name: "last_name", place: LAST_NAME, may_be_clear: true },
        ],
    },
    SealedTable {
        name: "user_profiles",
        owner: "user_id",
        columns: &[EncryptedColumn { name: "location", place: LOCATION, may_be_clear: true }],
    },
    SealedTable {
        name: "user_second_factors",
        owner: "user_id",
        columns: &[EncryptedColumn { name: "totp_secret", place: TOTP_SECRET, may_be_clear: false }],
    },
];

/// Goes over all tables once.
pub(super) struct Rotation {
    worker: Database,
    keys: KeyRing,
    /// What the texts begin with that are as they should be.
    wanted: String,
    /// Tables that are still to be gone over, the current one first.
    left: std::slice::Iter<'static, SealedTable>,
    table: Option<&'static SealedTable>,
    /// The last row that was sealed in the current table.
    after: Uuid,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    owner: Uuid,
    #[diesel(sql_type = Array<Nullable<Text>>)]
    texts: Vec<Option<Sealed>>,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

impl Rotation {
    /// Of everything that is not under the current key.
    pub(super) fn to_current_key(worker: Database, keys: KeyRing) -> Self {
        let wanted = keys.current_prefix();
        Self::new(worker, keys, wanted)
    }

    /// Of what is in clear alone.
    fn of_what_is_clear(worker: Database, keys: KeyRing) -> Self {
        Self::new(worker, keys, SEALED.to_owned())
    }

    fn new(worker: Database, keys: KeyRing, wanted: String) -> Self {
        let mut left = TABLES.iter();
        let table = left.next();
        Self { worker, keys, wanted, left, table, after: Uuid::nil() }
    }

    /// How many rows there are to seal, in all tables.
    pub(super) async fn total(&self) -> Result<i64> {
        let counts = TABLES.iter().map(|table| {
            format!("(SELECT count(*) FROM identity.{} t WHERE {})", table.name, table.is_unwanted())
        });
        let statement = format!("SELECT {} AS count", counts.collect::<Vec<_>>().join(" + "));
        let tx = self.worker.begin_background().await?;
        let mut conn: &AsyncPgConnection = &tx;
        let found: Count = sql_query(statement).bind::<Text, _>(&self.wanted).get_result(&mut conn).await?;
        tx.finish();
        Ok(found.count)
    }

    /// Seals the next batch and answers how many rows it had; `None` when nothing is left.
    pub(super) async fn next_batch(&mut self) -> Result<Option<i64>> {
        while let Some(table) = self.table {
            let tx = self.worker.begin_background().await?;
            let rows = table.lock(&tx, self.after, &self.wanted).await?;
            if let Some(last) = rows.last() {
                self.after = last.owner;
                let count = i64::try_from(rows.len()).unwrap_or(BATCH);
                table.seal(tx, &self.keys, rows).await?;
                return Ok(Some(count));
            }
            tx.finish();
            (self.table, self.after) = (self.left.next(), Uuid::nil());
        }
        Ok(None)
    }
}

impl SealedTable {
    /// Whether a row `t` holds a text that does not begin with the first parameter.
    fn is_unwanted(&self) -> String {
        let columns = self.columns.iter().map(|column| format!("NOT starts_with(t.{}, $1)", column.name));
        columns.collect::<Vec<_>>().join(" OR ")
    }

    async fn lock(&self, mut conn: &AsyncPgConnection, after: Uuid, wanted: &str) -> Result<Vec<Row>> {
        let Self { name, owner, columns } = self;
        let texts = columns.iter().map(|column| format!("t.{}", column.name)).collect::<Vec<_>>().join(", ");
        let query = sql_query(format!(
            "SELECT t.{owner} AS owner, ARRAY[{texts}]::text[] AS texts FROM identity.{name} t \
             WHERE t.{owner} > $2 AND ({}) ORDER BY t.{owner} LIMIT {BATCH} FOR NO KEY UPDATE",
            self.is_unwanted()
        ));
        Ok(query.bind::<Text, _>(wanted).bind::<SqlUuid, _>(after).load(&mut conn).await?)
    }

    /// Writes the rows back under the current key and commits.
    async fn seal(&self, tx: Transaction, keys: &KeyRing, rows: Vec<Row>) -> Result<()> {
        let Self { name, owner, columns } = self;
        let numbered = |text: fn(usize, &str) -> String| {
            let parts = columns.iter().enumerate().map(|(index, column)| text(index + 2, column.name));
            parts.collect::<Vec<_>>().join(", ")
        };
        let mut query = sql_query(format!(
            "UPDATE identity.{name} t SET {} FROM unnest($1, {}) AS v (owner, {}) WHERE t.{owner} = v.owner",
            numbered(|_, column| format!("{column} = v.{column}")),
            numbered(|number, _| format!("${number}")),
            numbered(|_, column| column.to_owned()),
        ))
        .into_boxed::<Pg>();
        query = query.bind::<Array<SqlUuid>, _>(rows.iter().map(|row| row.owner).collect::<Vec<_>>());
        for (index, column) in columns.iter().enumerate() {
            let sealed = rows.iter().map(|row| {
                let text = row.texts.get(index).and_then(Option::as_ref);
                column.seal_again(keys, row.owner, text)
            });
            query = query.bind::<Array<Nullable<Text>>, _>(sealed.collect::<Result<Vec<_>>>()?);
        }
        tx.keep_dates()?;
        let mut conn: &AsyncPgConnection = &tx;
        query.execute(&mut conn).await?;
        tx.commit().await
    }
}

/// Seals what is still in clear, once, beside the requests: rows from before texts were sealed. What is under a
/// former key stays so: replicas that do not know the current key yet must be able to read it.
pub async fn seal_what_is_clear(worker: Database, keys: KeyRing, shutdown: CancellationToken) {
    let encryption = async {
        while let Err(error) = seal_all_clear(&worker, &keys).await {
            tracing::warn!(%error, "names in clear could not be sealed; trying again later");
            tokio::time::sleep(PAUSE).await;
        }
    };
    shutdown.run_until_cancelled(encryption).await;
}

async fn seal_all_clear(worker: &Database, keys: &KeyRing) -> Result<()> {
    let mut rotation = Rotation::of_what_is_clear(worker.clone(), keys.clone());
    let mut sealed = 0;
    while let Some(count) = rotation.next_batch().await? {
        sealed += count;
    }
    if sealed > 0 {
        tracing::info!(rows = sealed, "sealed names and locations that were in clear");
    }
    Ok(())
}
