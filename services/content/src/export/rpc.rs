//! The export service's methods.

use futures::StreamExt;
use futures::stream::BoxStream;
use proto::content::admin::v1 as pb;
use shared::caller::Caller;
use shared::error::{Error, Result};
use shared::export::{ExportSender, Exports, Snapshot, wanted};
use shared::service::ServiceContext;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::queries;
use super::wire::wanted_file;
use crate::attachments;
use crate::storage::{Piece, Storage};

/// The export service. That only services may call it is in the proto, and enforced before it is reached.
pub struct Exporting {
    context: ServiceContext,
    storage: Storage,
    exports: Exports,
}

impl Exporting {
    /// On this context, from this store.
    pub fn new(context: &ServiceContext, storage: Storage) -> Self {
        Self { context: context.clone(), storage, exports: Exports::new(context) }
    }

    async fn find_file(&self, sha256: &str) -> Result<Vec<Piece>> {
        let tx = self.context.worker.begin_background().await?;
        let pieces = attachments::queries::pieces_of_hash(&tx, sha256).await?;
        tx.finish();
        if pieces.is_empty() { Err(Error::not_found("file", sha256)) } else { Ok(pieces) }
    }
}

impl Exporting {
    pub(crate) async fn export_documents(
        &self,
        request: Request<pb::ExportDocumentsRequest>,
    ) -> Result<Response<BoxStream<'static, Result<pb::ExportDocumentsResponse, Status>>>, Status> {
        let caller = Caller::of(&request)?;
        let projects = wanted("project_ids", &request.into_inner().project_ids)?;
        Ok(Response::new(
            self.exports.stream(&caller, move |snapshot, teller| tell(snapshot, teller, projects))?,
        ))
    }

    pub(crate) async fn export_file(
        &self,
        request: Request<pb::ExportFileRequest>,
    ) -> Result<Response<BoxStream<'static, Result<pb::ExportFileResponse, Status>>>, Status> {
        Caller::of(&request)?.operator()?;
        let pieces = self.find_file(&wanted_file(request.into_inner())?).await?;
        let bytes = self.storage.read(pieces);
        let answers = bytes.map(|chunk| Ok(pb::ExportFileResponse { chunk: chunk.map_err(Status::from)? }));
        Ok(Response::new(answers.boxed()))
    }
}

async fn tell(
    snapshot: Snapshot,
    teller: ExportSender<pb::ExportDocumentsResponse>,
    projects: Vec<Uuid>,
) -> Result<()> {
    let mut rows = snapshot.rows("documents", &queries::weigh_documents(&projects)).await?;
    while let Some(ids) = rows.next().await? {
        let documents = queries::documents(&snapshot, ids).await?.into_iter().map(Into::into).collect();
        teller.tell(pb::ExportDocumentsResponse { documents, ..Default::default() }).await?;
    }
    let mut rows = snapshot.rows("versions", &queries::weigh_versions(&projects)).await?;
    while let Some(ids) = rows.next().await? {
        let versions = queries::versions(&snapshot, ids).await?.into_iter().map(Into::into).collect();
        teller.tell(pb::ExportDocumentsResponse { versions, ..Default::default() }).await?;
    }
    let mut rows = snapshot.rows("attachments", &queries::weigh_attachments(&projects)).await?;
    while let Some(ids) = rows.next().await? {
        let attachments = queries::attachments(&snapshot, ids).await?.into_iter().map(Into::into).collect();
        teller.tell(pb::ExportDocumentsResponse { attachments, ..Default::default() }).await?;
    }
    Ok(())
}
