//! The handler of all RPCs of this service.

use shared::access::{Authorizer, GatheredProjectReads};
use shared::export::Exports;
use shared::service::ServiceContext;

use crate::comparison_pool::ComparisonPool;
use crate::documents::{self, Document};
use crate::storage::Storage;
use crate::uploads::writer::UploadWriter;

/// Implements all services of the content API. Its methods live with the resources that they are about.
#[derive(Clone)]
pub(crate) struct ContentHandler {
    pub context: ServiceContext,
    pub authorizer: Authorizer,
    pub document_reads: GatheredProjectReads<Document>,
    pub comparison_pool: ComparisonPool,
    pub upload_writer: UploadWriter,
    pub storage: Storage,
    pub exports: Exports,
}

impl ContentHandler {
    pub(crate) fn new(
        context: ServiceContext,
        authorizer: Authorizer,
        comparison_pool: ComparisonPool,
        upload_writer: UploadWriter,
        storage: Storage,
    ) -> Self {
        Self {
            authorizer,
            document_reads: documents::queries::gathered_reads(&context.database),
            comparison_pool,
            upload_writer,
            storage,
            exports: Exports::new(&context),
            context,
        }
    }
}
