//! The methods of imports.

use futures::StreamExt;
use futures::stream::BoxStream;
use proto::content::admin::v1 as pb;
use shared::error::Result;
use shared::service::ServiceContext;
use tonic::{Request, Response, Status, Streaming};

use super::wire::{ImportBatch, validate_comments};
use super::{comments, documents, files};
use crate::handler::ContentHandler;
use crate::uploads::upload_stream::UploadStream;
use shared::access::Authorizer;

impl ContentHandler {
    /// Imports one batch after the other: the next is read when the client has read the response to the last one.
    pub(crate) async fn import_documents(
        &self,
        request: Request<Streaming<pb::ImportDocumentsRequest>>,
    ) -> Result<Response<BoxStream<'static, Result<pb::ImportDocumentsResponse, Status>>>, Status> {
        let (context, authorizer) = (self.context.clone(), self.authorizer.clone());
        let responses = request.into_inner().then(move |request| {
            let (context, authorizer) = (context.clone(), authorizer.clone());
            async move { Ok(import_batch(&context, &authorizer, request?).await?) }
        });
        Ok(Response::new(responses.boxed()))
    }

    /// As [`Self::import_documents`].
    pub(crate) async fn import_comments(
        &self,
        request: Request<Streaming<pb::ImportCommentsRequest>>,
    ) -> Result<Response<BoxStream<'static, Result<pb::ImportCommentsResponse, Status>>>, Status> {
        let (context, authorizer) = (self.context.clone(), self.authorizer.clone());
        let responses = request.into_inner().then(move |request| {
            let (context, authorizer) = (context.clone(), authorizer.clone());
            async move { Ok(import_comment_batch(&context, &authorizer, request?).await?) }
        });
        Ok(Response::new(responses.boxed()))
    }

    pub(crate) async fn import_attachment(
        &self,
        request: Request<Streaming<pb::ImportAttachmentRequest>>,
    ) -> Result<Response<pb::ImportAttachmentResponse>, Status> {
        let stream = UploadStream::new(request)?;
        let result = files::import(&self.context, &self.authorizer, &self.upload_writer, stream).await?;
        Ok(Response::new(pb::ImportAttachmentResponse { result: Some(result) }))
    }
}

async fn import_batch(
    context: &ServiceContext,
    authorizer: &Authorizer,
    request: pb::ImportDocumentsRequest,
) -> Result<pb::ImportDocumentsResponse> {
    let batch = ImportBatch::try_from(request)?;
    Ok(pb::ImportDocumentsResponse { results: documents::import(context, authorizer, batch).await? })
}

async fn import_comment_batch(
    context: &ServiceContext,
    authorizer: &Authorizer,
    request: pb::ImportCommentsRequest,
) -> Result<pb::ImportCommentsResponse> {
    let items = validate_comments(request)?;
    Ok(pb::ImportCommentsResponse { results: comments::import(context, authorizer, items).await? })
}
