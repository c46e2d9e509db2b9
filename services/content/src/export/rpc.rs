//! The methods of exports.

use futures::StreamExt;
use futures::stream::BoxStream;
use proto::content::admin::v1 as pb;
use shared::caller::Caller;
use shared::error::{Error, Result};
use shared::export::{ExportSender, Snapshot, parse_ids};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::queries;
use super::wire::requested_hash;
use crate::attachments;
use crate::handler::ContentHandler;
use crate::storage::ObjectRange;

impl ContentHandler {
    async fn find_file(&self, sha256: &str) -> Result<Vec<ObjectRange>> {
        let tx = self.context.worker.begin_background().await?;
        let ranges = attachments::queries::find_blob_ranges(&tx, sha256).await?;
        tx.finish();
        if ranges.is_empty() { Err(Error::not_found("file", sha256)) } else { Ok(ranges) }
    }

    pub(crate) async fn export_documents(
        &self,
        request: Request<pb::ExportDocumentsRequest>,
    ) -> Result<Response<BoxStream<'static, Result<pb::ExportDocumentsResponse, Status>>>, Status> {
        let caller = Caller::of(&request)?;
        let projects = parse_ids("project_ids", &request.into_inner().project_ids)?;
        Ok(Response::new(
            self.exports.stream(&caller, move |snapshot, sender| send_rows(snapshot, sender, projects))?,
        ))
    }

    pub(crate) async fn export_file(
        &self,
        request: Request<pb::ExportFileRequest>,
    ) -> Result<Response<BoxStream<'static, Result<pb::ExportFileResponse, Status>>>, Status> {
        Caller::of(&request)?.operator()?;
        let ranges = self.find_file(&requested_hash(request.into_inner())?).await?;
        let bytes = self.storage.read(ranges);
        let responses = bytes.map(|chunk| Ok(pb::ExportFileResponse { chunk: chunk.map_err(Status::from)? }));
        Ok(Response::new(responses.boxed()))
    }
}

async fn send_rows(
    snapshot: Snapshot,
    sender: ExportSender<pb::ExportDocumentsResponse>,
    projects: Vec<Uuid>,
) -> Result<()> {
    let mut rows = snapshot.rows("documents", &queries::document_ids_with_sizes(&projects)).await?;
    while let Some(ids) = rows.next().await? {
        let documents = queries::documents(&snapshot, ids).await?.into_iter().map(Into::into).collect();
        sender.send(pb::ExportDocumentsResponse { documents, ..Default::default() }).await?;
    }
    let mut rows = snapshot.rows("versions", &queries::version_ids_with_sizes(&projects)).await?;
    while let Some(ids) = rows.next().await? {
        let versions = queries::versions(&snapshot, ids).await?.into_iter().map(Into::into).collect();
        sender.send(pb::ExportDocumentsResponse { versions, ..Default::default() }).await?;
    }
    let mut rows = snapshot.rows("attachments", &queries::attachment_ids_with_sizes(&projects)).await?;
    while let Some(ids) = rows.next().await? {
        let attachments = queries::attachments(&snapshot, ids).await?.into_iter().map(Into::into).collect();
        sender.send(pb::ExportDocumentsResponse { attachments, ..Default::default() }).await?;
    }
    let mut rows = snapshot.rows("comments", &queries::comment_ids_with_sizes(&projects)).await?;
    while let Some(ids) = rows.next().await? {
        let comments = queries::comments(&snapshot, ids).await?.into_iter().map(Into::into).collect();
        sender.send(pb::ExportDocumentsResponse { comments, ..Default::default() }).await?;
    }
    Ok(())
}
