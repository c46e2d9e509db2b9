//! Anchors: the ranges of documents that comments are about. Each names the version that it is in, so it is always right;
//! this module moves it to the newest version after the document has changed, or marks it as outdated.
//!
//! It follows this service's change log and stores its position after the effects: what is done twice changes nothing,
//! because an anchor is moved only from the version that it is in. Each step is a transaction of its own, so that none waits
//! for the lock of a migration while it holds that of another table.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Integer, Nullable, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::change_log::{self, Cursor, Lag, positions};
use shared::error::{Error, Result};
use shared::housekeeping;
use shared::service::ServiceContext;
use uuid::Uuid;

use crate::comparison_pool::ComparisonPool;
use crate::schema::{NAME, document_versions};
use crate::texts::ranges::RangeMap;

/// Name of the position in `feed_positions`.
const FEED: &str = "comment_anchors";
/// The tables whose changes may leave an anchor behind.
const ENTITIES: [&str; 2] = ["documents", "comments"];
/// Shortest time between two rounds that changes start.
const MIN_ROUND_INTERVAL: Duration = Duration::from_millis(100);
/// Anchors of a document that are moved in one transaction.
const MAX_ANCHORS: i64 = 500;

/// An anchor that is behind its document.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
struct Stale {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Integer)]
    anchor_version: i32,
    #[diesel(sql_type = Integer)]
    anchor_start: i32,
    #[diesel(sql_type = Integer)]
    anchor_end: i32,
    /// The document's version.
    #[diesel(sql_type = Integer)]
    newest_version: i32,
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// Runs until shutdown.
pub(crate) async fn follow(context: ServiceContext, pool: ComparisonPool) {
    let lag = Lag::measured(NAME, FEED);
    let mut changes = context.signal.listen(MIN_ROUND_INTERVAL);
    while !context.shutdown.is_cancelled() {
        let round = follow_once(&context, &pool).await;
        match round {
            Ok(true) => continue,
            Ok(false) => lag.mark_caught_up(),
            Err(_) => {}
        }
        housekeeping::record_run("anchors", &round);
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            () = changes.wait() => {}
        }
    }
}

/// Applies one batch of changes; `true` if there may be more.
async fn follow_once(context: &ServiceContext, pool: &ComparisonPool) -> Result<bool> {
    let position = positions::get(&context.worker, NAME, FEED).await?;
    let Some(Batch { changed, next, is_full }) = read_changes(context, position).await? else {
        return Ok(false);
    };
    let tx = context.worker.begin_background().await?;
    let documents = find_documents(&tx, changed).await?;
    tx.finish();
    for document in documents {
        while move_anchors(context, pool, document).await? {}
    }
    let tx = context.worker.begin_background().await?;
    positions::set(&tx, NAME, FEED, &Cursor::to_string(&next)).await?;
    tx.commit().await?;
    Ok(is_full)
}

/// Changes after a position.
struct Batch {
    /// The documents and comments that changed, or `None` for any.
    changed: Option<Vec<Uuid>>,
    /// The position after them.
    next: Cursor,
    /// Whether there may be more.
    is_full: bool,
}

/// The next changes; `None` if there are none.
async fn read_changes(context: &ServiceContext, position: Option<String>) -> Result<Option<Batch>> {
    let tx = context.worker.begin_background().await?;
    let after = match position {
        Some(cursor) => cursor.parse()?,
        None => change_log::horizon(&tx, NAME).await?,
    };
    let read = match change_log::read(&tx, NAME, &ENTITIES, after).await {
        // The changes since the position are deleted; the tables still show which anchors are behind.
        Err(Error::CursorExpired) => {
            let next = change_log::horizon(&tx, NAME).await?;
            Some(Batch { changed: None, next, is_full: true })
        }
        changes => {
            let changes = changes?;
            let is_full = i64::try_from(changes.len()).is_ok_and(|count| count >= change_log::BATCH);
            let next = changes.last().map(change_log::Change::cursor);
            let changed = Some(changes.into_iter().map(|change| change.entity_id).collect());
            next.map(|next| Batch { changed, next, is_full })
        }
    };
    tx.finish();
    Ok(read)
}

/// The documents with anchors that are behind, of these documents and comments, or of all.
async fn find_documents(mut conn: &AsyncPgConnection, ids: Option<Vec<Uuid>>) -> Result<Vec<Uuid>> {
    let query = sql_query(
        "SELECT DISTINCT d.id FROM content.documents d JOIN content.comments c ON c.entity_id = d.id \
         WHERE c.anchor_version < d.version AND NOT c.anchor_outdated \
             AND ($1 IS NULL OR c.entity_id = ANY ($1) OR c.id = ANY ($1))",
    )
    .bind::<Nullable<Array<SqlUuid>>, _>(ids);
    let found: Vec<IdRow> = query.load(&mut conn).await?;
    Ok(found.into_iter().map(|row| row.id).collect())
}

/// Moves anchors of a document to its newest version; `false` if none was behind.
async fn move_anchors(context: &ServiceContext, pool: &ComparisonPool, document: Uuid) -> Result<bool> {
    let tx = context.worker.begin_background().await?;
    let stale = find_stale(&tx, document).await?;
    tx.finish();
    let Some(newest) = stale.as_slice().first().map(|anchor| anchor.newest_version) else { return Ok(false) };
    let numbers = stale.iter().map(|anchor| anchor.anchor_version).chain([newest]).collect();
    let tx = context.worker.begin_background().await?;
    let contents = contents_of(&tx, document, numbers).await?;
    tx.finish();

    let moved = pool.run(move |deadline| find_places(stale, newest, &contents, deadline)).await?;

    let tx = context.worker.begin_background().await?;
    tx.keep_dates()?;
    for (anchor, place) in moved {
        update(&tx, &anchor, place).await?;
    }
    tx.commit().await?;
    context.signal.announce();
    Ok(true)
}

async fn find_stale(mut conn: &AsyncPgConnection, document: Uuid) -> Result<Vec<Stale>> {
    let query = sql_query(format!(
        "SELECT c.id, c.anchor_version, c.anchor_start, c.anchor_end, d.version AS newest_version \
         FROM content.documents d JOIN content.comments c ON c.entity_id = d.id \
         WHERE c.entity_id = $1 AND c.anchor_version < d.version AND NOT c.anchor_outdated \
         ORDER BY c.id LIMIT {MAX_ANCHORS}"
    ))
    .bind::<SqlUuid, _>(document);
    Ok(query.load(&mut conn).await?)
}

async fn contents_of(
    mut conn: &AsyncPgConnection,
    document: Uuid,
    numbers: Vec<i32>,
) -> Result<HashMap<i32, String>> {
    let query = document_versions::table
        .filter(document_versions::document_id.eq(document))
        .filter(document_versions::version_number.eq_any(numbers))
        .select((document_versions::version_number, document_versions::content));
    let found: Vec<(i32, String)> = query.load(&mut conn).await?;
    Ok(found.into_iter().collect())
}

/// The characters of the newest version that each anchor is about; `None` if its text is not there any more. Each earlier
/// version is compared once, however many anchors are in it.
fn find_places(
    stale: Vec<Stale>,
    newest: i32,
    contents: &HashMap<i32, String>,
    deadline: Instant,
) -> Vec<(Stale, Option<Range<i32>>)> {
    let mut maps: HashMap<i32, RangeMap<'_>> = HashMap::new();
    let mut place_of = |anchor: &Stale| {
        let (old, new) = (contents.get(&anchor.anchor_version)?, contents.get(&newest)?);
        let map = maps.entry(anchor.anchor_version).or_insert_with(|| RangeMap::between(old, new, deadline));
        let range = byte_at(old, anchor.anchor_start)..byte_at(old, anchor.anchor_end);
        let found = map.map(range)?;
        let start = i32::try_from(new.get(..found.start)?.chars().count()).ok()?;
        Some(start..start + (anchor.anchor_end - anchor.anchor_start))
    };
    let to_place = |anchor| {
        let place = place_of(&anchor);
        (anchor, place)
    };
    stale.into_iter().map(to_place).collect()
}

/// The offset in bytes of a character.
fn byte_at(text: &str, character: i32) -> usize {
    let place = usize::try_from(character).unwrap_or_default();
    text.char_indices().nth(place).map_or(text.len(), |(offset, _)| offset)
}

/// Moves an anchor that is still where it was, or marks it as outdated.
async fn update(mut conn: &AsyncPgConnection, anchor: &Stale, place: Option<Range<i32>>) -> Result<()> {
    let set = match &place {
        Some(_) => "anchor_version = $3, anchor_start = $4, anchor_end = $5",
        None => "anchor_outdated = TRUE",
    };
    let query = sql_query(format!("UPDATE content.comments SET {set} WHERE id = $1 AND anchor_version = $2"))
        .bind::<SqlUuid, _>(anchor.id)
        .bind::<Integer, _>(anchor.anchor_version);
    match place {
        Some(place) => {
            let query = query
                .bind::<Integer, _>(anchor.newest_version)
                .bind::<Integer, _>(place.start)
                .bind::<Integer, _>(place.end);
            query.execute(&mut conn).await?
        }
        None => query.execute(&mut conn).await?,
    };
    Ok(())
}
