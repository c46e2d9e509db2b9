//! The RPCs of graphs and plans.

use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use shared::access::Permission;
use shared::caller::Caller;
use shared::error::{Error, Result};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::graph::other_ends;
use super::wire::{self, GetDependencyGraphInput, GetPlanInput, GetSlipImpactInput};
use super::{Graph, MAX_GRAPH_EDGES, ProjectPlan, queries};
use crate::access_target::AccessTarget;
use crate::handler::TaskHandler;

impl TaskHandler {
    pub(crate) async fn get_dependency_graph(
        &self,
        request: Request<pb::GetDependencyGraphRequest>,
    ) -> Result<Response<pb::DependencyGraph>, Status> {
        let caller = Caller::of(&request)?;
        let input: GetDependencyGraphInput = request.into_inner().try_into()?;
        let target = AccessTarget::Task(input.task_id);
        let attempt = async || self.load_graph(&caller, &input, target).await;
        let (graph, truncated) = self.retry_with_refreshed_access(&[target], || attempt().boxed()).await?;
        Ok(Response::new(wire::dependency_graph(&graph, truncated, input.diagram)))
    }

    pub(crate) async fn get_plan(
        &self,
        request: Request<pb::GetPlanRequest>,
    ) -> Result<Response<pb::Plan>, Status> {
        let caller = Caller::of(&request)?;
        let input: GetPlanInput = request.into_inner().try_into()?;
        let plan = self.plan(&caller, input.project_id, input.default_hours).await?;
        Ok(Response::new(wire::plan(input.project_id, &plan, input.diagram)))
    }

    pub(crate) async fn get_slip_impact(
        &self,
        request: Request<pb::GetSlipImpactRequest>,
    ) -> Result<Response<pb::SlipImpact>, Status> {
        let caller = Caller::of(&request)?;
        let input: GetSlipImpactInput = request.into_inner().try_into()?;
        let plan = self.plan(&caller, input.project_id, input.default_hours).await?;
        let slip = plan.slip(input.task_id, input.extra_hours)?;
        let slip = slip.ok_or_else(|| Error::not_found("task", input.task_id))?;
        Ok(Response::new(wire::slip_impact(&plan, &slip)))
    }
}

impl TaskHandler {
    /// The graph around a task, and whether it was truncated.
    async fn load_graph(
        &self,
        caller: &Caller,
        input: &GetDependencyGraphInput,
        target: AccessTarget,
    ) -> Result<(Graph, bool)> {
        let tx = self.context.database.begin(caller).await?;
        let towards = async |prerequisite: bool, wanted: bool| {
            if !wanted {
                return Ok(Vec::new());
            }
            queries::edges_around(&tx, input.task_id, prerequisite, &input.kinds, input.depth).await
        };
        let (access, mut origin, mut below, mut above) = try_join!(
            target.access(&tx, caller.database_user()),
            queries::visible(&tx, std::slice::from_ref(&input.task_id)),
            towards(true, input.prerequisite),
            towards(false, input.dependent),
        )?;
        access.require(Permission::TaskRead)?;
        let truncated = below.len().max(above.len()) > MAX_GRAPH_EDGES;
        below.truncate(MAX_GRAPH_EDGES);
        above.truncate(MAX_GRAPH_EDGES);
        below.append(&mut above);
        // Edges of a cycle of `relates_to` are found from both directions.
        below.sort_unstable();
        below.dedup();
        let others = other_ends(&origin, &below);
        origin.extend(queries::visible(&tx, &others).await?);
        tx.finish();
        Ok((Graph::of(origin, &below), truncated))
    }

    /// The plan is computed after the connection is returned to the pool.
    async fn plan(&self, caller: &Caller, project_id: Uuid, default_hours: u64) -> Result<ProjectPlan> {
        let target = AccessTarget::Project(project_id);
        let attempt = async || {
            let tx = self.context.database.begin(caller).await?;
            let (access, mut tasks, edges) = try_join!(
                target.access(&tx, caller.database_user()),
                queries::open_tasks(&tx, project_id),
                queries::plan_edges(&tx, project_id),
            )?;
            access.require(Permission::TaskRead)?;
            let others = other_ends(&tasks, &edges);
            if !others.is_empty() {
                tasks.extend(queries::visible(&tx, &others).await?);
            }
            tx.finish();
            Ok((tasks, edges))
        };
        let (tasks, edges) = self.retry_with_refreshed_access(&[target], || attempt().boxed()).await?;
        ProjectPlan::of(tasks, edges, default_hours)
    }
}
