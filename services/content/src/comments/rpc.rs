//! The methods of comments.

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use proto::content::v1 as pb;
use shared::access::Permission::{AttachmentRead, CommentDelete, CommentRead, CommentWrite};
use shared::access::{AccessTarget, AuthorizedTransaction, ProjectAccess};
use shared::caller::Caller;
use shared::database::Transaction;
use shared::error::{Error, ErrorReason, Result};
use shared::page::{AfterRank, AfterTime, Page};
use shared::{etag, idempotency};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::feed::{CommentWatch, WatchCommentsInput};
use super::queries::{self, NewComment, Parent};
use super::search::{self, CommentMatch, MAX_MATCHES, SearchCommentsInput};
use super::wire::{
    CommentOrder, CreateCommentInput, ListCommentsInput, ReactionInput, UpdateCommentInput, comment_id,
    counted_targets,
};
use super::{Comment, CommentParent, CommentVersion, mentions};
use crate::access_target;
use crate::handler::ContentHandler;
use crate::page::to_page;
use crate::schema::NAME;
use crate::targets::access::{access_target_of, confirm_task_exists};
use crate::targets::{ContentTarget, EntityType};
use crate::versions::AfterVersion;

type RpcResult<T> = Result<Response<T>, Status>;

/// Fails unless the caller may read these attachments and they are of this target.
async fn require_attachments(
    tx: &Transaction,
    access: &ProjectAccess,
    target: ContentTarget,
    ids: &[Uuid],
) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    access.require(AttachmentRead)?;
    queries::require_attachments(tx, target, ids).await
}

impl ContentHandler {
    async fn insert_comment(&self, caller: &Caller, input: CreateCommentInput) -> Result<Comment> {
        let CreateCommentInput { key, id, place, anchor, content, attachment_ids } = input;
        let user_id = caller.user()?.user_id;
        let access_target = match place {
            CommentParent::Target(target) => access_target_of(&self.context, target).await?,
            CommentParent::Comment(parent) => access_target::comment(parent),
        };
        let mentioned = mentions::resolve(&self.context, &content).await?;
        let begun = self.authorizer.begin(caller, &access_target, CommentWrite, |conn| {
            let key = key.clone();
            async move {
                let claim = idempotency::claim(conn, NAME, user_id, "CreateComment", key.as_ref(), id);
                let anchor = queries::find_anchor(conn, place.id(), anchor);
                futures::try_join!(queries::lock_parent(conn, place), claim, anchor)
            }
            .boxed()
        });
        let AuthorizedTransaction { tx, access, found: (parent, earlier, anchor) } = begun.await?;
        if let Some(earlier) = earlier {
            access.require(CommentRead)?;
            return queries::get(&tx, earlier).await?.ok_or_else(|| Error::not_found("comment", earlier));
        }
        let Parent { entity_type, entity_id, is_reply, is_deleted } =
            parent.ok_or_else(|| access_target.not_found())?;
        if is_reply || is_deleted {
            return Err(Error::invalid("comment.parent_id", "must not be a reply or deleted"));
        }
        let parent_id = match place {
            CommentParent::Target(_) => None,
            CommentParent::Comment(parent) => Some(parent),
        };
        let target = ContentTarget { entity_type, id: entity_id };
        require_attachments(&tx, &access, target, &attachment_ids).await?;
        let new = NewComment { id, target, parent_id, content, mentioned, attachment_ids, anchor };
        let comment = queries::insert(tx, &access, &new).await?;
        self.context.signal.announce();
        if parent_id.is_none() {
            // A reply is deleted with its parent.
            confirm_task_exists(&self.context, target).await?;
        }
        Ok(comment)
    }

    /// Locks a comment for a caller who may write and read comments.
    async fn lock_comment(&self, caller: &Caller, id: Uuid) -> Result<(Transaction, ProjectAccess, Comment)> {
        let target = access_target::comment(id);
        let begun =
            self.authorizer.begin(caller, &target, CommentWrite, |conn| queries::lock(conn, id).boxed());
        let AuthorizedTransaction { tx, access, found } = begun.await?;
        access.require(CommentRead)?;
        Ok((tx, access, found.ok_or_else(|| target.not_found())?))
    }

    async fn list_comments_of(
        &self,
        caller: &Caller,
        input: &ListCommentsInput,
        page: &Page<AfterTime>,
    ) -> Result<Vec<Comment>> {
        let ListCommentsInput { target, filter, order, .. } = input;
        let (after, size, descending) = (page.after, page.size, *order == CommentOrder::CreatedDesc);
        let list = async |access_target: AccessTarget| {
            let begun = self.authorizer.begin(caller, &access_target, CommentRead, |conn| {
                let (target, filter) = (*target, filter.clone());
                async move { queries::list(conn, target, &filter, descending, after, size).await }.boxed()
            });
            begun.await.map(AuthorizedTransaction::finish)
        };
        if target.entity_type == EntityType::Task {
            // What a task has here tells its project. Only a task without anything must be resolved.
            match list(access_target::known_task(target.id)).await {
                Err(Error::NotFound { .. }) => {}
                listed => return listed,
            }
        }
        list(access_target_of(&self.context, *target).await?).await
    }

    async fn change_comment(&self, caller: &Caller, input: UpdateCommentInput) -> Result<Comment> {
        let UpdateCommentInput { id, etag, content, attachment_ids } = input;
        let mentioned = match &content {
            Some(content) => mentions::resolve(&self.context, content).await?,
            None => Vec::new(),
        };
        let (tx, access, comment) = self.lock_comment(caller, id).await?;
        comment.require_author(&access)?;
        comment.require_present()?;
        etag::check(&etag, comment.row_version)?;
        let content = content.filter(|content| *content != comment.content);
        let attachment_ids = attachment_ids.filter(|ids| *ids != comment.attachment_ids);
        if content.is_some() {
            comment.require_further_version()?;
        }
        match &attachment_ids {
            Some(ids) => require_attachments(&tx, &access, comment.target(), ids).await?,
            None if content.is_none() => return Ok(comment),
            None => {}
        }
        queries::update(tx, &access, id, (content.as_deref(), &mentioned), attachment_ids.as_deref()).await
    }

    /// Resolves a thread or opens it again. One that is so already stays as it is, so that a retry is safe.
    async fn set_resolved(
        &self,
        request: Request<(String, String)>,
        is_resolved: bool,
    ) -> RpcResult<pb::Comment> {
        let caller = Caller::of(&request)?;
        let (id, etag) = request.into_inner();
        let id = comment_id(&id)?;
        let (tx, access, comment) = self.lock_comment(&caller, id).await?;
        if comment.parent_id.is_some() {
            return Err(Error::invalid("comment_id", "must not be a reply").into());
        }
        if comment.resolved_at.is_some() == is_resolved {
            return Ok(Response::new(comment.into()));
        }
        etag::check(&etag, comment.row_version)?;
        let comment = queries::set_resolved(tx, &access, id, is_resolved).await?;
        self.context.signal.announce();
        Ok(Response::new(comment.into()))
    }

    pub(crate) async fn create_comment(
        &self,
        request: Request<pb::CreateCommentRequest>,
    ) -> RpcResult<pb::Comment> {
        let caller = Caller::of(&request)?;
        let comment = self.insert_comment(&caller, request.into_inner().try_into()?).await?;
        Ok(Response::new(comment.into()))
    }

    pub(crate) async fn get_comment(
        &self,
        request: Request<pb::GetCommentRequest>,
    ) -> RpcResult<pb::Comment> {
        let caller = Caller::of(&request)?;
        let id = comment_id(&request.into_inner().comment_id)?;
        let target = access_target::comment(id);
        let begun =
            self.authorizer.begin(&caller, &target, CommentRead, |conn| queries::get(conn, id).boxed());
        let comment = begun.await?.finish().ok_or_else(|| target.not_found())?;
        Ok(Response::new(comment.into()))
    }

    pub(crate) async fn list_comments(
        &self,
        request: Request<pb::ListCommentsRequest>,
    ) -> RpcResult<pb::ListCommentsResponse> {
        let caller = Caller::of(&request)?;
        let input = ListCommentsInput::try_from(request.into_inner())?;
        let ListCommentsInput { target, filter, order, .. } = &input;
        let query = format!("ListComments {} {target:?} {filter:?} {order:?}", caller.database_user());
        let pages = &self.context.pages;
        let page = pages.read::<AfterTime>(&query, input.page_size, &input.page_token)?;
        let rows = self.list_comments_of(&caller, &input, &page).await?;
        let position = |row: &Comment| AfterTime { at: row.created_at, id: row.id };
        let (comments, next_page_token) = to_page(pages, &query, page.size, rows, position)?;
        Ok(Response::new(pb::ListCommentsResponse { comments, next_page_token }))
    }

    pub(crate) async fn update_comment(
        &self,
        request: Request<pb::UpdateCommentRequest>,
    ) -> RpcResult<pb::Comment> {
        let caller = Caller::of(&request)?;
        let comment = self.change_comment(&caller, request.into_inner().try_into()?).await?;
        self.context.signal.announce();
        Ok(Response::new(comment.into()))
    }

    pub(crate) async fn list_comment_versions(
        &self,
        request: Request<pb::ListCommentVersionsRequest>,
    ) -> RpcResult<pb::ListCommentVersionsResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let id = comment_id(&request.comment_id)?;
        let query = format!("ListCommentVersions {} {id}", caller.database_user());
        let pages = &self.context.pages;
        let page = pages.read::<AfterVersion>(&query, request.page_size, &request.page_token)?;
        let (before, size) = (page.after.map(|AfterVersion(number)| number), page.size);
        let target = access_target::comment(id);
        let begun = self.authorizer.begin(&caller, &target, CommentRead, |conn| {
            queries::list_versions(conn, id, before, size).boxed()
        });
        let rows = begun.await?.finish();
        let position = |row: &CommentVersion| AfterVersion(row.version_number);
        let (versions, next_page_token) = to_page(pages, &query, size, rows, position)?;
        Ok(Response::new(pb::ListCommentVersionsResponse { versions, next_page_token }))
    }

    pub(crate) async fn resolve_comment(
        &self,
        request: Request<pb::ResolveCommentRequest>,
    ) -> RpcResult<pb::Comment> {
        self.set_resolved(request.map(|r| (r.comment_id, r.etag)), true).await
    }

    pub(crate) async fn reopen_comment(
        &self,
        request: Request<pb::ReopenCommentRequest>,
    ) -> RpcResult<pb::Comment> {
        self.set_resolved(request.map(|r| (r.comment_id, r.etag)), false).await
    }

    pub(crate) async fn add_comment_reaction(
        &self,
        request: Request<pb::AddCommentReactionRequest>,
    ) -> RpcResult<pb::Comment> {
        let caller = Caller::of(&request)?;
        let pb::AddCommentReactionRequest { comment_id, emoji } = request.into_inner();
        let ReactionInput { id, emoji } = ReactionInput::read(&comment_id, &emoji)?;
        let (tx, access, comment) = self.lock_comment(&caller, id).await?;
        comment.require_present()?;
        let comment = queries::add_reaction(tx, &access, id, &emoji).await?;
        if !comment.has_own_reaction(&emoji) {
            let message = "the comment has too many reactions";
            return Err(Error::precondition(ErrorReason::TooManyReactions, message).into());
        }
        self.context.signal.announce();
        Ok(Response::new(comment.into()))
    }

    pub(crate) async fn remove_comment_reaction(
        &self,
        request: Request<pb::RemoveCommentReactionRequest>,
    ) -> RpcResult<pb::Comment> {
        let caller = Caller::of(&request)?;
        let pb::RemoveCommentReactionRequest { comment_id, emoji } = request.into_inner();
        let ReactionInput { id, emoji } = ReactionInput::read(&comment_id, &emoji)?;
        let (tx, access, _) = self.lock_comment(&caller, id).await?;
        let comment = queries::remove_reaction(tx, &access, id, &emoji).await?;
        self.context.signal.announce();
        Ok(Response::new(comment.into()))
    }

    pub(crate) async fn delete_comment(
        &self,
        request: Request<pb::DeleteCommentRequest>,
    ) -> RpcResult<pb::Comment> {
        let caller = Caller::of(&request)?;
        let pb::DeleteCommentRequest { comment_id: id, etag } = request.into_inner();
        let id = comment_id(&id)?;
        let (tx, access, comment) = self.lock_comment(&caller, id).await?;
        if comment.author_id != access.user_id {
            access.require(CommentDelete)?;
        }
        if comment.deleted_at.is_some() {
            return Ok(Response::new(comment.into()));
        }
        etag::check(&etag, comment.row_version)?;
        let comment = queries::delete(tx, &access, id).await?;
        self.context.signal.announce();
        Ok(Response::new(comment.into()))
    }

    pub(crate) async fn batch_count_comments(
        &self,
        request: Request<pb::BatchCountCommentsRequest>,
    ) -> RpcResult<pb::BatchCountCommentsResponse> {
        let caller = Caller::of(&request)?;
        let targets = counted_targets(request.into_inner().targets)?;
        let tx = self.authorizer.begin_in_all_projects(&caller).await?;
        let counts = queries::count(&tx, &targets).await?;
        tx.finish();
        let count = |(target, count): (ContentTarget, super::CommentCount)| pb::CommentCount {
            target: Some(target.into()),
            count: count.comment_count,
            open_count: count.open_count,
        };
        let counts = targets.into_iter().zip(counts).map(count).collect();
        Ok(Response::new(pb::BatchCountCommentsResponse { counts }))
    }

    pub(crate) async fn search_comments(
        &self,
        request: Request<pb::SearchCommentsRequest>,
    ) -> RpcResult<pb::SearchCommentsResponse> {
        let caller = Caller::of(&request)?;
        let input = SearchCommentsInput::try_from(request.into_inner())?;
        let SearchCommentsInput { query: words, project_ids: projects, .. } = &input;
        let query = format!("SearchComments {} {words:?} {projects:?}", caller.database_user());
        let pages = &self.context.pages;
        let page = pages.read::<AfterRank>(&query, input.page_size, &input.page_token)?;
        let size = page.size.min(MAX_MATCHES);
        let found = (&input, page.after);
        let rows = self.authorizer.read_in_projects(
            &caller,
            projects,
            CommentRead,
            &found,
            |conn, (input, after)| search::search(conn, input, *after, size).boxed(),
        );
        let position = |row: &CommentMatch| AfterRank { rank: row.score, id: row.comment.id };
        let (matches, next_page_token) = to_page(pages, &query, size, rows.await?, position)?;
        Ok(Response::new(pb::SearchCommentsResponse { matches, next_page_token }))
    }

    pub(crate) async fn watch_comments(
        &self,
        request: Request<pb::WatchCommentsRequest>,
    ) -> RpcResult<BoxStream<'static, Result<pb::WatchCommentsResponse, Status>>> {
        let caller = Caller::of(&request)?;
        let WatchCommentsInput { project_id, filter, resume_token } = request.into_inner().try_into()?;
        let query = format!("WatchComments {} {project_id} {filter:?}", caller.database_user());
        let subject = CommentWatch { authorizer: self.authorizer.clone(), caller, project_id, filter };
        let batches = self.context.feed.watch(project_id, query, &resume_token, subject).await?;
        let responses = batches.map_ok(|batch| pb::WatchCommentsResponse {
            events: batch.events,
            resume_token: batch.resume_token,
        });
        Ok(Response::new(responses.boxed()))
    }
}
