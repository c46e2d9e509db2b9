//! The RPCs of dependencies between tasks.

use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use shared::access::{AccessTarget, AuthorizedTransaction, CreateClaim, Permission, ProjectAccess};
use shared::caller::Caller;
use shared::error::{Error, Result};
use shared::idempotency::Creation;
use shared::page::AfterTime;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::wire::{CreateTaskDependencyInput, ListTaskDependenciesInput};
use super::{Dependency, Selector, VisibleDependency, queries};
use crate::access_target;
use crate::handler::TaskHandler;

type Answer<T> = Result<Response<T>, Status>;

impl TaskHandler {
    /// The permission is checked before the insert, whose trigger locks the graph.
    pub(crate) async fn create_task_dependency(
        &self,
        request: Request<pb::CreateTaskDependencyRequest>,
    ) -> Answer<pb::TaskDependency> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let CreateTaskDependencyInput { key, dependency } = request.into_inner().try_into()?;
        let creation = || Creation {
            caller_id: user_id,
            method: "CreateTaskDependency",
            key: key.as_ref(),
            resource_id: dependency.id,
        };
        let ends = [dependency.task_id, dependency.depends_on_task_id].map(access_target::task);
        let attempt = async || self.claim_or_replay_dependency(&caller, &ends, creation()).await;
        let claim = self.authorizer.retry_with_refreshed_access(&ends, || attempt().boxed()).await?;
        let AuthorizedTransaction { tx, access, found: other } = match claim {
            CreateClaim::Replayed(earlier) => return Ok(Response::new(earlier.into())),
            CreateClaim::New(transaction) => transaction,
        };
        let dependency = match queries::insert(tx, &[access, other], dependency).await {
            Ok(dependency) => dependency,
            Err(refusal) => return Err(self.hide_invisible_tasks(&caller, refusal).await.into()),
        };
        self.context.signal.announce();
        Ok(Response::new(dependency.into()))
    }

    pub(crate) async fn get_task_dependency(
        &self,
        request: Request<pb::GetTaskDependencyRequest>,
    ) -> Answer<pb::TaskDependency> {
        let caller = Caller::of(&request)?;
        let selector = Selector::of_get(request.into_inner().selector)?;
        let dependency = self.find_dependency(selector).await?;
        let visible = self.load_visible(&caller, selector, &dependency).await?;
        Ok(Response::new(visible.into()))
    }

    pub(crate) async fn list_task_dependencies(
        &self,
        request: Request<pb::ListTaskDependenciesRequest>,
    ) -> Answer<pb::ListTaskDependenciesResponse> {
        let caller = Caller::of(&request)?;
        let input: ListTaskDependenciesInput = request.into_inner().try_into()?;
        let ListTaskDependenciesInput { task_id, direction, kinds, page_size, page_token } = input;
        let query =
            format!("ListTaskDependencies {} {task_id} {direction:?} {kinds:?}", caller.database_user());
        let page = self.context.pages.read::<AfterTime>(&query, page_size, &page_token)?;
        let arguments = (&kinds, &page);
        let target = access_target::task(task_id);
        let read = self.authorizer.begin(&caller, &target, Permission::TaskRead, |conn| {
            let (kinds, page) = (arguments.0.clone(), (arguments.1.after, arguments.1.size));
            async move { queries::list(conn, task_id, direction, &kinds, page).await }.boxed()
        });
        let AuthorizedTransaction { tx, mut found, .. } = read.await?;
        let position = |dependency: &Dependency| AfterTime { at: dependency.created_at, id: dependency.id };
        let next_page_token = self.context.pages.cut(&query, page.size, &mut found, position)?;
        let dependencies = if found.is_empty() { Vec::new() } else { queries::visible(&tx, found).await? };
        tx.finish();
        let dependencies = dependencies.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListTaskDependenciesResponse { dependencies, next_page_token }))
    }

    pub(crate) async fn delete_task_dependency(
        &self,
        request: Request<pb::DeleteTaskDependencyRequest>,
    ) -> Answer<pb::DeleteTaskDependencyResponse> {
        let caller = Caller::of(&request)?;
        let selector = Selector::of_delete(request.into_inner().selector)?;
        let dependency = self.find_dependency(selector).await?;
        let id = dependency.id;
        let ends = ends_of(&dependency);
        let [task, _] = &ends;
        let attempt = async || {
            let tx = self.context.database.begin(&caller).await?;
            let visible = queries::visible(&tx, vec![dependency.clone()]);
            let (visible, access) = try_join!(visible, self.authorizer.access(&tx, &caller, task))?;
            only_visible(visible, selector)?;
            access.require(Permission::TaskWrite)?;
            Ok((tx, access))
        };
        let (tx, access) = self.authorizer.retry_with_refreshed_access(&ends, || attempt().boxed()).await?;
        queries::delete(tx, &access, id).await?;
        self.context.signal.announce();
        Ok(Response::new(pb::DeleteTaskDependencyResponse {}))
    }
}

impl TaskHandler {
    async fn claim_or_replay_dependency(
        &self,
        caller: &Caller,
        [task, other]: &[AccessTarget; 2],
        creation: Creation<'_>,
    ) -> Result<CreateClaim<Dependency, ProjectAccess>> {
        let tx = self.context.database.begin(caller).await?;
        let (access, other, earlier) = try_join!(
            self.authorizer.access(&tx, caller, task),
            self.authorizer.access(&tx, caller, other),
            creation.claim(&tx, crate::NAME),
        )?;
        access.require(Permission::TaskWrite)?;
        other.require(Permission::TaskWrite)?;
        if let Some(earlier) = earlier {
            let dependency = queries::get(&tx, earlier).await?;
            tx.finish();
            return Ok(CreateClaim::Replayed(dependency));
        }
        Ok(CreateClaim::New(AuthorizedTransaction { tx, access, found: other }))
    }

    /// For any caller: the access to the projects of both tasks is refreshed if the caller does not see it.
    async fn find_dependency(&self, selector: Selector) -> Result<Dependency> {
        let tx = self.context.worker.begin_background().await?;
        let dependency = queries::find(&tx, selector).await?;
        tx.finish();
        dependency.ok_or_else(|| not_found(selector))
    }

    /// A dependency is visible to callers who may read the waiting task.
    async fn load_visible(
        &self,
        caller: &Caller,
        selector: Selector,
        dependency: &Dependency,
    ) -> Result<VisibleDependency> {
        let ends = ends_of(dependency);
        let attempt = async || {
            let tx = self.context.database.begin(caller).await?;
            let visible = queries::visible(&tx, vec![dependency.clone()]).await?;
            tx.finish();
            only_visible(visible, selector)
        };
        // The other task may be hidden only because the copy of memberships is behind.
        let fresh = async || match attempt().await {
            Ok(visible) if visible.is_hidden => Err(not_found(selector)),
            outcome => outcome,
        };
        match self.authorizer.retry_with_refreshed_access(&ends, || fresh().boxed()).await {
            Err(Error::NotFound { .. }) => attempt().await,
            outcome => outcome,
        }
    }
}

/// A dependency that is named by its two tasks must not tell that the hidden one exists.
fn only_visible(mut found: Vec<VisibleDependency>, selector: Selector) -> Result<VisibleDependency> {
    let is_named = matches!(selector, Selector::Pair { .. });
    found.pop().filter(|visible| !(is_named && visible.is_hidden)).ok_or_else(|| not_found(selector))
}

fn ends_of(dependency: &Dependency) -> [AccessTarget; 2] {
    [dependency.task_id, dependency.depends_on_task_id].map(access_target::task)
}

fn not_found(selector: Selector) -> Error {
    let id = match selector {
        Selector::Id(id) => id,
        Selector::Pair { .. } => Uuid::nil(),
    };
    Error::not_found("task_dependency", id)
}
