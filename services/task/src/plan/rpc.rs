//! The RPCs of graphs and plans.

use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use shared::access::{AccessTarget, AuthorizedTransaction, Permission};
use shared::caller::Caller;
use shared::error::{Error, Result};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::graph::other_ends;
use super::wire::{self, Assumptions, GetDependencyGraphInput, GetPlanInput, GetSlipImpactInput};
use super::{Graph, MAX_GRAPH_EDGES, ProjectPlan, queries};
use crate::access_target;
use crate::handler::TaskHandler;
use crate::milestones::Milestone;
use crate::milestones::queries::with_open_tasks;

impl TaskHandler {
    pub(crate) async fn get_dependency_graph(
        &self,
        request: Request<pb::GetDependencyGraphRequest>,
    ) -> Result<Response<pb::DependencyGraph>, Status> {
        let caller = Caller::of(&request)?;
        let input: GetDependencyGraphInput = request.into_inner().try_into()?;
        let (graph, truncated) = self.load_graph(&caller, &input).await?;
        Ok(Response::new(wire::dependency_graph(&graph, truncated, input.diagram)))
    }

    pub(crate) async fn get_plan(
        &self,
        request: Request<pb::GetPlanRequest>,
    ) -> Result<Response<pb::Plan>, Status> {
        let caller = Caller::of(&request)?;
        let input: GetPlanInput = request.into_inner().try_into()?;
        let (plan, milestones) = self.load_plan(&caller, input.project_id, input.assumptions).await?;
        let milestones = plan.reach(milestones);
        let planned = wire::plan(input.project_id, &plan, input.diagram, input.focus);
        Ok(Response::new(pb::Plan {
            milestones: milestones.into_iter().map(wire::planned_milestone).collect(),
            ..planned
        }))
    }

    pub(crate) async fn get_slip_impact(
        &self,
        request: Request<pb::GetSlipImpactRequest>,
    ) -> Result<Response<pb::SlipImpact>, Status> {
        let caller = Caller::of(&request)?;
        let input: GetSlipImpactInput = request.into_inner().try_into()?;
        let (plan, _milestones) = self.load_plan(&caller, input.project_id, input.assumptions).await?;
        let slip = plan.slip(input.task_id, input.extra_minutes)?;
        let slip = slip.ok_or_else(|| Error::not_found("task", input.task_id))?;
        Ok(Response::new(wire::slip_impact(&plan, &slip)))
    }
}

impl TaskHandler {
    /// The graph around a task, and whether it was truncated.
    async fn load_graph(&self, caller: &Caller, input: &GetDependencyGraphInput) -> Result<(Graph, bool)> {
        let target = access_target::task(input.task_id);
        let read = self.authorizer.begin(caller, &target, Permission::TaskRead, |conn| {
            let input = input.clone();
            async move {
                let edges = async |towards_prerequisites: bool, wanted: bool| {
                    if !wanted {
                        return Ok(Vec::new());
                    }
                    let (id, depth) = (input.task_id, input.depth);
                    queries::edges_around(conn, id, towards_prerequisites, &input.kinds, depth).await
                };
                try_join!(
                    queries::readable(conn, std::slice::from_ref(&input.task_id)),
                    edges(true, input.prerequisites),
                    edges(false, input.dependents)
                )
            }
            .boxed()
        });
        let AuthorizedTransaction { tx, found: (mut origin, mut below, mut above), .. } = read.await?;
        let truncated = below.len().max(above.len()) > MAX_GRAPH_EDGES;
        below.truncate(MAX_GRAPH_EDGES);
        above.truncate(MAX_GRAPH_EDGES);
        below.append(&mut above);
        // Edges of a cycle of `relates_to` are found from both directions.
        below.sort_unstable();
        below.dedup();
        let others = other_ends(&origin, &below);
        origin.extend(queries::readable(&tx, &others).await?);
        tx.finish();
        Ok((Graph::of(origin, &below), truncated))
    }

    /// The plan, and the milestones of its tasks. It is computed after the connection is returned to the pool.
    async fn load_plan(
        &self,
        caller: &Caller,
        project_id: Uuid,
        Assumptions { default_minutes, start }: Assumptions,
    ) -> Result<(ProjectPlan, Vec<Milestone>)> {
        let target = AccessTarget::project(project_id);
        let read = self.authorizer.begin(caller, &target, Permission::TaskRead, |conn| {
            async move {
                try_join!(
                    queries::open_tasks(conn, project_id),
                    queries::plan_edges(conn, project_id),
                    with_open_tasks(conn, project_id)
                )
            }
            .boxed()
        });
        let AuthorizedTransaction { tx, found: (mut tasks, edges, milestones), .. } = read.await?;
        let others = other_ends(&tasks, &edges);
        if !others.is_empty() {
            tasks.extend(queries::readable(&tx, &others).await?);
        }
        tx.finish();
        Ok((ProjectPlan::of(tasks, edges, default_minutes, start)?, milestones))
    }
}
