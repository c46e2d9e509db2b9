//! Imports of files, one in each call.

use proto::common::ImportResult;
use proto::content::admin::v1::ImportAttachmentRequest;
use shared::error::{Error, Result};
use shared::import::{created, refused, unchanged};
use shared::service::ServiceContext;
use shared::user_lookup::known_users;

use super::wire::{AttachmentImport, validate_file};
use super::{ImportItem, refusal};
use crate::attachments::queries;
use crate::targets::access::{access_target_of, lock_target};
use crate::uploads::upload_stream::UploadStream;
use crate::uploads::writer::UploadWriter;
use shared::access::Authorizer;

pub(super) async fn import(
    context: &ServiceContext,
    authorizer: &Authorizer,
    writer: &UploadWriter,
    mut stream: UploadStream<ImportAttachmentRequest>,
) -> Result<ImportResult> {
    let ImportItem { line, value } = validate_file(stream.header().await?);
    let file = match value {
        Ok(file) => file,
        Err(reason) => return Ok(refused(line, reason)),
    };
    match store(context, authorizer, writer, stream, file).await {
        Ok(true) => Ok(created(line)),
        Ok(false) => Ok(unchanged(line)),
        Err(error) => Ok(refused(line, refusal(error)?)),
    }
}

/// Returns `false` if the attachment exists, before any bytes are read.
async fn store(
    context: &ServiceContext,
    authorizer: &Authorizer,
    writer: &UploadWriter,
    mut stream: UploadStream<ImportAttachmentRequest>,
    file: AttachmentImport,
) -> Result<bool> {
    let AttachmentImport { attachment, uploader_id, created_at } = file;
    let tx = context.worker.begin_background().await?;
    let exists = queries::exists(&tx, attachment.id).await?;
    tx.finish();
    if exists {
        return Ok(false);
    }
    let target = attachment.target;
    let access_target = access_target_of(context, target).await?;
    let projects = authorizer.projects_of(std::slice::from_ref(&access_target)).await?;
    let project_id = projects.into_iter().next().ok_or_else(|| access_target.not_found())?;
    if !authorizer.existing_projects(&[project_id]).await?.contains(&project_id) {
        return Err(access_target.not_found());
    }
    if !known_users(&context.siblings, &[uploader_id], false).await?.contains(&uploader_id) {
        return Err(Error::not_found("user", uploader_id));
    }
    let upload = writer.new_upload(attachment, None, project_id, uploader_id);
    // The document may be deleted during the upload.
    let begin = async {
        let tx = context.worker.begin_as(uploader_id).await?;
        if lock_target(&tx, target).await? { Ok(tx) } else { Err(access_target.not_found()) }
    };
    let inserted = writer.upload_whole(&context.worker, upload, &mut stream, created_at, begin).await?;
    context.signal.announce();
    Ok(inserted.is_some())
}
