//! Encryption of existing rows under the current key.
//!
//! In the order of users, in batches of one transaction each. A locked row is waited for, so no concurrent write is lost,
//! and an interrupted rotation leaves whole batches. `updated_at` stays; the etag, which is the row's `xmin`, changes.

use diesel::pg::Pg;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{Database, Transaction};
use shared::error::Result;
use uuid::Uuid;

use super::{AssociatedData, EncryptedText, FIRST_NAME, KeyRing, LAST_NAME, LOCATION, TOTP_SECRET};

/// Rows per transaction, so that none holds locks for long.
const BATCH_SIZE: i64 = 500;

struct EncryptedTable {
    name: &'static str,
    /// The column with the user's id, which is unique.
    user_id: &'static str,
    columns: &'static [EncryptedColumn],
}

struct EncryptedColumn {
    name: &'static str,
    /// Of the [`AssociatedData`].
    qualified_name: &'static str,
}

impl EncryptedColumn {
    fn reencrypt(
        &self,
        keys: &KeyRing,
        user_id: Uuid,
        text: Option<&EncryptedText>,
    ) -> Result<Option<EncryptedText>> {
        let associated_data = AssociatedData::new(self.qualified_name, user_id);
        let text = keys.decrypt_optional(associated_data, text)?;
        keys.encrypt_optional(associated_data, text.as_deref())
    }
}

const TABLES: [EncryptedTable; 3] = [
    EncryptedTable {
        name: "users",
        user_id: "id",
        columns: &[
            EncryptedColumn { name: "first_name", qualified_name: FIRST_NAME },
            EncryptedColumn { name: "last_name", qualified_name: LAST_NAME },
        ],
    },
    EncryptedTable {
        name: "user_profiles",
        user_id: "user_id",
        columns: &[EncryptedColumn { name: "location", qualified_name: LOCATION }],
    },
    EncryptedTable {
        name: "user_second_factors",
        user_id: "user_id",
        columns: &[EncryptedColumn { name: "totp_secret", qualified_name: TOTP_SECRET }],
    },
];

/// Encrypts all tables under the current key.
pub(super) struct Rotation {
    worker: Database,
    keys: KeyRing,
    /// The prefix of texts under the current key.
    current_prefix: String,
    remaining: std::slice::Iter<'static, EncryptedTable>,
    table: Option<&'static EncryptedTable>,
    /// The last row of the current table that was encrypted.
    after: Uuid,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Array<Nullable<Text>>)]
    texts: Vec<Option<EncryptedText>>,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

impl Rotation {
    pub(super) fn new(worker: Database, keys: KeyRing) -> Self {
        let current_prefix = keys.current_prefix();
        let mut remaining = TABLES.iter();
        let table = remaining.next();
        Self { worker, keys, current_prefix, remaining, table, after: Uuid::nil() }
    }

    /// Rows of all tables that are not under the current key.
    pub(super) async fn count_outdated(&self) -> Result<i64> {
        let counts = TABLES.iter().map(|table| {
            format!("(SELECT count(*) FROM identity.{} t WHERE {})", table.name, table.outdated_condition())
        });
        let statement = format!("SELECT {} AS count", counts.collect::<Vec<_>>().join(" + "));
        let tx = self.worker.begin_background().await?;
        let mut conn: &AsyncPgConnection = &tx;
        let found: Count =
            sql_query(statement).bind::<Text, _>(&self.current_prefix).get_result(&mut conn).await?;
        tx.finish();
        Ok(found.count)
    }

    /// Encrypts the next batch and returns its size; `None` when nothing is left.
    pub(super) async fn next_batch(&mut self) -> Result<Option<i64>> {
        while let Some(table) = self.table {
            let tx = self.worker.begin_background().await?;
            let rows = table.lock(&tx, self.after, &self.current_prefix).await?;
            if let Some(last) = rows.last() {
                self.after = last.user_id;
                let count = i64::try_from(rows.len()).unwrap_or(BATCH_SIZE);
                table.write(tx, &self.keys, rows).await?;
                return Ok(Some(count));
            }
            tx.finish();
            (self.table, self.after) = (self.remaining.next(), Uuid::nil());
        }
        Ok(None)
    }
}

impl EncryptedTable {
    /// Whether a row `t` has a text that does not begin with the first parameter.
    fn outdated_condition(&self) -> String {
        let columns = self.columns.iter().map(|column| format!("NOT starts_with(t.{}, $1)", column.name));
        columns.collect::<Vec<_>>().join(" OR ")
    }

    async fn lock(
        &self,
        mut conn: &AsyncPgConnection,
        after: Uuid,
        current_prefix: &str,
    ) -> Result<Vec<Row>> {
        let Self { name, user_id, columns } = self;
        let texts = columns.iter().map(|column| format!("t.{}", column.name)).collect::<Vec<_>>().join(", ");
        let query = sql_query(format!(
            "SELECT t.{user_id} AS user_id, ARRAY[{texts}]::text[] AS texts FROM identity.{name} t \
             WHERE t.{user_id} > $2 AND ({}) ORDER BY t.{user_id} LIMIT {BATCH_SIZE} FOR NO KEY UPDATE",
            self.outdated_condition()
        ));
        Ok(query.bind::<Text, _>(current_prefix).bind::<SqlUuid, _>(after).load(&mut conn).await?)
    }

    /// Writes rows back under the current key and commits.
    async fn write(&self, tx: Transaction, keys: &KeyRing, rows: Vec<Row>) -> Result<()> {
        let Self { name, user_id, columns } = self;
        let numbered = |text: fn(usize, &str) -> String| {
            let parts = columns.iter().enumerate().map(|(index, column)| text(index + 2, column.name));
            parts.collect::<Vec<_>>().join(", ")
        };
        let mut query = sql_query(format!(
            "UPDATE identity.{name} t SET {} FROM unnest($1, {}) AS v (user_id, {}) WHERE t.{user_id} = v.user_id",
            numbered(|_, column| format!("{column} = v.{column}")),
            numbered(|number, _| format!("${number}")),
            numbered(|_, column| column.to_owned()),
        ))
        .into_boxed::<Pg>();
        query = query.bind::<Array<SqlUuid>, _>(rows.iter().map(|row| row.user_id).collect::<Vec<_>>());
        for (index, column) in columns.iter().enumerate() {
            let encrypted = rows.iter().map(|row| {
                let text = row.texts.get(index).and_then(Option::as_ref);
                column.reencrypt(keys, row.user_id, text)
            });
            query = query.bind::<Array<Nullable<Text>>, _>(encrypted.collect::<Result<Vec<_>>>()?);
        }
        tx.keep_dates()?;
        let mut conn: &AsyncPgConnection = &tx;
        query.execute(&mut conn).await?;
        tx.commit().await
    }
}
