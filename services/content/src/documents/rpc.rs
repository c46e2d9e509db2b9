//! The methods of documents.

use crate::schema::DocumentStatus;
use chrono::Utc;
use futures::FutureExt;
use proto::content::v1 as pb;
use shared::access::Permission::{DocumentDelete, DocumentPublish, DocumentRead, DocumentWrite};
use shared::caller::Caller;
use shared::error::{Error, Result};
use shared::service::ServiceContext;
use shared::{etag, idempotency};
use tonic::{Request, Response, Status};

use super::filter::AfterDocument;
use super::wire::{CreateDocumentInput, ListDocumentsInput, UpdateDocumentInput, document_id};
use super::{Document, DocumentChangeset, DocumentHead, StatusChangeset, Transition, queries};
use crate::authorizer::{AccessTarget, AuthorizedTransaction, Authorizer};
use crate::schema::NAME;

type RpcResult<T> = Result<Response<T>, Status>;

pub(crate) struct DocumentHandler {
    context: ServiceContext,
    authorizer: Authorizer,
}

impl DocumentHandler {
    pub(crate) fn new(context: ServiceContext, authorizer: Authorizer) -> Self {
        Self { context, authorizer }
    }

    async fn create(&self, caller: &Caller, input: CreateDocumentInput) -> Result<Document> {
        let CreateDocumentInput { key, mut document, change_summary } = input;
        document.author_id = caller.user()?.user_id;
        let (id, author_id) = (document.id, document.author_id);
        let AuthorizedTransaction { tx, access, found: earlier } = self
            .authorizer
            .begin(caller, AccessTarget::project(document.project_id), DocumentWrite, |conn| {
                let (key, summary) = (key.clone(), change_summary.clone());
                async move {
                    let claim = idempotency::claim(conn, NAME, author_id, "CreateDocument", key.as_ref(), id);
                    let (earlier, ()) =
                        futures::try_join!(claim, queries::set_change_summary(conn, summary.as_deref()))?;
                    Ok(earlier)
                }
                .boxed()
            })
            .await?;
        if let Some(earlier) = earlier {
            let document = queries::get(&tx, earlier).await?;
            return document.ok_or_else(|| Error::not_found("document", earlier));
        }
        queries::insert(tx, &access, &document).await
    }

    async fn update(&self, caller: &Caller, input: UpdateDocumentInput) -> Result<Document> {
        let UpdateDocumentInput { id, etag, change, change_summary } = input;
        let AuthorizedTransaction { tx, access, found: document } = self
            .authorizer
            .begin(caller, AccessTarget::document(id), DocumentWrite, |conn| {
                let summary = change_summary.clone();
                async move {
                    let summary = queries::set_change_summary(conn, summary.as_deref());
                    let (document, ()) = futures::try_join!(queries::lock(conn, id), summary)?;
                    Ok(document)
                }
                .boxed()
            })
            .await?;
        let document = document.ok_or_else(|| Error::not_found("document", id))?;
        etag::check(&etag, document.head.row_version)?;
        if change == DocumentChangeset::default() {
            return Ok(document);
        }
        document.head.require_editable()?;
        let Some(change) = change.without_unchanged(&document) else { return Ok(document) };
        queries::update(tx, &access, id, &change).await
    }

    /// Changes the status. A document that has the status already stays as it is, so that a retry is safe.
    async fn transition(
        &self,
        request: Request<(String, String)>,
        transition: Transition,
    ) -> RpcResult<pb::Document> {
        let caller = Caller::of(&request)?;
        let (id, etag) = request.into_inner();
        let id = document_id(&id)?;
        let permission = match transition {
            Transition::Submit | Transition::Revise => DocumentWrite,
            Transition::Publish | Transition::Archive => DocumentPublish,
        };
        let AuthorizedTransaction { tx, access, found: document } = self
            .authorizer
            .begin(&caller, AccessTarget::document(id), permission, |conn| queries::lock(conn, id).boxed())
            .await?;
        let document = document.ok_or_else(|| Error::not_found("document", id))?;
        let Some(status) = transition.target(document.head.status)? else {
            return Ok(Response::new(document.into()));
        };
        etag::check(&etag, document.head.row_version)?;
        let published_at = (status == DocumentStatus::Published).then(Utc::now);
        let change = StatusChangeset { status, published_at };
        let document = queries::update_status(tx, &access, id, &change).await?;
        self.context.signal.announce();
        Ok(Response::new(document.into()))
    }

    pub(crate) async fn create_document(
        &self,
        request: Request<pb::CreateDocumentRequest>,
    ) -> RpcResult<pb::Document> {
        let caller = Caller::of(&request)?;
        let document = self.create(&caller, request.into_inner().try_into()?).await?;
        self.context.signal.announce();
        Ok(Response::new(document.into()))
    }

    pub(crate) async fn get_document(
        &self,
        request: Request<pb::GetDocumentRequest>,
    ) -> RpcResult<pb::Document> {
        let caller = Caller::of(&request)?;
        let id = document_id(&request.into_inner().document_id)?;
        let document = self
            .authorizer
            .begin(&caller, AccessTarget::document(id), DocumentRead, |conn| queries::get(conn, id).boxed())
            .await?
            .finish();
        Ok(Response::new(document.ok_or_else(|| Error::not_found("document", id))?.into()))
    }

    pub(crate) async fn list_documents(
        &self,
        request: Request<pb::ListDocumentsRequest>,
    ) -> RpcResult<pb::ListDocumentsResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let input = ListDocumentsInput::try_from(&request)?;
        let query = format!("ListDocuments {} {input:?}", caller.database_user());
        let page =
            self.context.pages.read::<AfterDocument>(&query, request.page_size, &request.page_token)?;
        let (size, after) = (page.size, page.after);
        let mut rows = self
            .authorizer
            .begin(&caller, AccessTarget::project(input.project_id), DocumentRead, |conn| {
                let (input, after) = (input.clone(), after.clone());
                async move { queries::list(conn, &input, after, size).await }.boxed()
            })
            .await?
            .finish();
        let position = |row: &DocumentHead| input.order.position(row);
        let next_page_token = self.context.pages.cut(&query, size, &mut rows, position)?;
        let documents = rows.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListDocumentsResponse { documents, next_page_token }))
    }

    pub(crate) async fn update_document(
        &self,
        request: Request<pb::UpdateDocumentRequest>,
    ) -> RpcResult<pb::Document> {
        let caller = Caller::of(&request)?;
        let document = self.update(&caller, request.into_inner().try_into()?).await?;
        self.context.signal.announce();
        Ok(Response::new(document.into()))
    }

    pub(crate) async fn submit_document(
        &self,
        request: Request<pb::SubmitDocumentRequest>,
    ) -> RpcResult<pb::Document> {
        self.transition(request.map(|r| (r.document_id, r.etag)), Transition::Submit).await
    }

    pub(crate) async fn publish_document(
        &self,
        request: Request<pb::PublishDocumentRequest>,
    ) -> RpcResult<pb::Document> {
        self.transition(request.map(|r| (r.document_id, r.etag)), Transition::Publish).await
    }

    pub(crate) async fn archive_document(
        &self,
        request: Request<pb::ArchiveDocumentRequest>,
    ) -> RpcResult<pb::Document> {
        self.transition(request.map(|r| (r.document_id, r.etag)), Transition::Archive).await
    }

    pub(crate) async fn revise_document(
        &self,
        request: Request<pb::ReviseDocumentRequest>,
    ) -> RpcResult<pb::Document> {
        self.transition(request.map(|r| (r.document_id, r.etag)), Transition::Revise).await
    }

    pub(crate) async fn delete_document(
        &self,
        request: Request<pb::DeleteDocumentRequest>,
    ) -> RpcResult<pb::DeleteDocumentResponse> {
        let caller = Caller::of(&request)?;
        let pb::DeleteDocumentRequest { document_id: id, etag } = request.into_inner();
        let id = document_id(&id)?;
        let AuthorizedTransaction { tx, access, found: head } = self
            .authorizer
            .begin(&caller, AccessTarget::document(id), DocumentDelete, |conn| {
                queries::lock_head(conn, id).boxed()
            })
            .await?;
        let head = head.ok_or_else(|| Error::not_found("document", id))?;
        etag::check(&etag, head.row_version)?;
        queries::delete(tx, &access, id).await?;
        self.context.signal.announce();
        Ok(Response::new(pb::DeleteDocumentResponse {}))
    }
}
