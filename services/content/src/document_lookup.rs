//! Existing documents, for services whose data refers to documents.

use proto::content::backend::v1 as pb;
use tonic::{Request, Response, Status};

use crate::access_target;
use crate::documents::wire::document_id;
use crate::handler::ContentHandler;

impl ContentHandler {
    pub(crate) async fn resolve_document(
        &self,
        request: Request<pb::ResolveDocumentRequest>,
    ) -> Result<Response<pb::ResolvedDocument>, Status> {
        let id = document_id(&request.get_ref().document_id)?;
        let target = access_target::document(id);
        let project = self.authorizer.projects_of(std::slice::from_ref(&target)).await?.into_iter().next();
        let project_id = project.ok_or_else(|| target.not_found())?.to_string();
        Ok(Response::new(pb::ResolvedDocument { document_id: id.to_string(), project_id }))
    }
}
