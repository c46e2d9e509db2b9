//! Files from elsewhere, one a call.

use std::collections::HashSet;

use proto::common::ImportResult;
use proto::content::admin::v1::ImportAttachmentRequest;
use shared::error::{Error, Result};
use shared::import::{created, refused, unchanged};
use shared::service::ServiceContext;
use shared::user_lookup::known_users;

use super::wire::{ImportFile, checked_file};
use super::{Item, known_projects, refusal};
use crate::attachments::places::{keep, place_of};
use crate::attachments::queries;
use crate::entrance::Entrance;
use crate::uploads::incoming::Incoming;
use crate::uploads::upload_session::Intake;

/// Stores one file, and tells what became of it.
pub(super) async fn import(
    context: &ServiceContext,
    entrance: &Entrance,
    intake: &Intake,
    mut incoming: Incoming<ImportAttachmentRequest>,
) -> Result<ImportResult> {
    let Item { line, checked } = checked_file(incoming.header().await?);
    let file = match checked {
        Ok(file) => file,
        Err(reason) => return Ok(refused(line, reason)),
    };
    match store(context, entrance, intake, incoming, file).await {
        Ok(true) => Ok(created(line)),
        Ok(false) => Ok(unchanged(line)),
        Err(error) => Ok(refused(line, refusal(error)?)),
    }
}

/// `false` if the id is taken, which is answered before any bytes are read.
async fn store(
    context: &ServiceContext,
    entrance: &Entrance,
    intake: &Intake,
    mut incoming: Incoming<ImportAttachmentRequest>,
    file: ImportFile,
) -> Result<bool> {
    let ImportFile { description, uploader_id, created_at } = file;
    let tx = context.worker.begin_background().await?;
    let is_there = queries::exists(&tx, description.id).await?;
    tx.finish();
    if is_there {
        return Ok(false);
    }
    let entity = description.entity;
    let place = place_of(context, entity).await?;
    let project_id = entrance.project_of(place).await?.ok_or_else(|| place.not_found())?;
    if !known_projects(context, entrance, &HashSet::from([project_id])).await?.contains(&project_id) {
        return Err(place.not_found());
    }
    if !known_users(&context.siblings, &[uploader_id], false).await?.contains(&uploader_id) {
        return Err(Error::not_found("user", uploader_id));
    }
    let upload = intake.plan(description, None, project_id, uploader_id);
    // The document may go while the bytes come.
    let enter = async {
        let tx = context.worker.begin_as(uploader_id).await?;
        if keep(&tx, entity).await? { Ok(tx) } else { Err(place.not_found()) }
    };
    let new = intake.take_whole(&context.worker, upload, &mut incoming, created_at, enter).await?;
    context.signal.announce();
    Ok(new.is_some())
}
