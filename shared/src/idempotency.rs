//! A retry under the same `request_id` finds what the first call made (AIP-155).
//!
//! The key is claimed in the transaction that creates the resource: either both exist or neither, and of two concurrent
//! calls the second waits for the first. A key names the resource, not the first response: the retry reads the resource,
//! as AIP-155 allows.

use diesel::sql_types::{Bytea, Text, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use prost::Message;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::database::PreparedQuery;
use crate::error::{Error, ErrorReason, Result};
use crate::validation::Violations;

/// How long keys are kept, in hours.
pub const KEY_LIFETIME_HOURS: i32 = 24;

/// A request that may be retried.
#[derive(Clone, Debug, Serialize)]
pub struct RequestKey {
    request_id: Uuid,
    #[serde(rename = "request_hash", serialize_with = "serialize_hex")]
    hash: Vec<u8>,
}

fn serialize_hex<S: Serializer>(bytes: &[u8], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}

impl RequestKey {
    /// The key of a request, `None` if the client gave none. The message is hashed whole, so that another
    /// request under the same id is noticed.
    pub fn of(violations: &mut Violations, request_id: &str, request: &impl Message) -> Option<Self> {
        let request_id = violations.optional_uuid("request_id", request_id)?;
        Some(Self { request_id, hash: Sha256::digest(request.encode_to_vec()).to_vec() })
    }
}

/// The creation of a resource that may be retried.
#[derive(Clone, Copy, Debug)]
pub struct Creation<'a> {
    /// The user on whose behalf.
    pub caller_id: Uuid,
    /// The name of the RPC.
    pub method: &'static str,
    /// The key of the request; `None` if the client gave none.
    pub key: Option<&'a RequestKey>,
    /// The id of the resource, if it is new.
    pub resource_id: Uuid,
}

impl Creation<'_> {
    /// Claims the key: see [`claim`].
    pub async fn claim(self, conn: &AsyncPgConnection, schema: &'static str) -> Result<Option<Uuid>> {
        claim(conn, schema, self.caller_id, self.method, self.key, self.resource_id).await
    }
}

#[derive(QueryableByName)]
struct ClaimRow {
    #[diesel(sql_type = SqlUuid)]
    resource_id: Uuid,
    #[diesel(sql_type = Bytea)]
    request_hash: Vec<u8>,
}

/// Claims the key for the resource that this transaction is about to create. Returns the resource of an earlier call
/// instead, if there was one.
///
/// # Errors
/// `FAILED_PRECONDITION` when the key was used for another request.
pub async fn claim(
    conn: &AsyncPgConnection,
    schema: &'static str,
    caller_id: Uuid,
    method: &str,
    key: Option<&RequestKey>,
    resource_id: Uuid,
) -> Result<Option<Uuid>> {
    let Some(key) = key else { return Ok(None) };
    if insert(conn, schema, caller_id, method, key, resource_id).await? {
        return Ok(None);
    }
    let Some(first) = find(conn, schema, caller_id, method, key).await? else {
        return Err(Error::internal("an idempotency key is there and cannot be read"));
    };
    if first.request_hash != key.hash {
        return Err(Error::precondition(
            ErrorReason::RequestIdReused,
            "this request_id was used for another request",
        ));
    }
    Ok(Some(first.resource_id))
}

async fn insert(
    mut conn: &AsyncPgConnection,
    schema: &'static str,
    caller_id: Uuid,
    method: &str,
    key: &RequestKey,
    resource_id: Uuid,
) -> Result<bool> {
    let query = sql_query(format!(
        "INSERT INTO {schema}.idempotency_keys (caller_id, method, request_id, request_hash, resource_id) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"
    ))
    .bind::<SqlUuid, _>(caller_id)
    .bind::<Text, _>(method)
    .bind::<SqlUuid, _>(key.request_id)
    .bind::<Bytea, _>(&key.hash)
    .bind::<SqlUuid, _>(resource_id);
    Ok(PreparedQuery(query).execute(&mut conn).await? > 0)
}

async fn find(
    mut conn: &AsyncPgConnection,
    schema: &'static str,
    caller_id: Uuid,
    method: &str,
    key: &RequestKey,
) -> Result<Option<ClaimRow>> {
    let query = sql_query(format!(
        "SELECT resource_id, request_hash FROM {schema}.idempotency_keys \
         WHERE caller_id = $1 AND method = $2 AND request_id = $3"
    ))
    .bind::<SqlUuid, _>(caller_id)
    .bind::<Text, _>(method)
    .bind::<SqlUuid, _>(key.request_id);
    Ok(PreparedQuery(query).get_result(&mut conn).await.optional()?)
}
