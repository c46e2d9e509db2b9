//! The RPCs of the history.

use futures::try_join;
use proto::project::v1 as pb;
use shared::access::Permission;
use shared::caller::Caller;
use shared::change_log::{Cursor, Record};
use shared::error::Result;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::wire::{self, ListHistoryInput, PointInTime};
use super::{Visibility, queries};
use crate::handler::ProjectHandler;
use crate::members::Member;
use crate::projects::queries as projects;

impl ProjectHandler {
    pub(crate) async fn list_project_history(
        &self,
        request: Request<pb::ListProjectHistoryRequest>,
    ) -> Result<Response<pb::ListProjectHistoryResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.database_user();
        let ListHistoryInput { project_id, query, page_size, page_token } =
            request.into_inner().try_into()?;
        let list = format!("history of {project_id} that {user_id} sees: {query:?}");
        let page = self.context.pages.read::<Cursor>(&list, page_size, &page_token)?;
        let tx = self.context.database.begin(&caller).await?;
        // Read together with the permissions and filtered by them afterwards: one round trip.
        let (access, (mut records, size)) = try_join!(
            projects::access(&tx, project_id, user_id),
            queries::history(&tx, project_id, &query, &page)
        )?;
        tx.finish();
        access.require(Permission::ProjectRead)?;
        let next_page_token =
            self.context.pages.cut(&list, size, &mut records, |last: &Record| last.cursor)?;
        let visibility = Visibility::of(&caller, access.permissions);
        let events = records.iter().map(|record| wire::event(record, project_id, &query.filter, visibility));
        let events = events.filter_map(Result::transpose).collect::<Result<_>>()?;
        Ok(Response::new(pb::ListProjectHistoryResponse { events, next_page_token }))
    }

    pub(crate) async fn get_project_at(
        &self,
        request: Request<pb::GetProjectAtRequest>,
    ) -> Result<Response<pb::Project>, Status> {
        let caller = Caller::of(&request)?;
        let moment = PointInTime::try_from(request.get_ref())?;
        let tx = self.context.database.begin(&caller).await?;
        let (access, project) = try_join!(
            projects::access(&tx, moment.project_id, caller.database_user()),
            queries::project_at(&tx, &moment)
        )?;
        tx.finish();
        access.require(Permission::ProjectRead)?;
        let project = project.ok_or_else(|| projects::not_found(moment.project_id))?;
        Ok(Response::new(wire::past_project(project)))
    }

    pub(crate) async fn list_members_at(
        &self,
        request: Request<pb::ListMembersAtRequest>,
    ) -> Result<Response<pb::ListMembersAtResponse>, Status> {
        let caller = Caller::of(&request)?;
        let moment = PointInTime::try_from(request.get_ref())?;
        let query = format!("ListMembersAt {} {moment:?}", caller.database_user());
        let pb::ListMembersAtRequest { page_size, page_token, .. } = request.into_inner();
        let page = self.context.pages.read::<Uuid>(&query, page_size, &page_token)?;
        let tx = self.context.database.begin(&caller).await?;
        let (access, mut members) = try_join!(
            projects::access(&tx, moment.project_id, caller.database_user()),
            queries::members_at(&tx, &moment, &page)
        )?;
        tx.finish();
        access.require(Permission::MemberRead)?;
        let next_page_token =
            self.context.pages.cut(&query, page.size, &mut members, |last: &Member| last.id)?;
        let members = members.into_iter().map(wire::past_member).collect();
        Ok(Response::new(pb::ListMembersAtResponse { members, next_page_token }))
    }
}
