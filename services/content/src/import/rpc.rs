//! The import service's methods.

use futures::StreamExt;
use futures::stream::BoxStream;
use proto::content::admin::v1 as pb;
use shared::error::Result;
use shared::service::ServiceContext;
use tonic::{Request, Response, Status, Streaming};

use super::wire::Batch;
use super::{documents, files};
use crate::entrance::Entrance;
use crate::uploads::incoming::Incoming;
use crate::uploads::upload_session::Intake;

/// The import service. That only services may call it is in the proto, and enforced before it is reached.
pub struct Imports {
    context: ServiceContext,
    entrance: Entrance,
    intake: Intake,
}

impl Imports {
    pub fn new(context: ServiceContext, entrance: Entrance, intake: Intake) -> Self {
        Self { context, entrance, intake }
    }
}

async fn answer(
    context: &ServiceContext,
    entrance: &Entrance,
    request: pb::ImportDocumentsRequest,
) -> Result<pb::ImportDocumentsResponse> {
    let batch = Batch::try_from(request)?;
    Ok(pb::ImportDocumentsResponse { results: documents::import(context, entrance, batch).await? })
}

impl Imports {
    /// Takes one batch at a time: the next is read when the answer to the one before has been taken.
    pub(crate) async fn import_documents(
        &self,
        request: Request<Streaming<pb::ImportDocumentsRequest>>,
    ) -> Result<Response<BoxStream<'static, Result<pb::ImportDocumentsResponse, Status>>>, Status> {
        let (context, entrance) = (self.context.clone(), self.entrance.clone());
        let answers = request.into_inner().then(move |request| {
            let (context, entrance) = (context.clone(), entrance.clone());
            async move { Ok(answer(&context, &entrance, request?).await?) }
        });
        Ok(Response::new(answers.boxed()))
    }

    pub(crate) async fn import_attachment(
        &self,
        request: Request<Streaming<pb::ImportAttachmentRequest>>,
    ) -> Result<Response<pb::ImportAttachmentResponse>, Status> {
        let incoming = Incoming::new(request.into_inner());
        let result = files::import(&self.context, &self.entrance, &self.intake, incoming).await?;
        Ok(Response::new(pb::ImportAttachmentResponse { result: Some(result) }))
    }
}
