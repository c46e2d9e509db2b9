//! Which method of the API is answered where.

use proto::content::admin::v1 as admin;
use proto::content::admin::v1::content_admin_service_server::ContentAdminService;
use proto::content::v1 as pb;
use proto::content::v1::attachment_service_server::AttachmentService;
use proto::content::v1::document_service_server::DocumentService;

use crate::attachments::rpc::Attachments;
use crate::documents::rpc::Documents;
use crate::editing::rpc::Editing;
use crate::export::rpc::Exporting;
use crate::import::rpc::Imports;
use crate::search::rpc::Searching;
use crate::uploads::rpc::Uploads;

/// Implements `AttachmentService`.
pub(crate) struct AttachmentHandler {
    pub(crate) attachments: Attachments,
    pub(crate) uploads: Uploads,
}

/// Implements `DocumentService`.
pub(crate) struct DocumentHandler {
    pub(crate) documents: Documents,
    pub(crate) editing: Editing,
    pub(crate) search: Searching,
}

/// Implements `ContentAdminService`.
pub(crate) struct ContentAdminHandler {
    pub(crate) importing: Imports,
    pub(crate) exporting: Exporting,
}

shared::rpc_table! {
    impl AttachmentService for AttachmentHandler {
        upload_attachment(tonic::Streaming<pb::UploadAttachmentRequest>) -> pb::Attachment = attachments;
        #[stream(DownloadAttachmentStream)]
        download_attachment(pb::DownloadAttachmentRequest) -> pb::DownloadAttachmentResponse = attachments;
        get_attachment(pb::GetAttachmentRequest) -> pb::Attachment = attachments;
        list_attachments(pb::ListAttachmentsRequest) -> pb::ListAttachmentsResponse = attachments;
        delete_attachment(pb::DeleteAttachmentRequest) -> pb::DeleteAttachmentResponse = attachments;
        create_upload(pb::CreateUploadRequest) -> pb::Upload = uploads;
        upload_chunks(tonic::Streaming<pb::UploadChunksRequest>) -> pb::Upload = uploads;
        get_upload(pb::GetUploadRequest) -> pb::Upload = uploads;
        complete_upload(pb::CompleteUploadRequest) -> pb::Attachment = uploads;
        cancel_upload(pb::CancelUploadRequest) -> pb::Upload = uploads;
    }
}

shared::rpc_table! {
    impl DocumentService for DocumentHandler {
        create_document(pb::CreateDocumentRequest) -> pb::Document = documents;
        get_document(pb::GetDocumentRequest) -> pb::Document = documents;
        list_documents(pb::ListDocumentsRequest) -> pb::ListDocumentsResponse = documents;
        update_document(pb::UpdateDocumentRequest) -> pb::Document = documents;
        submit_document(pb::SubmitDocumentRequest) -> pb::Document = documents;
        publish_document(pb::PublishDocumentRequest) -> pb::Document = documents;
        archive_document(pb::ArchiveDocumentRequest) -> pb::Document = documents;
        revise_document(pb::ReviseDocumentRequest) -> pb::Document = documents;
        delete_document(pb::DeleteDocumentRequest) -> pb::DeleteDocumentResponse = documents;
        get_document_version(pb::GetDocumentVersionRequest) -> pb::DocumentVersion = documents;
        list_document_versions(pb::ListDocumentVersionsRequest) -> pb::ListDocumentVersionsResponse = documents;
        diff_document_versions(pb::DiffDocumentVersionsRequest) -> pb::DocumentDiff = documents;
        restore_document_version(pb::RestoreDocumentVersionRequest) -> pb::Document = documents;
        edit_document_content(pb::EditDocumentContentRequest) -> pb::Document = editing;
        preview_document_edit(pb::PreviewDocumentEditRequest) -> pb::PreviewDocumentEditResponse = editing;
        search_documents(pb::SearchDocumentsRequest) -> pb::SearchDocumentsResponse = search;
    }
}

shared::rpc_table! {
    impl ContentAdminService for ContentAdminHandler {
        #[stream(ImportDocumentsStream)]
        import_documents(tonic::Streaming<admin::ImportDocumentsRequest>) -> admin::ImportDocumentsResponse = importing;
        import_attachment(tonic::Streaming<admin::ImportAttachmentRequest>) -> admin::ImportAttachmentResponse = importing;
        #[stream(ExportDocumentsStream)]
        export_documents(admin::ExportDocumentsRequest) -> admin::ExportDocumentsResponse = exporting;
        #[stream(ExportFileStream)]
        export_file(admin::ExportFileRequest) -> admin::ExportFileResponse = exporting;
    }
}
