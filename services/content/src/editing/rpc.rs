//! The methods of edits.

use futures::FutureExt;
use proto::content::v1 as pb;
use shared::access::AuthorizedTransaction;
use shared::access::Permission::{DocumentRead, DocumentWrite};
use shared::caller::Caller;
use shared::error::{Error, Result};
use shared::{etag, idempotency};
use tonic::{Request, Response, Status};

use super::wire::{self, EditContentInput, PreviewEditInput};
use super::{Edit, EditOutcome};
use crate::access_target;
use crate::documents::{Document, DocumentChange, queries};
use crate::handler::ContentHandler;
use crate::schema::NAME;
use crate::versions;

impl ContentHandler {
    /// Edits a content; returns whether the document changed. The document is locked before its content is read, so that
    /// concurrent edits do not overwrite each other.
    async fn edit_content(&self, caller: &Caller, input: EditContentInput) -> Result<(Document, bool)> {
        let EditContentInput { key, id, edit, change_summary, etag } = input;
        let user_id = caller.user()?.user_id;
        let (base, method) = (edit.base(), "EditDocumentContent");
        let AuthorizedTransaction { tx, access, found: (document, earlier, base_content) } = self
            .authorizer
            .begin(caller, &access_target::document(id), DocumentWrite, |conn| {
                let (key, summary) = (key.clone(), change_summary.clone());
                async move {
                    let (document, earlier, base_content, ()) = futures::try_join!(
                        queries::lock(conn, id),
                        idempotency::claim(conn, NAME, user_id, method, key.as_ref(), id),
                        versions::queries::get_base_content(conn, id, base),
                        queries::set_change_summary(conn, summary.as_deref()),
                    )?;
                    Ok((document, earlier, base_content))
                }
                .boxed()
            })
            .await?;
        // Conflicts and patch errors quote the document, and the response has its content.
        access.require(DocumentRead)?;
        let document = document.ok_or_else(|| Error::not_found("document", id))?;
        if earlier.is_some() {
            return Ok((document, false));
        }
        etag::check(&etag, document.head.row_version)?;
        document.head.require_editable()?;
        let content = match self.apply_edit(edit, &document, base_content).await? {
            EditOutcome::Content(content) => content,
            EditOutcome::Conflicts(hunks) => {
                let head = document.head.version;
                return Err(wire::conflict(id, base.unwrap_or(head), head, hunks));
            }
        };
        let change = DocumentChange { content: Some(content), ..Default::default() };
        let Some(change) = change.without_unchanged(&document) else { return Ok((document, false)) };
        Ok((queries::update(tx, &access, id, &change).await?, true))
    }

    /// Applies an edit. `base_content` is `None` if the base is the newest version or does not exist.
    async fn apply_edit(
        &self,
        edit: Edit,
        document: &Document,
        base_content: Option<String>,
    ) -> Result<EditOutcome> {
        let head = &document.head;
        if let Some(base) = edit.base().filter(|base| base_content.is_none() && *base != head.version) {
            return Err(versions::not_found(head.id, base));
        }
        let content = document.content.clone().unwrap_or_default();
        let apply = move |deadline| edit.apply(&content, base_content.as_deref(), deadline);
        Ok(self.comparison_pool.run(apply).await??)
    }

    pub(crate) async fn edit_document_content(
        &self,
        request: Request<pb::EditDocumentContentRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        let caller = Caller::of(&request)?;
        let (document, is_changed) = self.edit_content(&caller, request.into_inner().try_into()?).await?;
        if is_changed {
            self.context.signal.announce();
        }
        Ok(Response::new(document.into()))
    }

    pub(crate) async fn preview_document_edit(
        &self,
        request: Request<pb::PreviewDocumentEditRequest>,
    ) -> Result<Response<pb::PreviewDocumentEditResponse>, Status> {
        let caller = Caller::of(&request)?;
        let PreviewEditInput { id, edit } = request.into_inner().try_into()?;
        let base = edit.base();
        let (document, base_content) = self
            .authorizer
            .begin(&caller, &access_target::document(id), DocumentRead, |conn| {
                async move {
                    futures::try_join!(
                        queries::get(conn, id),
                        versions::queries::get_base_content(conn, id, base)
                    )
                }
                .boxed()
            })
            .await?
            .finish();
        let document = document.ok_or_else(|| Error::not_found("document", id))?;
        let head = document.head.version;
        let base = base.unwrap_or(head);
        let preview = match self.apply_edit(edit, &document, base_content).await? {
            EditOutcome::Conflicts(hunks) => wire::preview(base, head, hunks),
            EditOutcome::Content(content) => pb::PreviewDocumentEditResponse {
                base_version: base,
                head_version: head,
                content: Some(content),
                ..Default::default()
            },
        };
        Ok(Response::new(preview))
    }
}
