//! The methods of documents.

use crate::handler::ContentHandler;
use crate::schema::DocumentStatus;
use chrono::Utc;
use futures::FutureExt;
use proto::content::v1 as pb;
use shared::access::Permission::{DocumentDelete, DocumentPublish, DocumentRead, DocumentWrite};
use shared::access::{AccessTarget, AuthorizedTransaction};
use shared::caller::Caller;
use shared::error::{Error, Result};
use shared::{etag, idempotency};
use tonic::{Request, Response, Status};

use super::filter::AfterDocument;
use super::wire::{CreateDocumentInput, ListDocumentsInput, UpdateDocumentInput, document_id};
use super::{Document, DocumentChange, DocumentHead, Transition, queries};
use crate::access_target;
use crate::page::to_page;
use crate::schema::NAME;

type RpcResult<T> = Result<Response<T>, Status>;

impl ContentHandler {
    async fn insert_document(&self, caller: &Caller, input: CreateDocumentInput) -> Result<Document> {
        let CreateDocumentInput { key, mut document, change_summary } = input;
        document.author_id = caller.user()?.user_id;
        let (id, author_id) = (document.id, document.author_id);
        let target = AccessTarget::project(document.project_id);
        let begun = self.authorizer.begin(caller, &target, DocumentWrite, |conn| {
            let (key, summary) = (key.clone(), change_summary.clone());
            async move {
                let claim = idempotency::claim(conn, NAME, author_id, "CreateDocument", key.as_ref(), id);
                let summary = queries::set_change_summary(conn, summary.as_deref());
                let (earlier, ()) = futures::try_join!(claim, summary)?;
                Ok(earlier)
            }
            .boxed()
        });
        let AuthorizedTransaction { tx, access, found: earlier } = begun.await?;
        let Some(earlier) = earlier else { return queries::insert(tx, &access, &document).await };
        // The document may have been changed by others since.
        access.require(DocumentRead)?;
        queries::get(&tx, earlier).await?.ok_or_else(|| Error::not_found("document", earlier))
    }

    async fn change_document(&self, caller: &Caller, input: UpdateDocumentInput) -> Result<Document> {
        let UpdateDocumentInput { id, etag, mut change, metadata, has_changes, change_summary } = input;
        let target = access_target::document(id);
        let begun = self.authorizer.begin(caller, &target, DocumentWrite, |conn| {
            let summary = change_summary.clone();
            async move {
                let summary = queries::set_change_summary(conn, summary.as_deref());
                let (document, ()) = futures::try_join!(queries::lock(conn, id), summary)?;
                Ok(document)
            }
            .boxed()
        });
        let AuthorizedTransaction { tx, access, found: document } = begun.await?;
        access.require(DocumentRead)?;
        let document = document.ok_or_else(|| Error::not_found("document", id))?;
        etag::check(&etag, document.head.row_version)?;
        if !has_changes {
            return Ok(document);
        }
        document.head.require_editable()?;
        if let Some(metadata) = metadata {
            let present = document.head.metadata.clone();
            change.metadata = Some(metadata.apply_within_limits("metadata", present)?);
        }
        let Some(change) = change.without_unchanged(&document) else { return Ok(document) };
        queries::update(tx, &access, id, &change).await
    }

    /// Changes the status. A document that has the status already stays as it is, so that a retry is safe.
    async fn change_document_status(
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
            .begin(&caller, &access_target::document(id), permission, |conn| queries::lock(conn, id).boxed())
            .await?;
        access.require(DocumentRead)?;
        let document = document.ok_or_else(|| Error::not_found("document", id))?;
        let Some(status) = transition.target(document.head.status)? else {
            return Ok(Response::new(document.into()));
        };
        etag::check(&etag, document.head.row_version)?;
        let published_at = (status == DocumentStatus::Published).then(Utc::now);
        let change = DocumentChange { status: Some(status), published_at, ..Default::default() };
        let document = queries::update(tx, &access, id, &change).await?;
        self.context.signal.announce();
        Ok(Response::new(document.into()))
    }

    pub(crate) async fn create_document(
        &self,
        request: Request<pb::CreateDocumentRequest>,
    ) -> RpcResult<pb::Document> {
        let caller = Caller::of(&request)?;
        let document = self.insert_document(&caller, request.into_inner().try_into()?).await?;
        self.context.signal.announce();
        Ok(Response::new(document.into()))
    }

    pub(crate) async fn get_document(
        &self,
        request: Request<pb::GetDocumentRequest>,
    ) -> RpcResult<pb::Document> {
        let caller = Caller::of(&request)?;
        let id = document_id(&request.into_inner().document_id)?;
        let target = access_target::document(id);
        let document =
            self.authorizer.read(&self.document_reads, &caller, (&target, id), DocumentRead).await?;
        Ok(Response::new(document.into()))
    }

    pub(crate) async fn list_documents(
        &self,
        request: Request<pb::ListDocumentsRequest>,
    ) -> RpcResult<pb::ListDocumentsResponse> {
        let caller = Caller::of(&request)?;
        let input = ListDocumentsInput::try_from(request.into_inner())?;
        let query = format!("ListDocuments {} {:?} {:?}", caller.database_user(), input.filter, input.order);
        let pages = &self.context.pages;
        let page = pages.read::<AfterDocument>(&query, input.page_size, &input.page_token)?;
        let projects = &input.filter.project_ids;
        let list = (&input, &page);
        let rows = self.authorizer.read_in_projects(&caller, projects, DocumentRead, &list, |conn, list| {
            queries::list(conn, list.0, list.1).boxed()
        });
        let position = |row: &DocumentHead| input.order.position(row);
        let (documents, next_page_token) = to_page(pages, &query, page.size, rows.await?, position)?;
        Ok(Response::new(pb::ListDocumentsResponse { documents, next_page_token }))
    }

    pub(crate) async fn update_document(
        &self,
        request: Request<pb::UpdateDocumentRequest>,
    ) -> RpcResult<pb::Document> {
        let caller = Caller::of(&request)?;
        let document = self.change_document(&caller, request.into_inner().try_into()?).await?;
        self.context.signal.announce();
        Ok(Response::new(document.into()))
    }

    pub(crate) async fn submit_document(
        &self,
        request: Request<pb::SubmitDocumentRequest>,
    ) -> RpcResult<pb::Document> {
        self.change_document_status(request.map(|r| (r.document_id, r.etag)), Transition::Submit).await
    }

    pub(crate) async fn publish_document(
        &self,
        request: Request<pb::PublishDocumentRequest>,
    ) -> RpcResult<pb::Document> {
        self.change_document_status(request.map(|r| (r.document_id, r.etag)), Transition::Publish).await
    }

    pub(crate) async fn archive_document(
        &self,
        request: Request<pb::ArchiveDocumentRequest>,
    ) -> RpcResult<pb::Document> {
        self.change_document_status(request.map(|r| (r.document_id, r.etag)), Transition::Archive).await
    }

    pub(crate) async fn revise_document(
        &self,
        request: Request<pb::ReviseDocumentRequest>,
    ) -> RpcResult<pb::Document> {
        self.change_document_status(request.map(|r| (r.document_id, r.etag)), Transition::Revise).await
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
            .begin(&caller, &access_target::document(id), DocumentDelete, |conn| {
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
