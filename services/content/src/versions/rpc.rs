//! The methods of document versions.

use futures::FutureExt;
use proto::content::v1 as pb;
use shared::access::AuthorizedTransaction;
use shared::access::Permission::{DocumentRead, DocumentWrite};
use shared::caller::Caller;
use shared::error::{Error, Result};
use shared::{etag, idempotency};
use tonic::{Request, Response, Status};

use super::differences::{DiffVersionsInput, diff_response};
use super::wire::{GetVersionInput, ListVersionsInput, RestoreVersionInput};
use super::{AfterVersion, ListedVersion, not_found, queries};
use crate::access_target;
use crate::documents::{self, Document, DocumentChange};
use crate::handler::ContentHandler;
use crate::page::to_page;
use crate::schema::NAME;
use crate::texts::diff::diff;

type RpcResult<T> = Result<Response<T>, Status>;

impl ContentHandler {
    async fn restore_content(&self, caller: &Caller, input: RestoreVersionInput) -> Result<Document> {
        let RestoreVersionInput { key, id, number, etag } = input;
        let user_id = caller.user()?.user_id;
        let AuthorizedTransaction { tx, access, found: (document, earlier, version) } = self
            .authorizer
            .begin(caller, &access_target::document(id), DocumentWrite, |conn| {
                let key = key.clone();
                async move {
                    let method = "RestoreDocumentVersion";
                    let summary = format!("Restored version {number}");
                    let (document, earlier, version, ()) = futures::try_join!(
                        documents::queries::lock(conn, id),
                        idempotency::claim(conn, NAME, user_id, method, key.as_ref(), id),
                        queries::get(conn, id, number),
                        documents::queries::set_change_summary(conn, Some(&summary)),
                    )?;
                    Ok((document, earlier, version))
                }
                .boxed()
            })
            .await?;
        access.require(DocumentRead)?;
        let document = document.ok_or_else(|| Error::not_found("document", id))?;
        if earlier.is_some() {
            return Ok(document);
        }
        let version = version.ok_or_else(|| not_found(id, number))?;
        etag::check(&etag, document.head.row_version)?;
        document.head.require_editable()?;
        let change = DocumentChange {
            title: Some(version.head.title),
            content: Some(version.content),
            version: Some(document.head.next_version()),
            ..Default::default()
        };
        documents::queries::update(tx, &access, id, &change).await
    }

    pub(crate) async fn get_document_version(
        &self,
        request: Request<pb::GetDocumentVersionRequest>,
    ) -> RpcResult<pb::DocumentVersion> {
        let caller = Caller::of(&request)?;
        let GetVersionInput { id, number } = request.into_inner().try_into()?;
        let version = self
            .authorizer
            .begin(&caller, &access_target::document(id), DocumentRead, |conn| {
                queries::get(conn, id, number).boxed()
            })
            .await?
            .finish();
        Ok(Response::new(version.ok_or_else(|| not_found(id, number))?.into()))
    }

    pub(crate) async fn list_document_versions(
        &self,
        request: Request<pb::ListDocumentVersionsRequest>,
    ) -> RpcResult<pb::ListDocumentVersionsResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let ListVersionsInput { id, include_content } = ListVersionsInput::try_from(&request)?;
        let query = format!("ListDocumentVersions {} {id} {include_content}", caller.database_user());
        let page = self.context.pages.read::<AfterVersion>(&query, request.page_size, &request.page_token)?;
        let (size, after) = (page.size, page.after);
        let rows = self
            .authorizer
            .begin(&caller, &access_target::document(id), DocumentRead, |conn| {
                queries::list(conn, id, after, size, include_content).boxed()
            })
            .await?
            .finish();
        // With contents, the page ends before the first row without one.
        let filled = rows.iter().take_while(|row| !include_content || row.content.is_some()).count();
        let size = size.min(i64::try_from(filled).unwrap_or(size));
        let position = |row: &ListedVersion| AfterVersion(row.head.version_number);
        let (versions, next_page_token) = to_page(&self.context.pages, &query, size, rows, position)?;
        Ok(Response::new(pb::ListDocumentVersionsResponse { versions, next_page_token }))
    }

    pub(crate) async fn diff_document_versions(
        &self,
        request: Request<pb::DiffDocumentVersionsRequest>,
    ) -> RpcResult<pb::DocumentDiff> {
        let caller = Caller::of(&request)?;
        let input = DiffVersionsInput::try_from(request.into_inner())?;
        let DiffVersionsInput { id, old_version, new_version, unit, format, context_lines } = input;
        let (old, new) = self
            .authorizer
            .begin(&caller, &access_target::document(id), DocumentRead, |conn| {
                async move {
                    let old = queries::get(conn, id, old_version);
                    futures::try_join!(old, queries::get_or_newest(conn, id, new_version))
                }
                .boxed()
            })
            .await?
            .finish();
        let old = old.ok_or_else(|| not_found(id, old_version))?;
        let new = new.ok_or_else(|| not_found(id, new_version.unwrap_or_default()))?;
        let compare = move |deadline| {
            let diff = diff(&old.content, &new.content, unit, context_lines, deadline);
            diff_response(&old, &new, &diff, format)
        };
        Ok(Response::new(self.comparison_pool.run(compare).await?))
    }

    pub(crate) async fn restore_document_version(
        &self,
        request: Request<pb::RestoreDocumentVersionRequest>,
    ) -> RpcResult<pb::Document> {
        let caller = Caller::of(&request)?;
        let document = self.restore_content(&caller, request.into_inner().try_into()?).await?;
        self.context.signal.announce();
        Ok(Response::new(document.into()))
    }
}
