//! The RPCs of projects.

use proto::project::v1 as pb;
use shared::access::{Permission, ProjectAccess};
use shared::caller::Caller;
use shared::database::Transaction;
use shared::error::Result;
use shared::{etag, idempotency};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::access_revision::LockedRevision;
use super::order::After;
use super::wire::{self, CreateProjectInput, ListProjectsInput, UpdateProjectInput};
use super::{Project, ProjectChange, Transition, queries};
use crate::handler::ProjectHandler;
use crate::schema::NAME;

impl ProjectHandler {
    async fn change_project_status(
        &self,
        request: ChangeStatusInput,
    ) -> Result<Response<pb::Project>, Status> {
        let ChangeStatusInput { caller, transition, project_id, etag } = request;
        let id = wire::project_id(&project_id)?;
        let tx = self.context.database.begin(&caller).await?;
        let LockedProject { access, project, revision } =
            lock_for(&tx, id, caller.user()?.user_id, Permission::ProjectArchive).await?;
        let Some(change) = ProjectChange::for_transition(transition, &project, self.context.clock.now())?
        else {
            tx.finish();
            return Ok(revision.current().answer(project.into()));
        };
        etag::check(&etag, project.version)?;
        let project = queries::update(tx, &access, &change).await?;
        self.context.signal.announce();
        Ok(revision.next().answer(project.into()))
    }
}

struct ChangeStatusInput {
    caller: Caller,
    transition: Transition,
    project_id: String,
    etag: String,
}

/// A project, locked until the transaction ends.
struct LockedProject {
    access: ProjectAccess,
    project: Project,
    revision: LockedRevision,
}

/// Locks a project and requires a permission.
async fn lock_for(
    tx: &Transaction,
    id: Uuid,
    user_id: Uuid,
    permission: Permission,
) -> Result<LockedProject> {
    let deletes = permission == Permission::ProjectDelete;
    let members = async { if deletes { queries::lock_members(tx, id).await } else { Ok(()) } };
    // The locks are sent first, so that access is read as it is once they are had.
    let (project, (), revision, access) = futures::try_join!(
        queries::lock(tx, id),
        members,
        queries::lock_revision(tx, id),
        queries::access(tx, id, user_id)
    )?;
    access.require(permission)?;
    let project = project.ok_or_else(|| queries::not_found(id))?;
    Ok(LockedProject { access, project, revision })
}

impl ProjectHandler {
    pub(crate) async fn create_project(
        &self,
        request: Request<pb::CreateProjectRequest>,
    ) -> Result<Response<pb::Project>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let CreateProjectInput { key, project } = CreateProjectInput::of(request.into_inner(), user_id)?;
        let tx = self.context.database.begin(&caller).await?;
        let earlier =
            idempotency::claim(&tx, NAME, user_id, "CreateProject", key.as_ref(), project.id).await?;
        let project = match earlier {
            Some(id) => queries::find(&tx, id).await?,
            None => queries::insert(tx, &project).await?,
        };
        self.context.signal.announce();
        Ok(LockedRevision::of_new(project.id).current().answer(project.into()))
    }

    pub(crate) async fn get_project(
        &self,
        request: Request<pb::GetProjectRequest>,
    ) -> Result<Response<pb::Project>, Status> {
        let caller = Caller::of(&request)?;
        let id = wire::project_id(&request.get_ref().project_id)?;
        let project = self.project_reads.read(&caller, id).await?.ok_or_else(|| queries::not_found(id))?;
        Ok(Response::new(project.into()))
    }

    pub(crate) async fn list_projects(
        &self,
        request: Request<pb::ListProjectsRequest>,
    ) -> Result<Response<pb::ListProjectsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.database_user();
        let ListProjectsInput { filter, order, page_size, page_token } =
            ListProjectsInput::of(request.into_inner(), user_id)?;
        let query = format!("projects that {user_id} sees: {filter:?} {order:?}");
        let page = self.context.pages.read::<After>(&query, page_size, &page_token)?;
        let tx = self.context.database.begin(&caller).await?;
        let (mut projects, size) = queries::list(&tx, &filter, order, &page).await?;
        tx.finish();
        let next_page_token = self.context.pages.cut(&query, size, &mut projects, After::of)?;
        let projects = projects.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListProjectsResponse { projects, next_page_token }))
    }

    pub(crate) async fn update_project(
        &self,
        request: Request<pb::UpdateProjectRequest>,
    ) -> Result<Response<pb::Project>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let UpdateProjectInput { id, etag, change } = request.into_inner().try_into()?;
        let tx = self.context.database.begin(&caller).await?;
        let LockedProject { access, project, revision } =
            lock_for(&tx, id, user_id, Permission::ProjectUpdate).await?;
        etag::check(&etag, project.version)?;
        let Some((mut change, settings)) = change else {
            tx.finish();
            return Ok(revision.current().answer(project.into()));
        };
        change.settings = settings
            .map(|settings| settings.apply_within_limits("settings", project.settings.clone()))
            .transpose()?;
        let project = queries::update(tx, &access, &change).await?;
        self.context.signal.announce();
        let token = if change.changes_access() { revision.next() } else { revision.current() };
        Ok(token.answer(project.into()))
    }

    pub(crate) async fn complete_project(
        &self,
        request: Request<pb::CompleteProjectRequest>,
    ) -> Result<Response<pb::Project>, Status> {
        let caller = Caller::of(&request)?;
        let pb::CompleteProjectRequest { project_id, etag } = request.into_inner();
        self.change_project_status(ChangeStatusInput {
            caller,
            transition: Transition::Complete,
            project_id,
            etag,
        })
        .await
    }

    pub(crate) async fn cancel_project(
        &self,
        request: Request<pb::CancelProjectRequest>,
    ) -> Result<Response<pb::Project>, Status> {
        let caller = Caller::of(&request)?;
        let pb::CancelProjectRequest { project_id, etag } = request.into_inner();
        self.change_project_status(ChangeStatusInput {
            caller,
            transition: Transition::Cancel,
            project_id,
            etag,
        })
        .await
    }

    pub(crate) async fn archive_project(
        &self,
        request: Request<pb::ArchiveProjectRequest>,
    ) -> Result<Response<pb::Project>, Status> {
        let caller = Caller::of(&request)?;
        let pb::ArchiveProjectRequest { project_id, etag } = request.into_inner();
        self.change_project_status(ChangeStatusInput {
            caller,
            transition: Transition::Archive,
            project_id,
            etag,
        })
        .await
    }

    pub(crate) async fn reopen_project(
        &self,
        request: Request<pb::ReopenProjectRequest>,
    ) -> Result<Response<pb::Project>, Status> {
        let caller = Caller::of(&request)?;
        let pb::ReopenProjectRequest { project_id, etag } = request.into_inner();
        self.change_project_status(ChangeStatusInput {
            caller,
            transition: Transition::Reopen,
            project_id,
            etag,
        })
        .await
    }

    pub(crate) async fn delete_project(
        &self,
        request: Request<pb::DeleteProjectRequest>,
    ) -> Result<Response<pb::DeleteProjectResponse>, Status> {
        let caller = Caller::of(&request)?;
        let pb::DeleteProjectRequest { project_id, etag } = request.into_inner();
        let id = wire::project_id(&project_id)?;
        let tx = self.context.database.begin(&caller).await?;
        let LockedProject { access, project, revision } =
            lock_for(&tx, id, caller.user()?.user_id, Permission::ProjectDelete).await?;
        etag::check(&etag, project.version)?;
        queries::delete(tx, &access).await?;
        self.context.signal.announce();
        Ok(revision.next().answer(pb::DeleteProjectResponse {}))
    }

    pub(crate) async fn get_effective_permissions(
        &self,
        request: Request<pb::GetEffectivePermissionsRequest>,
    ) -> Result<Response<pb::EffectivePermissions>, Status> {
        let caller = Caller::of(&request)?;
        let id = wire::project_id(&request.get_ref().project_id)?;
        let tx = self.context.database.begin(&caller).await?;
        let access = queries::access(&tx, id, caller.database_user()).await?;
        tx.finish();
        Ok(Response::new(wire::effective_permissions(&access)))
    }
}
