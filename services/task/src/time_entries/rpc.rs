//! The RPCs of time entries.

use futures::FutureExt;
use proto::task::v1 as pb;
use shared::access::{AuthorizedTransaction, CreateClaim, Permission};
use shared::caller::Caller;
use shared::error::Result;
use shared::etag;
use shared::idempotency::Creation;
use shared::page::AfterTime;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::wire::{
    self, CreateTimeEntryInput, GetTimeReportInput, ListTimeEntriesInput, UpdateTimeEntryInput,
};
use super::{TimeEntry, queries, report};
use crate::access_target;
use crate::handler::TaskHandler;
use crate::tasks::wire::required_id;

type Answer<T> = Result<Response<T>, Status>;

impl TaskHandler {
    pub(crate) async fn create_time_entry(
        &self,
        request: Request<pb::CreateTimeEntryRequest>,
    ) -> Answer<pb::TimeEntry> {
        let caller = Caller::of(&request)?;
        let CreateTimeEntryInput { key, entry } =
            CreateTimeEntryInput::read(request.into_inner(), caller.user()?.user_id)?;
        let target = access_target::task(entry.task_id);
        let creation = Creation {
            caller_id: entry.user_id,
            method: "CreateTimeEntry",
            key: key.as_ref(),
            resource_id: entry.id,
        };
        let claim = self.authorizer.claim_or_replay(
            &caller,
            &target,
            Permission::TaskWrite,
            creation,
            |_conn| async { Ok(()) }.boxed(),
            |conn, id| queries::get(conn, id).boxed(),
        );
        let AuthorizedTransaction { tx, access, .. } = match claim.await? {
            CreateClaim::Replayed(entry) => return Ok(Response::new(entry.into())),
            CreateClaim::New(transaction) => transaction,
        };
        access.require(Permission::TaskRead)?;
        let entry = queries::insert(tx, &access, entry).await?;
        self.context.signal.announce();
        Ok(Response::new(entry.into()))
    }

    pub(crate) async fn get_time_entry(
        &self,
        request: Request<pb::GetTimeEntryRequest>,
    ) -> Answer<pb::TimeEntry> {
        let caller = Caller::of(&request)?;
        let id = required_id("time_entry_id", &request.get_ref().time_entry_id)?;
        let target = access_target::time_entry(id);
        let read = self
            .authorizer
            .begin(&caller, &target, Permission::TaskRead, |conn| queries::get(conn, id).boxed());
        Ok(Response::new(read.await?.finish().into()))
    }

    pub(crate) async fn list_time_entries(
        &self,
        request: Request<pb::ListTimeEntriesRequest>,
    ) -> Answer<pb::ListTimeEntriesResponse> {
        let caller = Caller::of(&request)?;
        let ListTimeEntriesInput { filter, running, page_size, page_token } =
            request.into_inner().try_into()?;
        let query = format!("ListTimeEntries {} {filter:?} {running}", caller.database_user());
        let page = self.context.pages.read::<AfterTime>(&query, page_size, &page_token)?;
        let input = (&filter, running, &page);
        let mut rows = self
            .authorizer
            .read_in_projects(
                &caller,
                filter.project_ids.as_deref().unwrap_or_default(),
                Permission::TaskRead,
                &input,
                |conn, (filter, running, page)| queries::list(conn, filter, *running, page).boxed(),
            )
            .await?;
        let position = |entry: &TimeEntry| AfterTime { at: entry.started_at, id: entry.id };
        let next_page_token = self.context.pages.cut(&query, page.size, &mut rows, position)?;
        let time_entries = rows.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListTimeEntriesResponse { time_entries, next_page_token }))
    }

    pub(crate) async fn update_time_entry(
        &self,
        request: Request<pb::UpdateTimeEntryRequest>,
    ) -> Answer<pb::TimeEntry> {
        let caller = Caller::of(&request)?;
        let UpdateTimeEntryInput { id, etag, change } = request.into_inner().try_into()?;
        let AuthorizedTransaction { tx, access, found: entry } =
            self.lock_time_entry(&caller, id, Permission::TaskWrite).await?;
        etag::check(&etag, entry.version)?;
        let Some(change) = change else {
            tx.finish();
            return Ok(Response::new(entry.into()));
        };
        entry.check(&change)?;
        let entry = queries::update(tx, &access, id, change).await?;
        self.context.signal.announce();
        Ok(Response::new(entry.into()))
    }

    pub(crate) async fn stop_time_entry(
        &self,
        request: Request<pb::StopTimeEntryRequest>,
    ) -> Answer<pb::TimeEntry> {
        let caller = Caller::of(&request)?;
        let id = required_id("time_entry_id", &request.get_ref().time_entry_id)?;
        let AuthorizedTransaction { tx, access, found: entry } =
            self.lock_time_entry(&caller, id, Permission::TaskRead).await?;
        // Checked before the etag, which the first call has changed, so that a retry succeeds.
        if entry.ended_at.is_some() {
            tx.finish();
            return Ok(Response::new(entry.into()));
        }
        etag::check(&request.get_ref().etag, entry.version)?;
        let entry = queries::stop(tx, &access, id).await?;
        self.context.signal.announce();
        Ok(Response::new(entry.into()))
    }

    pub(crate) async fn delete_time_entry(
        &self,
        request: Request<pb::DeleteTimeEntryRequest>,
    ) -> Answer<pb::DeleteTimeEntryResponse> {
        let caller = Caller::of(&request)?;
        let id = required_id("time_entry_id", &request.get_ref().time_entry_id)?;
        let AuthorizedTransaction { tx, access, found: entry } =
            self.lock_time_entry(&caller, id, Permission::TaskWrite).await?;
        etag::check(&request.get_ref().etag, entry.version)?;
        queries::delete(tx, &access, id).await?;
        self.context.signal.announce();
        Ok(Response::new(pb::DeleteTimeEntryResponse {}))
    }

    pub(crate) async fn get_time_report(
        &self,
        request: Request<pb::GetTimeReportRequest>,
    ) -> Answer<pb::TimeReport> {
        let caller = Caller::of(&request)?;
        let GetTimeReportInput { filter, groups } = request.into_inner().try_into()?;
        let input = (&filter, &groups);
        let rows = self
            .authorizer
            .read_in_projects(
                &caller,
                filter.project_ids.as_deref().unwrap_or_default(),
                Permission::TaskRead,
                &input,
                |conn, (filter, groups)| report::sum_up(conn, filter, groups).boxed(),
            )
            .await?;
        Ok(Response::new(wire::report(rows, &groups)))
    }

    /// Locks a time entry of the caller's own, or one of another user for a caller who may change these.
    async fn lock_time_entry(
        &self,
        caller: &Caller,
        id: Uuid,
        permission: Permission,
    ) -> Result<AuthorizedTransaction<TimeEntry>> {
        let target = access_target::time_entry(id);
        let locked =
            self.authorizer.begin(caller, &target, permission, |conn| queries::lock(conn, id).boxed());
        let AuthorizedTransaction { tx, access, found: (visible, locked) } = locked.await?;
        access.require(Permission::TaskRead)?;
        if visible.is_some_and(|entry| entry.user_id != access.user_id) {
            access.require(Permission::TimeManage)?;
        }
        let found = locked.ok_or_else(|| target.not_found())?;
        Ok(AuthorizedTransaction { tx, access, found })
    }
}
