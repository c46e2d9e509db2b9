//! The document service's methods, those of versions included.

use crate::schema::DocumentStatus;
use chrono::Utc;
use futures::FutureExt;
use proto::content::v1 as pb;
use shared::access::Permission;
use shared::access::Permission::{DocumentDelete, DocumentPublish, DocumentRead, DocumentWrite};
use shared::caller::Caller;
use shared::error::{Error, Result};
use shared::service::ServiceContext;
use shared::{etag, idempotency};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::filter::AfterDocument;
use super::wire::{CreateDocument, ListDocuments, UpdateDocument, document_id};
use super::{Document, DocumentChange, StatusChange, Step, queries};
use crate::NAME;
use crate::comparisons::Comparisons;
use crate::entrance::{Entered, Entrance, Place};
use crate::texts::diff::diff;
use crate::versions::differences::{self, DiffVersions};
use crate::versions::wire::{GetVersion, RestoreVersion, VersionFilter};
use crate::versions::{self, AfterVersion};

type Answer<T> = Result<Response<T>, Status>;

/// The document service.
pub struct Documents {
    context: ServiceContext,
    entrance: Entrance,
    comparisons: Comparisons,
}

impl Documents {
    pub fn new(context: ServiceContext, entrance: Entrance, comparisons: Comparisons) -> Self {
        Self { context, entrance, comparisons }
    }

    /// The answer to a change: announced, so that readers of the change log look.
    fn changed(&self, document: Document) -> Answer<pb::Document> {
        self.context.signal.announce();
        Ok(Response::new(document.into()))
    }

    async fn create(&self, caller: &Caller, wish: CreateDocument) -> Result<Document> {
        let CreateDocument { key, mut document, change_summary } = wish;
        document.author_id = caller.user()?.user_id;
        let (id, author_id) = (document.id, document.author_id);
        let Entered { tx, access, found: earlier } = self
            .entrance
            .enter(caller, Place::project(document.project_id), DocumentWrite, |conn| {
                let (key, summary) = (key.clone(), change_summary.clone());
                async move {
                    let claim = idempotency::claim(conn, NAME, author_id, "CreateDocument", key.as_ref(), id);
                    let (earlier, ()) =
                        futures::try_join!(claim, queries::summarize(conn, summary.as_deref()))?;
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

    async fn update(&self, caller: &Caller, wish: UpdateDocument) -> Result<Document> {
        let UpdateDocument { id, etag, change, change_summary } = wish;
        let Entered { tx, access, found: document } = self
            .entrance
            .enter(caller, Place::document(id), DocumentWrite, |conn| {
                let summary = change_summary.clone();
                async move {
                    let summarize = queries::summarize(conn, summary.as_deref());
                    let (document, ()) = futures::try_join!(queries::lock(conn, id), summarize)?;
                    Ok(document)
                }
                .boxed()
            })
            .await?;
        let document = document.ok_or_else(|| Error::not_found("document", id))?;
        etag::check(&etag, document.head.row_version)?;
        if change == DocumentChange::default() {
            return Ok(document);
        }
        document.head.require_editable()?;
        let Some(change) = change.against(&document) else { return Ok(document) };
        queries::save(tx, &access, id, &change).await
    }

    /// Takes a document a step further. One that is there already stays as it is, so that a retry is safe.
    async fn step(&self, request: Request<(String, String)>, step: Step) -> Answer<pb::Document> {
        let caller = Caller::of(&request)?;
        let (id, etag) = request.into_inner();
        let id = document_id(&id)?;
        let permission = match step {
            Step::Submit | Step::Revise => DocumentWrite,
            Step::Publish | Step::Archive => DocumentPublish,
        };
        let entered = self.lock(&caller, id, permission).await?;
        let Some(status) = step.from(entered.found.head.status)? else {
            return Ok(Response::new(entered.finish().into()));
        };
        etag::check(&etag, entered.found.head.row_version)?;
        let published_at = (status == DocumentStatus::Published).then(Utc::now);
        let change = StatusChange { status, published_at };
        let document = queries::save_status(entered.tx, &entered.access, id, &change).await?;
        self.changed(document)
    }

    async fn lock(&self, caller: &Caller, id: Uuid, permission: Permission) -> Result<Entered<Document>> {
        let entered = self
            .entrance
            .enter(caller, Place::document(id), permission, |conn| queries::lock(conn, id).boxed())
            .await?;
        let found = entered.found.ok_or_else(|| Error::not_found("document", id))?;
        Ok(Entered { tx: entered.tx, access: entered.access, found })
    }

    /// Makes the newest version say what an old one says.
    async fn restore(&self, caller: &Caller, wish: RestoreVersion) -> Result<Document> {
        let RestoreVersion { key, id, number, etag } = wish;
        let user_id = caller.user()?.user_id;
        let Entered { tx, access, found: (document, earlier, version) } = self
            .entrance
            .enter(caller, Place::document(id), DocumentWrite, |conn| {
                let key = key.clone();
                async move {
                    let method = "RestoreDocumentVersion";
                    let summary = format!("Restored version {number}");
                    let (document, earlier, version, ()) = futures::try_join!(
                        queries::lock(conn, id),
                        idempotency::claim(conn, NAME, user_id, method, key.as_ref(), id),
                        versions::queries::get(conn, id, number),
                        queries::summarize(conn, Some(&summary)),
                    )?;
                    Ok((document, earlier, version))
                }
                .boxed()
            })
            .await?;
        let document = document.ok_or_else(|| Error::not_found("document", id))?;
        if earlier.is_some() {
            return Ok(document);
        }
        let version = version.ok_or_else(|| versions::not_found(id, number))?;
        etag::check(&etag, document.head.row_version)?;
        document.head.require_editable()?;
        let next = Some(document.head.next_version());
        let change = DocumentChange {
            title: Some(version.head.title),
            content: Some(version.content),
            version: next,
            ..Default::default()
        };
        queries::save(tx, &access, id, &change).await
    }
}

impl Documents {
    pub(crate) async fn create_document(
        &self,
        request: Request<pb::CreateDocumentRequest>,
    ) -> Answer<pb::Document> {
        let caller = Caller::of(&request)?;
        let document = self.create(&caller, request.into_inner().try_into()?).await?;
        self.changed(document)
    }

    pub(crate) async fn get_document(
        &self,
        request: Request<pb::GetDocumentRequest>,
    ) -> Answer<pb::Document> {
        let caller = Caller::of(&request)?;
        let id = document_id(&request.into_inner().document_id)?;
        let document = self
            .entrance
            .enter(&caller, Place::document(id), DocumentRead, |conn| queries::get(conn, id).boxed())
            .await?
            .finish();
        Ok(Response::new(document.ok_or_else(|| Error::not_found("document", id))?.into()))
    }

    pub(crate) async fn list_documents(
        &self,
        request: Request<pb::ListDocumentsRequest>,
    ) -> Answer<pb::ListDocumentsResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let wish = ListDocuments::try_from(&request)?;
        let query = format!("ListDocuments {} {wish:?}", caller.database_user());
        let page =
            self.context.pages.read::<AfterDocument>(&query, request.page_size, &request.page_token)?;
        let (size, after) = (page.size, page.after);
        let mut rows = self
            .entrance
            .enter(&caller, Place::project(wish.project_id), DocumentRead, |conn| {
                let (wish, after) = (wish.clone(), after.clone());
                async move { queries::list(conn, &wish, after, size).await }.boxed()
            })
            .await?
            .finish();
        let position = |row: &super::DocumentHead| wish.order.position(row);
        let next_page_token = self.context.pages.cut(&query, size, &mut rows, position)?;
        let documents = rows.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListDocumentsResponse { documents, next_page_token }))
    }

    pub(crate) async fn update_document(
        &self,
        request: Request<pb::UpdateDocumentRequest>,
    ) -> Answer<pb::Document> {
        let caller = Caller::of(&request)?;
        let document = self.update(&caller, request.into_inner().try_into()?).await?;
        self.changed(document)
    }

    pub(crate) async fn submit_document(
        &self,
        request: Request<pb::SubmitDocumentRequest>,
    ) -> Answer<pb::Document> {
        self.step(request.map(|r| (r.document_id, r.etag)), Step::Submit).await
    }

    pub(crate) async fn publish_document(
        &self,
        request: Request<pb::PublishDocumentRequest>,
    ) -> Answer<pb::Document> {
        self.step(request.map(|r| (r.document_id, r.etag)), Step::Publish).await
    }

    pub(crate) async fn archive_document(
        &self,
        request: Request<pb::ArchiveDocumentRequest>,
    ) -> Answer<pb::Document> {
        self.step(request.map(|r| (r.document_id, r.etag)), Step::Archive).await
    }

    pub(crate) async fn revise_document(
        &self,
        request: Request<pb::ReviseDocumentRequest>,
    ) -> Answer<pb::Document> {
        self.step(request.map(|r| (r.document_id, r.etag)), Step::Revise).await
    }

    pub(crate) async fn delete_document(
        &self,
        request: Request<pb::DeleteDocumentRequest>,
    ) -> Answer<pb::DeleteDocumentResponse> {
        let caller = Caller::of(&request)?;
        let pb::DeleteDocumentRequest { document_id: id, etag } = request.into_inner();
        let id = document_id(&id)?;
        let Entered { tx, access, found: head } = self
            .entrance
            .enter(&caller, Place::document(id), DocumentDelete, |conn| queries::lock_head(conn, id).boxed())
            .await?;
        let head = head.ok_or_else(|| Error::not_found("document", id))?;
        etag::check(&etag, head.row_version)?;
        queries::delete(tx, &access, id).await?;
        self.context.signal.announce();
        Ok(Response::new(pb::DeleteDocumentResponse {}))
    }

    pub(crate) async fn get_document_version(
        &self,
        request: Request<pb::GetDocumentVersionRequest>,
    ) -> Answer<pb::DocumentVersion> {
        let caller = Caller::of(&request)?;
        let GetVersion { id, number } = request.into_inner().try_into()?;
        let version = self
            .entrance
            .enter(&caller, Place::document(id), DocumentRead, |conn| {
                versions::queries::get(conn, id, number).boxed()
            })
            .await?
            .finish();
        Ok(Response::new(version.ok_or_else(|| versions::not_found(id, number))?.into()))
    }

    pub(crate) async fn list_document_versions(
        &self,
        request: Request<pb::ListDocumentVersionsRequest>,
    ) -> Answer<pb::ListDocumentVersionsResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let VersionFilter { id, include_content } = VersionFilter::try_from(&request)?;
        let query = format!("ListDocumentVersions {} {id} {include_content}", caller.database_user());
        let page = self.context.pages.read::<AfterVersion>(&query, request.page_size, &request.page_token)?;
        let (size, after) = (page.size, page.after);
        let mut rows = self
            .entrance
            .enter(&caller, Place::document(id), DocumentRead, |conn| {
                versions::queries::list(conn, id, after, size, include_content).boxed()
            })
            .await?
            .finish();
        // With contents, a page ends where they do.
        let filled = rows.iter().take_while(|row| !include_content || row.content.is_some()).count();
        let size = size.min(i64::try_from(filled).unwrap_or(size));
        let position = |row: &versions::ListedVersion| AfterVersion(row.head.version_number);
        let next_page_token = self.context.pages.cut(&query, size, &mut rows, position)?;
        let versions = rows.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListDocumentVersionsResponse { versions, next_page_token }))
    }

    pub(crate) async fn diff_document_versions(
        &self,
        request: Request<pb::DiffDocumentVersionsRequest>,
    ) -> Answer<pb::DocumentDiff> {
        let caller = Caller::of(&request)?;
        let DiffVersions { id, from, to, unit, form, context } = request.into_inner().try_into()?;
        let (old, new) = self
            .entrance
            .enter(&caller, Place::document(id), DocumentRead, |conn| {
                async move {
                    let old = versions::queries::get(conn, id, from);
                    futures::try_join!(old, versions::queries::newest_or(conn, id, to))
                }
                .boxed()
            })
            .await?
            .finish();
        let old = old.ok_or_else(|| versions::not_found(id, from))?;
        let new = new.ok_or_else(|| versions::not_found(id, to.unwrap_or_default()))?;
        let compare = move |deadline| {
            let diff = diff(&old.content, &new.content, unit, context, deadline);
            differences::answer(&old, &new, &diff, form)
        };
        Ok(Response::new(self.comparisons.run(compare).await?))
    }

    pub(crate) async fn restore_document_version(
        &self,
        request: Request<pb::RestoreDocumentVersionRequest>,
    ) -> Answer<pb::Document> {
        let caller = Caller::of(&request)?;
        let document = self.restore(&caller, request.into_inner().try_into()?).await?;
        self.changed(document)
    }
}
