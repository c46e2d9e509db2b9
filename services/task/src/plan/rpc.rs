//! The RPCs of graphs and plans.

use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use shared::access::Permission;
use shared::caller::Caller;
use shared::error::{Error, Result};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::graph::other_ends;
use super::wire::{self, GetDependencyGraph, GetPlan, GetSlipImpact};
use super::{Graph, MAX_GRAPH_EDGES, ProjectPlan, queries};
use crate::handlers::Handlers;
use crate::place::Place;

impl Handlers {
    pub(crate) async fn get_dependency_graph(
        &self,
        request: Request<pb::GetDependencyGraphRequest>,
    ) -> Result<Response<pb::DependencyGraph>, Status> {
        let caller = Caller::of(&request)?;
        let asked: GetDependencyGraph = request.into_inner().try_into()?;
        let place = Place::Task(asked.task_id);
        let look = async || self.look_around(&caller, &asked, place).await;
        let (graph, truncated) = self.fresh(&[place], || look().boxed()).await?;
        Ok(Response::new(wire::dependency_graph(&graph, truncated, asked.diagram)))
    }

    pub(crate) async fn get_plan(
        &self,
        request: Request<pb::GetPlanRequest>,
    ) -> Result<Response<pb::Plan>, Status> {
        let caller = Caller::of(&request)?;
        let asked: GetPlan = request.into_inner().try_into()?;
        let plan = self.plan(&caller, asked.project_id, asked.default_hours).await?;
        Ok(Response::new(wire::plan(asked.project_id, &plan, asked.diagram)))
    }

    pub(crate) async fn get_slip_impact(
        &self,
        request: Request<pb::GetSlipImpactRequest>,
    ) -> Result<Response<pb::SlipImpact>, Status> {
        let caller = Caller::of(&request)?;
        let asked: GetSlipImpact = request.into_inner().try_into()?;
        let plan = self.plan(&caller, asked.project_id, asked.default_hours).await?;
        let slip = plan.slip(asked.task_id, asked.extra_hours)?;
        let slip = slip.ok_or_else(|| Error::not_found("task", asked.task_id))?;
        Ok(Response::new(wire::slip_impact(&plan, &slip)))
    }
}

impl Handlers {
    /// The graph around a task, and whether it goes on.
    async fn look_around(
        &self,
        caller: &Caller,
        asked: &GetDependencyGraph,
        place: Place,
    ) -> Result<(Graph, bool)> {
        let tx = self.context.database.begin(caller).await?;
        let towards = async |awaited: bool, wanted: bool| {
            if !wanted {
                return Ok(Vec::new());
            }
            queries::edges_around(&tx, asked.task_id, awaited, &asked.kinds, asked.depth).await
        };
        let (access, mut origin, mut below, mut above) = try_join!(
            place.access(&tx, caller.database_user()),
            queries::visible(&tx, std::slice::from_ref(&asked.task_id)),
            towards(true, asked.awaited),
            towards(false, asked.waiting),
        )?;
        access.require(Permission::TaskRead)?;
        let truncated = below.len().max(above.len()) > MAX_GRAPH_EDGES;
        below.truncate(MAX_GRAPH_EDGES);
        above.truncate(MAX_GRAPH_EDGES);
        below.append(&mut above);
        // Those that relate to each other in a circle come from both sides.
        below.sort_unstable();
        below.dedup();
        let others = other_ends(&origin, &below);
        origin.extend(queries::visible(&tx, &others).await?);
        tx.finish();
        Ok((Graph::of(origin, &below), truncated))
    }

    /// A project's plan. What needs no connection is done without one.
    async fn plan(&self, caller: &Caller, project_id: Uuid, default_hours: u64) -> Result<ProjectPlan> {
        let place = Place::Project(project_id);
        let look = async || {
            let tx = self.context.database.begin(caller).await?;
            let (access, mut tasks, edges) = try_join!(
                place.access(&tx, caller.database_user()),
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
        let (tasks, edges) = self.fresh(&[place], || look().boxed()).await?;
        ProjectPlan::of(tasks, edges, default_hours)
    }
}
