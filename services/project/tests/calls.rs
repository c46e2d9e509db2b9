//! One-line calls of the RPCs.

use prost_types::{FieldMask, Struct, Value, value::Kind};
use proto::project::v1 as pb;
use testkit::*;
use tonic::Status;

pub const OWNER: i32 = pb::ProjectRole::Owner as i32;
pub const ADMIN: i32 = pb::ProjectRole::Admin as i32;
pub const MEMBER: i32 = pb::ProjectRole::Member as i32;
pub const VIEWER: i32 = pb::ProjectRole::Viewer as i32;
pub const PUBLIC: i32 = pb::ProjectVisibility::Public as i32;
pub const INTERNAL: i32 = pb::ProjectVisibility::Internal as i32;
pub const COMPLETED: i32 = pb::ProjectStatus::Completed as i32;
pub const CANCELLED: i32 = pb::ProjectStatus::Cancelled as i32;
pub const ACTIVE: i32 = pb::ProjectStatus::Active as i32;
pub const ARCHIVED: i32 = pb::ProjectStatus::Archived as i32;

pub fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

/// Permission exceptions.
pub fn flags(flags: &[(&str, bool)]) -> Option<Struct> {
    let field =
        |(name, flag): &(&str, bool)| ((*name).to_owned(), Value { kind: Some(Kind::BoolValue(*flag)) });
    Some(Struct { fields: flags.iter().map(field).collect() })
}

pub async fn project_seen_by(who: &Actor, name: &str, visibility: i32) -> pb::Project {
    let request = pb::CreateProjectRequest { name: name.to_owned(), visibility, ..Default::default() };
    who.projects().create_project(request).await.unwrap().into_inner()
}

pub async fn get(who: &Actor, project: &pb::Project) -> Result<pb::Project, Status> {
    let request = pb::GetProjectRequest { project_id: project.id.clone() };
    Ok(who.projects().get_project(request).await?.into_inner())
}

pub async fn update(who: &Actor, project: pb::Project, paths: &[&str]) -> Result<pb::Project, Status> {
    let request = pb::UpdateProjectRequest { project: Some(project), update_mask: mask(paths) };
    Ok(who.projects().update_project(request).await?.into_inner())
}

pub async fn complete(who: &Actor, project: &pb::Project, etag: &str) -> Result<pb::Project, Status> {
    let request = pb::CompleteProjectRequest { project_id: project.id.clone(), etag: etag.to_owned() };
    Ok(who.projects().complete_project(request).await?.into_inner())
}

pub async fn cancel(who: &Actor, project: &pb::Project, etag: &str) -> Result<pb::Project, Status> {
    let request = pb::CancelProjectRequest { project_id: project.id.clone(), etag: etag.to_owned() };
    Ok(who.projects().cancel_project(request).await?.into_inner())
}

pub async fn archive(who: &Actor, project: &pb::Project, etag: &str) -> Result<pb::Project, Status> {
    let request = pb::ArchiveProjectRequest { project_id: project.id.clone(), etag: etag.to_owned() };
    Ok(who.projects().archive_project(request).await?.into_inner())
}

pub async fn reopen(who: &Actor, project: &pb::Project, etag: &str) -> Result<pb::Project, Status> {
    let request = pb::ReopenProjectRequest { project_id: project.id.clone(), etag: etag.to_owned() };
    Ok(who.projects().reopen_project(request).await?.into_inner())
}

pub async fn delete(who: &Actor, project: &pb::Project, etag: &str) -> Result<(), Status> {
    let request = pb::DeleteProjectRequest { project_id: project.id.clone(), etag: etag.to_owned() };
    who.projects().delete_project(request).await.map(|_| ())
}

pub async fn permissions(who: &Actor, project: &pb::Project) -> Result<pb::EffectivePermissions, Status> {
    let request = pb::GetEffectivePermissionsRequest { project_id: project.id.clone() };
    Ok(who.projects().get_effective_permissions(request).await?.into_inner())
}

pub fn joining(project: &pb::Project, whom: &Actor, role: i32) -> pb::AddMemberRequest {
    pb::AddMemberRequest {
        project_id: project.id.clone(),
        user_id: whom.id.to_string(),
        role,
        ..Default::default()
    }
}

pub async fn add(who: &Actor, request: pb::AddMemberRequest) -> Result<pb::Member, Status> {
    Ok(who.members().add_member(request).await?.into_inner())
}

pub async fn get_member(who: &Actor, project: &pb::Project, whom: &Actor) -> Result<pb::Member, Status> {
    let request = pb::GetMemberRequest { project_id: project.id.clone(), user_id: whom.id.to_string() };
    Ok(who.members().get_member(request).await?.into_inner())
}

pub async fn update_member(who: &Actor, member: pb::Member, paths: &[&str]) -> Result<pb::Member, Status> {
    let request = pb::UpdateMemberRequest { member: Some(member), update_mask: mask(paths) };
    Ok(who.members().update_member(request).await?.into_inner())
}

pub async fn remove(who: &Actor, project: &pb::Project, whom: &Actor) -> Result<(), Status> {
    let request = pb::RemoveMemberRequest { project_id: project.id.clone(), user_id: whom.id.to_string() };
    who.members().remove_member(request).await.map(|_| ())
}

pub async fn leave(who: &Actor, project: &pb::Project) -> Result<(), Status> {
    let request = pb::LeaveProjectRequest { project_id: project.id.clone() };
    who.members().leave_project(request).await.map(|_| ())
}

pub fn offering(project: &pb::Project, whom: &Actor) -> pb::OfferOwnershipRequest {
    pb::OfferOwnershipRequest {
        project_id: project.id.clone(),
        user_id: whom.id.to_string(),
        ..Default::default()
    }
}

pub async fn offer(who: &Actor, request: pb::OfferOwnershipRequest) -> Result<pb::OwnershipTransfer, Status> {
    Ok(who.members().offer_ownership(request).await?.into_inner())
}

pub async fn get_offer(who: &Actor, offer: &pb::OwnershipTransfer) -> Result<pb::OwnershipTransfer, Status> {
    let request = pb::GetOwnershipTransferRequest {
        project_id: offer.project_id.clone(),
        transfer_id: offer.id.clone(),
    };
    Ok(who.members().get_ownership_transfer(request).await?.into_inner())
}

pub async fn accept(
    who: &Actor,
    offer: &pb::OwnershipTransfer,
    etag: &str,
) -> Result<pb::OwnershipTransfer, Status> {
    let request = pb::AcceptOwnershipRequest {
        project_id: offer.project_id.clone(),
        transfer_id: offer.id.clone(),
        etag: etag.to_owned(),
    };
    Ok(who.members().accept_ownership(request).await?.into_inner())
}

pub async fn decline(
    who: &Actor,
    offer: &pb::OwnershipTransfer,
    etag: &str,
) -> Result<pb::OwnershipTransfer, Status> {
    let request = pb::DeclineOwnershipRequest {
        project_id: offer.project_id.clone(),
        transfer_id: offer.id.clone(),
        etag: etag.to_owned(),
    };
    Ok(who.members().decline_ownership(request).await?.into_inner())
}

pub async fn withdraw(
    who: &Actor,
    offer: &pb::OwnershipTransfer,
    etag: &str,
) -> Result<pb::OwnershipTransfer, Status> {
    let request = pb::WithdrawOwnershipRequest {
        project_id: offer.project_id.clone(),
        transfer_id: offer.id.clone(),
        etag: etag.to_owned(),
    };
    Ok(who.members().withdraw_ownership(request).await?.into_inner())
}

pub async fn accept_invitation(who: &Actor, token: &str) -> Result<pb::Invitation, Status> {
    let request = pb::AcceptInvitationRequest { token: token.to_owned() };
    Ok(who.members().accept_invitation(request).await?.into_inner())
}
