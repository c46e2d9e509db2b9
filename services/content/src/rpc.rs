//! Maps the methods of the API to the handler.

use proto::content::admin::v1 as admin;
use proto::content::admin::v1::content_admin_service_server::{
    ContentAdminService, ContentAdminServiceServer,
};
use proto::content::backend::v1 as backend;
use proto::content::backend::v1::document_lookup_service_server::{
    DocumentLookupService, DocumentLookupServiceServer,
};
use proto::content::backend::v1::event_feed_service_server::{EventFeedService, EventFeedServiceServer};
use proto::content::v1 as pb;
use proto::content::v1::attachment_service_server::{AttachmentService, AttachmentServiceServer};
use proto::content::v1::comment_service_server::{CommentService, CommentServiceServer};
use proto::content::v1::document_service_server::{DocumentService, DocumentServiceServer};

use tonic::service::Routes;

use crate::handler::ContentHandler;

/// The servers of all services of this crate.
pub(crate) fn routes(handler: &ContentHandler) -> Routes {
    shared::routes![
        handler => DocumentServiceServer, AttachmentServiceServer, CommentServiceServer,
        EventFeedServiceServer, DocumentLookupServiceServer, ContentAdminServiceServer,
    ]
}

shared::rpc_table! {
    impl AttachmentService for ContentHandler {
        upload_attachment(tonic::Streaming<pb::UploadAttachmentRequest>) -> pb::Attachment;
        #[stream(DownloadAttachmentStream)]
        download_attachment(pb::DownloadAttachmentRequest) -> pb::DownloadAttachmentResponse;
        get_attachment(pb::GetAttachmentRequest) -> pb::Attachment;
        list_attachments(pb::ListAttachmentsRequest) -> pb::ListAttachmentsResponse;
        update_attachment(pb::UpdateAttachmentRequest) -> pb::Attachment;
        delete_attachment(pb::DeleteAttachmentRequest) -> pb::DeleteAttachmentResponse;
        create_upload(pb::CreateUploadRequest) -> pb::Upload;
        upload_chunks(tonic::Streaming<pb::UploadChunksRequest>) -> pb::Upload;
        get_upload(pb::GetUploadRequest) -> pb::Upload;
        complete_upload(pb::CompleteUploadRequest) -> pb::Attachment;
        cancel_upload(pb::CancelUploadRequest) -> pb::Upload;
    }
}

shared::rpc_table! {
    impl DocumentService for ContentHandler {
        create_document(pb::CreateDocumentRequest) -> pb::Document;
        get_document(pb::GetDocumentRequest) -> pb::Document;
        list_documents(pb::ListDocumentsRequest) -> pb::ListDocumentsResponse;
        update_document(pb::UpdateDocumentRequest) -> pb::Document;
        submit_document(pb::SubmitDocumentRequest) -> pb::Document;
        publish_document(pb::PublishDocumentRequest) -> pb::Document;
        archive_document(pb::ArchiveDocumentRequest) -> pb::Document;
        revise_document(pb::ReviseDocumentRequest) -> pb::Document;
        delete_document(pb::DeleteDocumentRequest) -> pb::DeleteDocumentResponse;
        get_document_version(pb::GetDocumentVersionRequest) -> pb::DocumentVersion;
        list_document_versions(pb::ListDocumentVersionsRequest) -> pb::ListDocumentVersionsResponse;
        diff_document_versions(pb::DiffDocumentVersionsRequest) -> pb::DocumentDiff;
        restore_document_version(pb::RestoreDocumentVersionRequest) -> pb::Document;
        edit_document_content(pb::EditDocumentContentRequest) -> pb::Document;
        preview_document_edit(pb::PreviewDocumentEditRequest) -> pb::PreviewDocumentEditResponse;
        search_documents(pb::SearchDocumentsRequest) -> pb::SearchDocumentsResponse;
        #[stream(WatchDocumentsStream)]
        watch_documents(pb::WatchDocumentsRequest) -> pb::WatchDocumentsResponse;
    }
}

shared::rpc_table! {
    impl CommentService for ContentHandler {
        create_comment(pb::CreateCommentRequest) -> pb::Comment;
        get_comment(pb::GetCommentRequest) -> pb::Comment;
        list_comments(pb::ListCommentsRequest) -> pb::ListCommentsResponse;
        update_comment(pb::UpdateCommentRequest) -> pb::Comment;
        list_comment_versions(pb::ListCommentVersionsRequest) -> pb::ListCommentVersionsResponse;
        resolve_comment(pb::ResolveCommentRequest) -> pb::Comment;
        reopen_comment(pb::ReopenCommentRequest) -> pb::Comment;
        add_comment_reaction(pb::AddCommentReactionRequest) -> pb::Comment;
        remove_comment_reaction(pb::RemoveCommentReactionRequest) -> pb::Comment;
        delete_comment(pb::DeleteCommentRequest) -> pb::Comment;
        batch_count_comments(pb::BatchCountCommentsRequest) -> pb::BatchCountCommentsResponse;
        search_comments(pb::SearchCommentsRequest) -> pb::SearchCommentsResponse;
        #[stream(WatchCommentsStream)]
        watch_comments(pb::WatchCommentsRequest) -> pb::WatchCommentsResponse;
    }
}

shared::rpc_table! {
    impl ContentAdminService for ContentHandler {
        #[stream(ImportDocumentsStream)]
        import_documents(tonic::Streaming<admin::ImportDocumentsRequest>) -> admin::ImportDocumentsResponse;
        #[stream(ImportCommentsStream)]
        import_comments(tonic::Streaming<admin::ImportCommentsRequest>) -> admin::ImportCommentsResponse;
        import_attachment(tonic::Streaming<admin::ImportAttachmentRequest>) -> admin::ImportAttachmentResponse;
        #[stream(ExportDocumentsStream)]
        export_documents(admin::ExportDocumentsRequest) -> admin::ExportDocumentsResponse;
        #[stream(ExportFileStream)]
        export_file(admin::ExportFileRequest) -> admin::ExportFileResponse;
    }
}

shared::rpc_table! {
    impl DocumentLookupService for ContentHandler {
        resolve_document(backend::ResolveDocumentRequest) -> backend::ResolvedDocument;
    }
}

shared::rpc_table! {
    impl EventFeedService for ContentHandler {
        #[stream(WatchEventsStream)]
        watch_events(backend::WatchEventsRequest) -> backend::WatchEventsResponse;
    }
}
