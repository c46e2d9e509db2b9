//! Which handler answers each method of the API.

use proto::content::admin::v1 as admin;
use proto::content::admin::v1::content_admin_service_server::ContentAdminService;
use proto::content::v1 as pb;
use proto::content::v1::attachment_service_server::AttachmentService;
use proto::content::v1::document_service_server::DocumentService;

use crate::attachments::rpc::AttachmentHandler;
use crate::documents::rpc::DocumentHandler;
use crate::editing::rpc::EditHandler;
use crate::export::rpc::ExportHandler;
use crate::feed::rpc::FeedHandler;
use crate::import::rpc::ImportHandler;
use crate::search::rpc::SearchHandler;
use crate::uploads::rpc::UploadHandler;
use crate::versions::rpc::VersionHandler;

pub(crate) struct AttachmentServiceHandler {
    pub(crate) attachments: AttachmentHandler,
    pub(crate) uploads: UploadHandler,
}

pub(crate) struct DocumentServiceHandler {
    pub(crate) documents: DocumentHandler,
    pub(crate) versions: VersionHandler,
    pub(crate) edits: EditHandler,
    pub(crate) search: SearchHandler,
    pub(crate) feed: FeedHandler,
}

pub(crate) struct ContentAdminServiceHandler {
    pub(crate) imports: ImportHandler,
    pub(crate) exports: ExportHandler,
}

shared::rpc_table! {
    impl AttachmentService for AttachmentServiceHandler {
        upload_attachment(tonic::Streaming<pb::UploadAttachmentRequest>) -> pb::Attachment = attachments;
        #[stream(DownloadAttachmentStream)]
        download_attachment(pb::DownloadAttachmentRequest) -> pb::DownloadAttachmentResponse = attachments;
        get_attachment(pb::GetAttachmentRequest) -> pb::Attachment = attachments;
        list_attachments(pb::ListAttachmentsRequest) -> pb::ListAttachmentsResponse = attachments;
        update_attachment(pb::UpdateAttachmentRequest) -> pb::Attachment = attachments;
        delete_attachment(pb::DeleteAttachmentRequest) -> pb::DeleteAttachmentResponse = attachments;
        create_upload(pb::CreateUploadRequest) -> pb::Upload = uploads;
        upload_chunks(tonic::Streaming<pb::UploadChunksRequest>) -> pb::Upload = uploads;
        get_upload(pb::GetUploadRequest) -> pb::Upload = uploads;
        complete_upload(pb::CompleteUploadRequest) -> pb::Attachment = uploads;
        cancel_upload(pb::CancelUploadRequest) -> pb::Upload = uploads;
    }
}

shared::rpc_table! {
    impl DocumentService for DocumentServiceHandler {
        create_document(pb::CreateDocumentRequest) -> pb::Document = documents;
        get_document(pb::GetDocumentRequest) -> pb::Document = documents;
        list_documents(pb::ListDocumentsRequest) -> pb::ListDocumentsResponse = documents;
        update_document(pb::UpdateDocumentRequest) -> pb::Document = documents;
        submit_document(pb::SubmitDocumentRequest) -> pb::Document = documents;
        publish_document(pb::PublishDocumentRequest) -> pb::Document = documents;
        archive_document(pb::ArchiveDocumentRequest) -> pb::Document = documents;
        revise_document(pb::ReviseDocumentRequest) -> pb::Document = documents;
        delete_document(pb::DeleteDocumentRequest) -> pb::DeleteDocumentResponse = documents;
        get_document_version(pb::GetDocumentVersionRequest) -> pb::DocumentVersion = versions;
        list_document_versions(pb::ListDocumentVersionsRequest) -> pb::ListDocumentVersionsResponse = versions;
        diff_document_versions(pb::DiffDocumentVersionsRequest) -> pb::DocumentDiff = versions;
        restore_document_version(pb::RestoreDocumentVersionRequest) -> pb::Document = versions;
        edit_document_content(pb::EditDocumentContentRequest) -> pb::Document = edits;
        preview_document_edit(pb::PreviewDocumentEditRequest) -> pb::PreviewDocumentEditResponse = edits;
        search_documents(pb::SearchDocumentsRequest) -> pb::SearchDocumentsResponse = search;
        #[stream(WatchDocumentsStream)]
        watch_documents(pb::WatchDocumentsRequest) -> pb::WatchDocumentsResponse = feed;
    }
}

shared::rpc_table! {
    impl ContentAdminService for ContentAdminServiceHandler {
        #[stream(ImportDocumentsStream)]
        import_documents(tonic::Streaming<admin::ImportDocumentsRequest>) -> admin::ImportDocumentsResponse = imports;
        import_attachment(tonic::Streaming<admin::ImportAttachmentRequest>) -> admin::ImportAttachmentResponse = imports;
        #[stream(ExportDocumentsStream)]
        export_documents(admin::ExportDocumentsRequest) -> admin::ExportDocumentsResponse = exports;
        #[stream(ExportFileStream)]
        export_file(admin::ExportFileRequest) -> admin::ExportFileResponse = exports;
    }
}
