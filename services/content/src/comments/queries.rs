//! SQL of comments. Row-level security limits it to projects that the caller may read.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::ProjectAccess;
use shared::database::{PreparedQuery, Transaction, explain, literal};
use shared::error::{Error, Result};
use shared::page::AfterTime;
use uuid::Uuid;

use super::{
    Anchor, AnchorColumns, Comment, CommentCount, CommentFilter, CommentParent, CommentVersion, MAX_EMOJI,
    MAX_QUOTE_CHARS, MAX_REACTIONS,
};
use crate::constraints::CONSTRAINTS;
use crate::query_builder::{QueryBuilder, non_empty};
use crate::schema::file_attachments;
use crate::targets::ContentTarget;
use crate::targets::access::lock_target;
use crate::versions;

/// Users whom a response names for each emoji.
const MAX_NAMED_USERS: usize = 10;

/// The columns of a [`Comment`] in the table `c`.
pub(super) fn columns() -> String {
    format!(
        "c.id, c.project_id, c.entity_type, c.entity_id, c.parent_id, c.author_id, c.content, c.mentioned_user_ids, \
         ARRAY(SELECT f.id FROM unnest(c.attachment_ids) WITH ORDINALITY a (id, place) \
               JOIN content.file_attachments f ON f.id = a.id \
                   AND f.entity_type = c.entity_type AND f.entity_id = c.entity_id ORDER BY a.place) AS attachment_ids, \
         c.version, c.created_at, c.updated_at, c.edited_at, c.resolved_at, c.resolver_id, c.deleted_at, \
         c.anchor_version, c.anchor_start, c.anchor_end, c.anchor_quote, c.anchor_outdated, c.xmin, \
         (SELECT count(*)::integer FROM content.comments r WHERE r.parent_id = c.id AND r.deleted_at IS NULL) \
             AS reply_count, \
         (SELECT coalesce(jsonb_agg(jsonb_build_object('emoji', e.emoji, 'count', e.count, 'user_ids', e.user_ids, \
                 'own', e.own) ORDER BY e.first_at, e.emoji), '[]') \
             FROM (SELECT r.emoji, count(*) AS count, min(r.created_at) AS first_at, \
                       bool_or(r.user_id = content.current_user_id()) AS own, \
                       (array_agg(r.user_id ORDER BY r.created_at, r.user_id))[1:{MAX_NAMED_USERS}] AS user_ids \
                   FROM content.comment_reactions r WHERE r.comment_id = c.id GROUP BY r.emoji) e) AS reactions"
    )
}

/// What a new comment is attached to.
#[derive(Clone, Debug, PartialEq, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub(super) struct Parent {
    #[diesel(sql_type = Text)]
    pub entity_type: crate::targets::EntityType,
    #[diesel(sql_type = SqlUuid)]
    pub entity_id: Uuid,
    #[diesel(sql_type = Bool)]
    pub is_reply: bool,
    #[diesel(sql_type = Bool)]
    pub is_deleted: bool,
}

/// Prevents the deletion of a new comment's target or parent until the transaction ends; `None` if it does not exist.
pub(super) async fn lock_parent(
    mut conn: &AsyncPgConnection,
    place: CommentParent,
) -> Result<Option<Parent>> {
    match place {
        CommentParent::Target(target) => {
            let ContentTarget { entity_type, id: entity_id } = target;
            let parent = Parent { entity_type, entity_id, is_reply: false, is_deleted: false };
            Ok(lock_target(conn, target).await?.then_some(parent))
        }
        CommentParent::Comment(id) => {
            let query = sql_query(
                "SELECT entity_type, entity_id, parent_id IS NOT NULL AS is_reply, deleted_at IS NOT NULL AS is_deleted \
                 FROM content.comments WHERE id = $1 FOR KEY SHARE",
            )
            .bind::<SqlUuid, _>(id);
            Ok(PreparedQuery(query).get_result(&mut conn).await.optional()?)
        }
    }
}

pub(super) struct NewComment {
    pub id: Uuid,
    pub target: ContentTarget,
    pub parent_id: Option<Uuid>,
    pub content: String,
    /// Active users; those who may not read the project are left out.
    pub mentioned: Vec<Uuid>,
    pub attachment_ids: Vec<Uuid>,
    pub anchor: AnchorColumns,
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
struct QuoteRow {
    #[diesel(sql_type = Integer)]
    length: i32,
    #[diesel(sql_type = Text)]
    quote: String,
}

/// The columns of an anchor in a document.
///
/// # Errors
/// `NOT_FOUND` for a version that does not exist, `INVALID_ARGUMENT` for a range beyond the end.
pub(super) async fn find_anchor(
    mut conn: &AsyncPgConnection,
    document_id: Uuid,
    anchor: Option<Anchor>,
) -> Result<AnchorColumns> {
    let Some(Anchor { version, start, end }) = anchor else { return Ok(AnchorColumns::default()) };
    let query = sql_query(format!(
        "SELECT char_length(content) AS length, \
             left(substring(content FROM $3 + 1 FOR $4 - $3), {MAX_QUOTE_CHARS}) AS quote \
         FROM content.document_versions WHERE document_id = $1 AND version_number = $2"
    ))
    .bind::<SqlUuid, _>(document_id)
    .bind::<Integer, _>(version)
    .bind::<Integer, _>(start)
    .bind::<Integer, _>(end);
    let found: Option<QuoteRow> = PreparedQuery(query).get_result(&mut conn).await.optional()?;
    let QuoteRow { length, quote } = found.ok_or_else(|| versions::not_found(document_id, version))?;
    if end > length {
        return Err(Error::invalid("comment.anchor.end_char", format!("must be at most {length}")));
    }
    Ok(AnchorColumns {
        anchor_version: Some(version),
        anchor_start: Some(start),
        anchor_end: Some(end),
        anchor_quote: Some(quote),
        anchor_outdated: false,
    })
}

/// Fails with `INVALID_ARGUMENT` unless all of these are attachments of the target.
pub(super) async fn require_attachments(
    mut conn: &AsyncPgConnection,
    target: ContentTarget,
    ids: &[Uuid],
) -> Result<()> {
    let found = file_attachments::table
        .filter(file_attachments::id.eq_any(ids))
        .filter(file_attachments::entity_type.eq(target.entity_type))
        .filter(file_attachments::entity_id.eq(target.id))
        .select(file_attachments::id);
    let found: Vec<Uuid> = found.load(&mut conn).await?;
    if ids.iter().all(|id| found.contains(id)) {
        return Ok(());
    }
    Err(Error::invalid("comment.attachment_ids", "must be attachments of what is commented"))
}

/// Inserts a comment of the caller's, and commits.
pub(super) async fn insert(tx: Transaction, access: &ProjectAccess, new: &NewComment) -> Result<Comment> {
    let query = sql_query(format!(
        "INSERT INTO content.comments AS c \
             (id, project_id, entity_type, entity_id, parent_id, author_id, content, mentioned_user_ids, \
              anchor_version, anchor_start, anchor_end, anchor_quote, attachment_ids) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, content.readers_among($2, $8), $9, $10, $11, $12, $13) RETURNING {}",
        columns()
    ))
    .bind::<SqlUuid, _>(new.id)
    .bind::<SqlUuid, _>(access.project_id)
    .bind::<Text, _>(new.target.entity_type)
    .bind::<SqlUuid, _>(new.target.id)
    .bind::<Nullable<SqlUuid>, _>(new.parent_id)
    .bind::<SqlUuid, _>(access.user_id)
    .bind::<Text, _>(&new.content)
    .bind::<Array<SqlUuid>, _>(&new.mentioned)
    .bind::<Nullable<Integer>, _>(new.anchor.anchor_version)
    .bind::<Nullable<Integer>, _>(new.anchor.anchor_start)
    .bind::<Nullable<Integer>, _>(new.anchor.anchor_end)
    .bind::<Nullable<Text>, _>(&new.anchor.anchor_quote)
    .bind::<Array<SqlUuid>, _>(&new.attachment_ids);
    let rows: Vec<Comment> = tx.commit_with(query).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| Error::internal("an inserted comment was not returned"))
}

pub(super) async fn get(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Comment>> {
    let query = sql_query(format!("SELECT {} FROM content.comments c WHERE c.id = $1", columns()));
    Ok(PreparedQuery(query.bind::<SqlUuid, _>(id)).get_result(&mut conn).await.optional()?)
}

/// Locks a comment until the transaction ends. Nothing is found for a caller who is not a member.
pub(super) async fn lock(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Comment>> {
    let query = sql_query(format!(
        "SELECT {} FROM content.comments c WHERE c.id = $1 FOR NO KEY UPDATE OF c",
        columns()
    ));
    Ok(PreparedQuery(query.bind::<SqlUuid, _>(id)).get_result(&mut conn).await.optional()?)
}

/// One page, and one more row if there is another page.
pub(super) async fn list(
    mut conn: &AsyncPgConnection,
    target: ContentTarget,
    filter: &CommentFilter,
    descending: bool,
    after: Option<AfterTime>,
    size: i64,
) -> Result<Vec<Comment>> {
    let (comparison, direction) = if descending { ("<", "DESC") } else { (">", "ASC") };
    let query =
        QueryBuilder::new(&format!("SELECT {} FROM content.comments c WHERE c.entity_type = ", columns()))
            .bind::<Text, _>(target.entity_type)
            .sql(" AND c.entity_id = ")
            .bind::<SqlUuid, _>(target.id)
            .bind_if::<Array<SqlUuid>, _>((" AND c.author_id = ANY (", ")"), non_empty(&filter.author_ids))
            .bind_if::<SqlUuid, _>((" AND ", " = ANY (c.mentioned_user_ids)"), filter.mentioned_user_id)
            .bind_if::<SqlUuid, _>((" AND ", " IN (c.id, c.parent_id)"), filter.thread_id)
            .bind_if::<Bool, _>((" AND (c.parent_id IS NULL) = ", ""), filter.root)
            .bind_if::<Bool, _>(
                (" AND c.parent_id IS NULL AND (c.resolved_at IS NOT NULL) = ", ""),
                filter.resolved,
            );
    let query = match after {
        None => query,
        Some(AfterTime { at, id }) => query
            .sql(&format!(" AND (c.created_at, c.id) {comparison} ("))
            .bind::<Timestamptz, _>(at)
            .sql(", ")
            .bind::<SqlUuid, _>(id)
            .sql(")"),
    };
    let query = query
        .sql(&format!(" ORDER BY c.created_at {direction}, c.id {direction} LIMIT "))
        .bind::<BigInt, _>(size + 1);
    Ok(PreparedQuery(query.finish()).load(&mut conn).await?)
}

/// One page of the contents that a comment has and had, newest first, and one more row if there is another page.
pub(super) async fn list_versions(
    mut conn: &AsyncPgConnection,
    id: Uuid,
    before: Option<i32>,
    size: i64,
) -> Result<Vec<CommentVersion>> {
    let query = sql_query(
        "SELECT v.comment_id, v.version_number, v.content, v.created_at FROM ( \
             SELECT comment_id, version_number, content, created_at FROM content.comment_versions \
             WHERE comment_id = $1 \
             UNION ALL SELECT id, version, content, edited_at FROM content.comments \
             WHERE id = $1 AND deleted_at IS NULL) v \
         WHERE v.version_number < $2 ORDER BY v.version_number DESC LIMIT $3",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Integer, _>(before.unwrap_or(i32::MAX))
    .bind::<BigInt, _>(size + 1);
    Ok(PreparedQuery(query).load(&mut conn).await?)
}

/// Replaces what is given of a locked comment, and commits. The users are as in [`NewComment::mentioned`].
pub(super) async fn update(
    tx: Transaction,
    _: &ProjectAccess,
    id: Uuid,
    (content, mentioned): (Option<&str>, &[Uuid]),
    attachment_ids: Option<&[Uuid]>,
) -> Result<Comment> {
    let query = sql_query(format!(
        "UPDATE content.comments c SET content = coalesce($2, c.content), \
             mentioned_user_ids = CASE WHEN $2 IS NULL THEN c.mentioned_user_ids \
                 ELSE content.readers_among(c.project_id, $3) END, \
             attachment_ids = coalesce($4, c.attachment_ids) WHERE c.id = $1 RETURNING {}",
        columns()
    ))
    .bind::<SqlUuid, _>(id)
    .bind::<Nullable<Text>, _>(content)
    .bind::<Array<SqlUuid>, _>(mentioned)
    .bind::<Nullable<Array<SqlUuid>>, _>(attachment_ids);
    commit(tx, id, query).await
}

/// Resolves the thread that a locked comment begins, or opens it again, and commits.
pub(super) async fn set_resolved(
    tx: Transaction,
    access: &ProjectAccess,
    id: Uuid,
    is_resolved: bool,
) -> Result<Comment> {
    let query = sql_query(format!(
        "UPDATE content.comments c SET resolved_at = CASE WHEN $2 THEN now() END, \
             resolver_id = CASE WHEN $2 THEN $3 END WHERE c.id = $1 RETURNING {}",
        columns()
    ))
    .bind::<SqlUuid, _>(id)
    .bind::<Bool, _>(is_resolved)
    .bind::<SqlUuid, _>(access.user_id);
    commit(tx, id, query).await
}

/// Deletes what was written in a locked comment, and commits.
pub(super) async fn delete(tx: Transaction, _: &ProjectAccess, id: Uuid) -> Result<Comment> {
    tx.send_ahead(&format!("UPDATE content.comments SET deleted_at = now() WHERE id = '{id}'"))?;
    commit_and_get(tx, id).await
}

/// Adds a reaction of the caller's to a locked comment, and commits. It stays as it is if it has the most reactions that
/// it may have.
pub(super) async fn add_reaction(
    tx: Transaction,
    access: &ProjectAccess,
    id: Uuid,
    emoji: &str,
) -> Result<Comment> {
    let (user_id, emoji) = (access.user_id, literal(emoji));
    tx.send_ahead(&format!(
        "INSERT INTO content.comment_reactions (comment_id, project_id, entity_type, entity_id, user_id, emoji) \
         SELECT c.id, c.project_id, c.entity_type, c.entity_id, '{user_id}', {emoji} FROM content.comments c \
         WHERE c.id = '{id}' AND (SELECT count(*) < {MAX_REACTIONS} \
                 AND count(DISTINCT r.emoji) FILTER (WHERE r.emoji <> {emoji}) < {MAX_EMOJI} \
             FROM content.comment_reactions r WHERE r.comment_id = c.id) \
         ON CONFLICT DO NOTHING"
    ))?;
    commit_and_get(tx, id).await
}

/// Removes a reaction of the caller's from a locked comment, and commits.
pub(super) async fn remove_reaction(
    tx: Transaction,
    access: &ProjectAccess,
    id: Uuid,
    emoji: &str,
) -> Result<Comment> {
    let (user_id, emoji) = (access.user_id, literal(emoji));
    tx.send_ahead(&format!(
        "DELETE FROM content.comment_reactions \
         WHERE comment_id = '{id}' AND user_id = '{user_id}' AND emoji = {emoji}"
    ))?;
    commit_and_get(tx, id).await
}

/// Commits, and returns a comment as the statements before have left it.
async fn commit_and_get(tx: Transaction, id: Uuid) -> Result<Comment> {
    let query = sql_query(format!("SELECT {} FROM content.comments c WHERE c.id = $1", columns()));
    commit(tx, id, query.bind::<SqlUuid, _>(id)).await
}

async fn commit<'query, Q>(tx: Transaction, id: Uuid, query: Q) -> Result<Comment>
where
    Q: diesel::query_builder::QueryFragment<diesel::pg::Pg> + Send + 'query,
    PreparedQuery<Q>: for<'c> diesel_async::methods::LoadQuery<'query, &'c AsyncPgConnection, Comment>,
{
    let rows: Vec<Comment> = tx.commit_with(query).await?;
    rows.into_iter().next().ok_or_else(|| Error::not_found("comment", id))
}

/// How many comments these targets have, in their order. What the caller may not read counts as nothing.
pub(super) async fn count(
    mut conn: &AsyncPgConnection,
    targets: &[ContentTarget],
) -> Result<Vec<CommentCount>> {
    let types: Vec<&str> = targets.iter().map(|target| target.entity_type.as_str()).collect();
    let ids: Vec<Uuid> = targets.iter().map(|target| target.id).collect();
    let query =
        sql_query("SELECT comment_count, open_count FROM content.count_comments($1, $2) ORDER BY place")
            .bind::<Array<Text>, _>(types)
            .bind::<Array<SqlUuid>, _>(ids);
    Ok(PreparedQuery(query).load(&mut conn).await?)
}
