//! The methods that edit contents.

use futures::FutureExt;
use proto::content::v1 as pb;
use shared::access::Permission::{DocumentRead, DocumentWrite};
use shared::caller::Caller;
use shared::error::{Error, Result};
use shared::service::ServiceContext;
use shared::{etag, idempotency};
use tonic::{Request, Response, Status};

use super::wire::{self, EditContent, PreviewEdit};
use super::{Edit, Outcome};
use crate::NAME;
use crate::comparisons::Comparisons;
use crate::documents::{Document, DocumentChange, queries};
use crate::entrance::{Entered, Entrance, Place};
use crate::versions;

/// The service of edits.
pub struct Editing {
    context: ServiceContext,
    entrance: Entrance,
    comparisons: Comparisons,
}

impl Editing {
    pub fn new(context: ServiceContext, entrance: Entrance, comparisons: Comparisons) -> Self {
        Self { context, entrance, comparisons }
    }

    /// Edits a content, and tells whether that changed the document. The document is held from before its content is
    /// read until the new one is stored, so that of two writers none misses what the other wrote.
    async fn edit(&self, caller: &Caller, wish: EditContent) -> Result<(Document, bool)> {
        let EditContent { key, id, edit, change_summary, etag } = wish;
        let user_id = caller.user()?.user_id;
        let (base, method) = (edit.base(), "EditDocumentContent");
        let Entered { tx, access, found: (document, earlier, base_content) } = self
            .entrance
            .enter(caller, Place::document(id), DocumentWrite, |conn| {
                let (key, summary) = (key.clone(), change_summary.clone());
                async move {
                    let (document, earlier, base_content, ()) = futures::try_join!(
                        queries::lock(conn, id),
                        idempotency::claim(conn, NAME, user_id, method, key.as_ref(), id),
                        versions::queries::base(conn, id, base),
                        queries::summarize(conn, summary.as_deref()),
                    )?;
                    Ok((document, earlier, base_content))
                }
                .boxed()
            })
            .await?;
        let document = document.ok_or_else(|| Error::not_found("document", id))?;
        if earlier.is_some() {
            return Ok((document, false));
        }
        etag::check(&etag, document.head.row_version)?;
        document.head.require_editable()?;
        let content = match self.work(edit, &document, base_content).await? {
            Outcome::Content(content) => content,
            Outcome::Conflicting(hunks) => {
                let head = document.head.version;
                return Err(wire::conflict(id, base.unwrap_or(head), head, hunks));
            }
        };
        let change = DocumentChange { content: Some(content), ..Default::default() };
        let Some(change) = change.against(&document) else { return Ok((document, false)) };
        Ok((queries::save(tx, &access, id, &change).await?, true))
    }

    /// What an edit comes to. `base_content` is missing for edits of the newest version and of versions that are not there.
    async fn work(&self, edit: Edit, document: &Document, base_content: Option<String>) -> Result<Outcome> {
        let head = &document.head;
        if let Some(base) = edit.base().filter(|base| base_content.is_none() && *base != head.version) {
            return Err(versions::not_found(head.id, base));
        }
        let content = document.content.clone().unwrap_or_default();
        let work = move |deadline| edit.apply(&content, base_content.as_deref(), deadline);
        Ok(self.comparisons.run(work).await??)
    }
}

impl Editing {
    pub(crate) async fn edit_document_content(
        &self,
        request: Request<pb::EditDocumentContentRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        let caller = Caller::of(&request)?;
        let (document, is_new) = self.edit(&caller, request.into_inner().try_into()?).await?;
        if is_new {
            self.context.signal.announce();
        }
        Ok(Response::new(document.into()))
    }

    pub(crate) async fn preview_document_edit(
        &self,
        request: Request<pb::PreviewDocumentEditRequest>,
    ) -> Result<Response<pb::PreviewDocumentEditResponse>, Status> {
        let caller = Caller::of(&request)?;
        let PreviewEdit { id, edit } = request.into_inner().try_into()?;
        let base = edit.base();
        let (document, base_content) = self
            .entrance
            .enter(&caller, Place::document(id), DocumentRead, |conn| {
                async move {
                    futures::try_join!(queries::get(conn, id), versions::queries::base(conn, id, base))
                }
                .boxed()
            })
            .await?
            .finish();
        let document = document.ok_or_else(|| Error::not_found("document", id))?;
        let head = document.head.version;
        let base = base.unwrap_or(head);
        let preview = match self.work(edit, &document, base_content).await? {
            Outcome::Conflicting(hunks) => wire::preview(base, head, hunks),
            Outcome::Content(content) => pb::PreviewDocumentEditResponse {
                base_version: base,
                head_version: head,
                content: Some(content),
                ..Default::default()
            },
        };
        Ok(Response::new(preview))
    }
}
