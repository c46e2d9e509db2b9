//! One request for each public method of project, task and content: well-formed, about things that are there, and
//! such that whoever passes the check of permission changes nothing that the next caller needs. Most carry a stale
//! etag, so that they are ABORTED right after it.

use prost::Message;
use proto::content::v1 as content;
use proto::content::v1::content_edit::Edit;
use proto::content::v1::content_target::Target;
use proto::content::v1::upload_attachment_request::Part as WholePart;
use proto::content::v1::upload_chunks_request::Part as ChunkPart;
use proto::project::v1 as project;
use testkit::new_id;

use super::sample::{Ids, Sample, stale};
use super::task_requests;

fn edit() -> Option<content::ContentEdit> {
    let replacement = content::ContentReplacement { base_version: 1, content: "more".to_owned() };
    Some(content::ContentEdit { edit: Some(Edit::Replacement(replacement)) })
}

/// In the order in which a caller sends them.
pub fn all(ids: &Ids) -> Vec<Sample> {
    [
        of_projects(ids),
        of_people(ids),
        of_invitations(ids),
        of_inboxes(ids),
        of_webhooks(ids),
        task_requests::all(ids),
        of_documents(ids),
        of_files(ids),
        of_comments(ids),
    ]
    .into_iter()
    .flatten()
    .chain([leaving(ids)])
    .collect()
}

/// Last, since afterwards the caller is a stranger.
fn leaving(ids: &Ids) -> Sample {
    let request = project::LeaveProjectRequest { project_id: ids.project.clone() };
    ("project.v1.MemberService/LeaveProject", request.encode_to_vec())
}

fn of_projects(ids: &Ids) -> Vec<Sample> {
    use project::*;
    let (project_id, etag) = (ids.project.clone(), stale());
    let unchanged = Project { id: project_id.clone(), etag: etag.clone(), ..Default::default() };
    let by_verb = CompleteProjectRequest { project_id: project_id.clone(), etag }.encode_to_vec();
    let by_id = GetProjectRequest { project_id: project_id.clone() }.encode_to_vec();
    let create = CreateProjectRequest {
        project: Some(Project { name: "another".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    let update = UpdateProjectRequest { project: Some(unchanged), update_mask: None, ..Default::default() };
    let history = ListProjectHistoryRequest { project_id: project_id.clone(), ..Default::default() };
    let members_at =
        ListMembersAtRequest { project_id: project_id.clone(), at_time: ids.at, ..Default::default() };
    let watch = WatchProjectRequest { project_id: project_id.clone(), ..Default::default() };
    vec![
        ("project.v1.ProjectService/CreateProject", create.encode_to_vec()),
        ("project.v1.ProjectService/GetProject", by_id.clone()),
        ("project.v1.ProjectService/ListProjects", Vec::new()),
        ("project.v1.ProjectService/UpdateProject", update.encode_to_vec()),
        ("project.v1.ProjectService/CompleteProject", by_verb.clone()),
        ("project.v1.ProjectService/CancelProject", by_verb.clone()),
        ("project.v1.ProjectService/ArchiveProject", by_verb.clone()),
        ("project.v1.ProjectService/ReopenProject", by_verb.clone()),
        ("project.v1.ProjectService/DeleteProject", by_verb),
        ("project.v1.ProjectService/GetEffectivePermissions", by_id),
        ("project.v1.ProjectService/WatchProject", watch.encode_to_vec()),
        ("project.v1.ProjectService/ListProjectHistory", history.encode_to_vec()),
        (
            "project.v1.ProjectService/GetProjectAt",
            GetProjectAtRequest { project_id, at_time: ids.at }.encode_to_vec(),
        ),
        ("project.v1.MemberService/ListMembersAt", members_at.encode_to_vec()),
    ]
}

fn of_people(ids: &Ids) -> Vec<Sample> {
    use project::*;
    let (project_id, user_id, etag) = (ids.project.clone(), ids.member.clone(), stale());
    let add = AddMemberRequest {
        member: Some(Member {
            project_id: project_id.clone(),
            user_id: user_id.clone(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let unchanged =
        Member { project_id: project_id.clone(), user_id: user_id.clone(), etag, ..Default::default() };
    let update = UpdateMemberRequest { member: Some(unchanged), update_mask: None };
    let get = GetMemberRequest { project_id: project_id.clone(), user_id: user_id.clone() };
    let remove = RemoveMemberRequest {
        project_id: project_id.clone(),
        user_id: ids.owner.clone(),
        ..Default::default()
    };
    let offer = OfferOwnershipRequest { project_id: project_id.clone(), user_id, ..Default::default() };
    let answer = AcceptOwnershipRequest {
        project_id: project_id.clone(),
        transfer_id: ids.transfer.clone(),
        etag: stale(),
    };
    let get_offer =
        GetOwnershipTransferRequest { project_id: project_id.clone(), transfer_id: ids.transfer.clone() };
    let list = ListMembersRequest { project_id, ..Default::default() }.encode_to_vec();
    vec![
        ("project.v1.MemberService/AddMember", add.encode_to_vec()),
        ("project.v1.MemberService/GetMember", get.encode_to_vec()),
        ("project.v1.MemberService/ListMembers", list.clone()),
        ("project.v1.MemberService/UpdateMember", update.encode_to_vec()),
        ("project.v1.MemberService/RemoveMember", remove.encode_to_vec()),
        ("project.v1.MemberService/OfferOwnership", offer.encode_to_vec()),
        ("project.v1.MemberService/GetOwnershipTransfer", get_offer.encode_to_vec()),
        ("project.v1.MemberService/ListOwnershipTransfers", list),
        ("project.v1.MemberService/AcceptOwnership", answer.encode_to_vec()),
        ("project.v1.MemberService/DeclineOwnership", answer.encode_to_vec()),
        ("project.v1.MemberService/WithdrawOwnership", answer.encode_to_vec()),
    ]
}

fn of_invitations(ids: &Ids) -> Vec<Sample> {
    use project::*;
    let project_id = ids.project.clone();
    let invite = CreateInvitationRequest {
        invitation: Some(Invitation {
            project_id: project_id.clone(),
            email: "somebody@example.org".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let by_invitation = WithdrawInvitationRequest {
        project_id: project_id.clone(),
        invitation_id: ids.invitation.clone(),
        etag: stale(),
    };
    let resend = ResendInvitationRequest {
        request_id: new_id(),
        project_id: project_id.clone(),
        invitation_id: ids.invitation.clone(),
        etag: stale(),
        ..Default::default()
    };
    let get_invitation =
        GetInvitationRequest { project_id: project_id.clone(), invitation_id: ids.invitation.clone() };
    let accept = AcceptInvitationRequest { token: format!("dfi_{}", "A".repeat(43)) };
    let list = ListInvitationsRequest { project_id, ..Default::default() };
    vec![
        ("project.v1.MemberService/CreateInvitation", invite.encode_to_vec()),
        ("project.v1.MemberService/GetInvitation", get_invitation.encode_to_vec()),
        ("project.v1.MemberService/ListInvitations", list.encode_to_vec()),
        ("project.v1.MemberService/ResendInvitation", resend.encode_to_vec()),
        ("project.v1.MemberService/WithdrawInvitation", by_invitation.encode_to_vec()),
        ("project.v1.MemberService/AcceptInvitation", accept.encode_to_vec()),
        ("project.v1.MemberService/DeclineInvitation", accept.encode_to_vec()),
    ]
}

/// About a subscription to the task, and the caller's own inbox.
fn of_inboxes(ids: &Ids) -> Vec<Sample> {
    use project::*;
    use subscription_target::Target;
    let project_id = ids.project.clone();
    let target = |target| Some(SubscriptionTarget { target: Some(target) });
    let by_task = SubscribeRequest { target: target(Target::TaskId(ids.task.clone())) }.encode_to_vec();
    let by_project = UnsubscribeRequest { target: target(Target::ProjectId(project_id.clone())) };
    let mark = MarkNotificationsReadRequest { position: 1 };
    let get = GetNotificationPreferencesRequest { project_id: project_id.clone() };
    let unchanged = NotificationPreferences { project_id, etag: stale(), ..Default::default() };
    let update = UpdateNotificationPreferencesRequest { preferences: Some(unchanged), update_mask: None };
    vec![
        ("project.v1.NotificationService/Subscribe", by_task.clone()),
        ("project.v1.NotificationService/GetSubscription", by_task),
        ("project.v1.NotificationService/ListSubscriptions", Vec::new()),
        ("project.v1.NotificationService/Unsubscribe", by_project.encode_to_vec()),
        ("project.v1.NotificationService/ListNotifications", Vec::new()),
        ("project.v1.NotificationService/CountUnreadNotifications", Vec::new()),
        ("project.v1.NotificationService/MarkNotificationsRead", mark.encode_to_vec()),
        ("project.v1.NotificationService/WatchInbox", Vec::new()),
        ("project.v1.NotificationService/GetNotificationPreferences", get.encode_to_vec()),
        ("project.v1.NotificationService/UpdateNotificationPreferences", update.encode_to_vec()),
    ]
}

fn of_webhooks(ids: &Ids) -> Vec<Sample> {
    use project::*;
    let (webhook_id, etag) = (ids.webhook.clone(), stale());
    let create = CreateWebhookRequest {
        webhook: Some(Webhook {
            project_id: ids.project.clone(),
            url: "https://hooks.example.org/".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let by_id = GetWebhookRequest { webhook_id: webhook_id.clone() }.encode_to_vec();
    let list = ListWebhooksRequest { project_id: ids.project.clone(), ..Default::default() };
    let unchanged = Webhook { id: webhook_id.clone(), etag: etag.clone(), ..Default::default() };
    let update = UpdateWebhookRequest { webhook: Some(unchanged), ..Default::default() };
    let by_verb = DeleteWebhookRequest { webhook_id: webhook_id.clone(), etag: etag.clone() }.encode_to_vec();
    let rotate = RotateWebhookSecretRequest { webhook_id: webhook_id.clone(), etag, ..Default::default() };
    let test = SendTestEventRequest { request_id: new_id(), webhook_id: webhook_id.clone() };
    let webhook_delivery_id = ids.webhook_delivery.clone();
    let delivery = GetWebhookDeliveryRequest { webhook_delivery_id: webhook_delivery_id.clone() };
    let deliveries = ListWebhookDeliveriesRequest { webhook_id, ..Default::default() };
    let redeliver = RedeliverWebhookRequest { request_id: new_id(), webhook_delivery_id };
    vec![
        ("project.v1.WebhookService/CreateWebhook", create.encode_to_vec()),
        ("project.v1.WebhookService/GetWebhook", by_id),
        ("project.v1.WebhookService/ListWebhooks", list.encode_to_vec()),
        ("project.v1.WebhookService/UpdateWebhook", update.encode_to_vec()),
        ("project.v1.WebhookService/DeleteWebhook", by_verb.clone()),
        ("project.v1.WebhookService/PauseWebhook", by_verb.clone()),
        ("project.v1.WebhookService/ResumeWebhook", by_verb),
        ("project.v1.WebhookService/RotateWebhookSecret", rotate.encode_to_vec()),
        ("project.v1.WebhookService/SendTestEvent", test.encode_to_vec()),
        ("project.v1.WebhookService/GetWebhookDelivery", delivery.encode_to_vec()),
        ("project.v1.WebhookService/ListWebhookDeliveries", deliveries.encode_to_vec()),
        ("project.v1.WebhookService/RedeliverWebhook", redeliver.encode_to_vec()),
    ]
}

fn of_documents(ids: &Ids) -> Vec<Sample> {
    use content::*;
    let (project_id, document_id, etag) = (ids.project.clone(), ids.document.clone(), stale());
    let create = CreateDocumentRequest {
        document: Some(Document {
            project_id: project_id.clone(),
            title: "another".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let unchanged = Document { id: document_id.clone(), etag: etag.clone(), ..Default::default() };
    let update = UpdateDocumentRequest { document: Some(unchanged), ..Default::default() };
    let by_verb =
        SubmitDocumentRequest { document_id: document_id.clone(), etag: etag.clone() }.encode_to_vec();
    let by_id = GetDocumentRequest { document_id: document_id.clone() }.encode_to_vec();
    let version = GetDocumentVersionRequest { document_id: document_id.clone(), version_number: 1 };
    let diff = DiffDocumentVersionsRequest {
        document_id: document_id.clone(),
        old_version: 1,
        ..Default::default()
    };
    let restore = RestoreDocumentVersionRequest {
        request_id: new_id(),
        document_id: document_id.clone(),
        version_number: 1,
        etag: etag.clone(),
    };
    let watch = WatchDocumentsRequest { project_id: project_id.clone(), ..Default::default() };
    let change = EditDocumentContentRequest {
        request_id: new_id(),
        document_id: document_id.clone(),
        edit: edit(),
        etag,
        ..Default::default()
    };
    let preview = PreviewDocumentEditRequest { document_id, edit: edit() };
    let list = ListDocumentsRequest {
        filter: Some(DocumentFilter { project_ids: vec![project_id.clone()], ..Default::default() }),
        ..Default::default()
    };
    let search = SearchDocumentsRequest {
        filter: Some(DocumentFilter { project_ids: vec![project_id], ..Default::default() }),
        query: "plan".to_owned(),
        ..Default::default()
    };
    vec![
        ("content.v1.DocumentService/CreateDocument", create.encode_to_vec()),
        ("content.v1.DocumentService/GetDocument", by_id.clone()),
        ("content.v1.DocumentService/ListDocuments", list.encode_to_vec()),
        ("content.v1.DocumentService/UpdateDocument", update.encode_to_vec()),
        ("content.v1.DocumentService/SubmitDocument", by_verb.clone()),
        ("content.v1.DocumentService/PublishDocument", by_verb.clone()),
        ("content.v1.DocumentService/ArchiveDocument", by_verb.clone()),
        ("content.v1.DocumentService/ReviseDocument", by_verb.clone()),
        ("content.v1.DocumentService/DeleteDocument", by_verb),
        ("content.v1.DocumentService/GetDocumentVersion", version.encode_to_vec()),
        ("content.v1.DocumentService/ListDocumentVersions", by_id),
        ("content.v1.DocumentService/DiffDocumentVersions", diff.encode_to_vec()),
        ("content.v1.DocumentService/RestoreDocumentVersion", restore.encode_to_vec()),
        ("content.v1.DocumentService/EditDocumentContent", change.encode_to_vec()),
        ("content.v1.DocumentService/PreviewDocumentEdit", preview.encode_to_vec()),
        ("content.v1.DocumentService/SearchDocuments", search.encode_to_vec()),
        ("content.v1.DocumentService/WatchDocuments", watch.encode_to_vec()),
    ]
}

fn of_files(ids: &Ids) -> Vec<Sample> {
    use content::*;
    let target = Some(ContentTarget { target: Some(Target::TaskId(ids.task.clone())) });
    let filename = "plan.txt".to_owned();
    let header = UploadHeader { target: target.clone(), filename: filename.clone(), ..Default::default() };
    let whole = UploadAttachmentRequest { part: Some(WholePart::Header(header)) };
    let begin = CreateUploadRequest {
        request_id: new_id(),
        upload: Some(Upload { target: target.clone(), filename, size: 10, ..Default::default() }),
    };
    let upload_id = ids.upload.clone();
    let header = UploadChunksHeader { upload_id: upload_id.clone(), offset: 0 };
    let chunks = UploadChunksRequest { part: Some(ChunkPart::Header(header)) };
    let by_upload = GetUploadRequest { upload_id }.encode_to_vec();
    let by_id = GetAttachmentRequest { attachment_id: ids.attachment.clone() }.encode_to_vec();
    let unchanged = Attachment { id: ids.attachment.clone(), etag: stale(), ..Default::default() };
    let update = UpdateAttachmentRequest { attachment: Some(unchanged), ..Default::default() };
    let list = ListAttachmentsRequest { target, ..Default::default() };
    vec![
        ("content.v1.AttachmentService/UploadAttachment", whole.encode_to_vec()),
        ("content.v1.AttachmentService/DownloadAttachment", by_id.clone()),
        ("content.v1.AttachmentService/GetAttachment", by_id.clone()),
        ("content.v1.AttachmentService/ListAttachments", list.encode_to_vec()),
        ("content.v1.AttachmentService/UpdateAttachment", update.encode_to_vec()),
        ("content.v1.AttachmentService/DeleteAttachment", by_id),
        ("content.v1.AttachmentService/CreateUpload", begin.encode_to_vec()),
        ("content.v1.AttachmentService/UploadChunks", chunks.encode_to_vec()),
        ("content.v1.AttachmentService/GetUpload", by_upload.clone()),
        ("content.v1.AttachmentService/CompleteUpload", by_upload.clone()),
        ("content.v1.AttachmentService/CancelUpload", by_upload),
    ]
}

/// Most are about a comment of the owner's on the task.
fn of_comments(ids: &Ids) -> Vec<Sample> {
    use content::*;
    let target = Some(ContentTarget { target: Some(Target::TaskId(ids.task.clone())) });
    let comment_id = ids.comment.clone();
    let create = CreateCommentRequest {
        comment: Some(Comment { target: target.clone(), content: "more".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    let by_id = GetCommentRequest { comment_id: comment_id.clone() }.encode_to_vec();
    let by_verb = ResolveCommentRequest { comment_id: comment_id.clone(), etag: stale() }.encode_to_vec();
    let unchanged = Comment { id: comment_id.clone(), etag: stale(), ..Default::default() };
    let update = UpdateCommentRequest { comment: Some(unchanged), ..Default::default() };
    let reopen = ReopenCommentRequest { comment_id: comment_id.clone(), etag: stale() };
    let react = AddCommentReactionRequest { comment_id, emoji: "👍".to_owned() }.encode_to_vec();
    let list = ListCommentsRequest { target: target.clone(), ..Default::default() };
    let counts = BatchCountCommentsRequest { targets: target.into_iter().collect() };
    let search = SearchCommentsRequest {
        query: "plan".to_owned(),
        project_ids: vec![ids.project.clone()],
        ..Default::default()
    };
    let watch = WatchCommentsRequest { project_id: ids.project.clone(), ..Default::default() };
    vec![
        ("content.v1.CommentService/CreateComment", create.encode_to_vec()),
        ("content.v1.CommentService/GetComment", by_id.clone()),
        ("content.v1.CommentService/ListComments", list.encode_to_vec()),
        ("content.v1.CommentService/UpdateComment", update.encode_to_vec()),
        ("content.v1.CommentService/ListCommentVersions", by_id),
        ("content.v1.CommentService/ResolveComment", by_verb.clone()),
        ("content.v1.CommentService/ReopenComment", reopen.encode_to_vec()),
        ("content.v1.CommentService/AddCommentReaction", react.clone()),
        ("content.v1.CommentService/RemoveCommentReaction", react),
        ("content.v1.CommentService/DeleteComment", by_verb),
        ("content.v1.CommentService/BatchCountComments", counts.encode_to_vec()),
        ("content.v1.CommentService/SearchComments", search.encode_to_vec()),
        ("content.v1.CommentService/WatchComments", watch.encode_to_vec()),
    ]
}
