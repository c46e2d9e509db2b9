//! Plans, slips and diagrams of the graph.

use proto::project::v1::{Project, ProjectVisibility};
use proto::task::v1 as pb;
use testkit::*;
use tonic::Status;

use crate::fixtures::*;

/// 2040-01-02 9:00 UTC.
pub const MONDAY_MORNING: i64 = 2_209_107_600;

async fn task_of(who: &Actor, project: &Project, title: &str, hours: i64) -> pb::Task {
    let wished = pb::Task { estimated_duration: work_hours(hours), ..new_task(project, title) };
    create(who, wished).await.unwrap()
}

async fn plan(who: &Actor, project: &Project) -> Result<pb::Plan, Status> {
    let request = pb::GetPlanRequest { project_id: project.id.clone(), ..Default::default() };
    who.plans().get_plan(request).await.map(tonic::Response::into_inner)
}

async fn graph(who: &Actor, request: pb::GetDependencyGraphRequest) -> Result<pb::DependencyGraph, Status> {
    who.plans().get_dependency_graph(request).await.map(tonic::Response::into_inner)
}

fn around(task: &pb::Task) -> pb::GetDependencyGraphRequest {
    pb::GetDependencyGraphRequest { task_id: task.id.clone(), ..Default::default() }
}

async fn slip(who: &Actor, project: &Project, task: &pb::Task, hours: i64) -> Result<pb::SlipImpact, Status> {
    let request = pb::GetSlipImpactRequest {
        project_id: project.id.clone(),
        task_id: task.id.clone(),
        extra_duration: work_hours(hours),
        default_estimate: None,
        start_at: None,
    };
    who.plans().get_slip_impact(request).await.map(tonic::Response::into_inner)
}

fn title(node: Option<&pb::GraphNode>) -> String {
    node.map(|node| if node.hidden { "hidden".to_owned() } else { node.title.clone() }).unwrap_or_default()
}

/// `title: wave, hours, earliest start-finish, latest start-finish, slack`
pub fn shown(plan: &pb::Plan) -> Vec<String> {
    let line = |task: &pb::PlannedTask| {
        format!(
            "{}: wave {}, {} h, {}-{}, {}-{}, slack {}",
            title(task.node.as_ref()),
            task.wave,
            hours_of(task.duration),
            hours_of(task.earliest_start),
            hours_of(task.earliest_finish),
            hours_of(task.latest_start),
            hours_of(task.latest_finish),
            hours_of(task.slack)
        )
    };
    plan.tasks.iter().map(line).collect()
}

fn critical(plan: &pb::Plan) -> Vec<String> {
    let place = |place: &i32| plan.tasks[usize::try_from(*place).unwrap()].node.as_ref();
    plan.critical_path.iter().map(|task| title(place(task))).collect()
}

/// `dependent <- prerequisite`
fn arrows(nodes: &[Option<&pb::GraphNode>], edges: &[pb::GraphEdge]) -> Vec<String> {
    let name = |place: i32| title(nodes[usize::try_from(place).unwrap()]);
    let mut arrows: Vec<String> = edges
        .iter()
        .map(|edge| format!("{} <- {}", name(edge.dependent_index), name(edge.prerequisite_index)))
        .collect();
    arrows.sort();
    arrows
}

fn arrows_of(graph: &pb::DependencyGraph) -> Vec<String> {
    arrows(&graph.nodes.iter().map(Some).collect::<Vec<_>>(), &graph.edges)
}

/// A house: the walls depend on the foundation, the roof on the walls, the garden on the foundation; the party is a
/// parent.
struct House {
    context: pb::Task,
    walls: pb::Task,
    roof: pb::Task,
    garden: pb::Task,
    party: pb::Task,
}

async fn house(who: &Actor, project: &Project) -> House {
    let context = task_of(who, project, "context", 10).await;
    let walls = task_of(who, project, "walls", 20).await;
    let roof = task_of(who, project, "roof", 5).await;
    let garden = task_of(who, project, "garden", 6).await;
    let party = task_of(who, project, "party", 100).await;
    blocks(who, &walls, &context).await.unwrap();
    blocks(who, &roof, &walls).await.unwrap();
    blocks(who, &garden, &context).await.unwrap();
    let part = pb::Task { parent_task_id: Some(party.id.clone()), ..get(who, &garden).await.unwrap() };
    update(who, part, &["parent_task_id"]).await.unwrap();
    link(who, &roof, &party, pb::DependencyType::SubtaskOf).await.unwrap();
    House { context, walls, roof, garden, party }
}

#[tokio::test]
async fn plan_has_times_slack_and_critical_path() {
    let Team { olga, mia, vic, project, .. } = &team().await;
    let House { context, .. } = house(olga, project).await;
    let old = olga.task(project, "old").await;
    complete(mia, &old).await.unwrap();

    let made = plan(vic, project).await.unwrap();
    assert_eq!(
        shown(&made),
        [
            "context: wave 0, 10 h, 0-10, 0-10, slack 0",
            "walls: wave 1, 20 h, 10-30, 10-30, slack 0",
            "roof: wave 2, 5 h, 30-35, 30-35, slack 0",
            "garden: wave 1, 6 h, 10-16, 29-35, slack 19",
            "party: wave 3, 0 h, 35-35, 35-35, slack 0",
        ]
    );
    assert_eq!(critical(&made), ["context", "walls", "roof"]);
    assert_eq!(
        (hours_of(made.finish), made.wave_count, made.project_id.as_str()),
        (35, 4, project.id.as_str())
    );
    let nodes: Vec<_> = made.tasks.iter().map(|task| task.node.as_ref()).collect();
    let expected =
        ["garden <- context", "party <- garden", "party <- roof", "roof <- walls", "walls <- context"];
    assert_eq!(arrows(&nodes, &made.edges), expected);

    // Started: four of ten hours are done.
    let begun = pb::Task {
        status: pb::TaskStatus::InProgress.into(),
        actual_duration: work_hours(4),
        ..context.clone()
    };
    update(mia, begun, &["status", "actual_duration"]).await.unwrap();
    assert_eq!(hours_of(plan(vic, project).await.unwrap().finish), 31);
    complete(mia, &context).await.unwrap();
    let left = plan(vic, project).await.unwrap();
    assert_eq!((hours_of(left.finish), left.tasks.len(), left.edges.len()), (25, 4, 3));
}

#[tokio::test]
async fn plan_uses_the_default_estimate() {
    let Team { olga, project, .. } = &team().await;
    let [a, b] = [olga.task(project, "a").await, olga.task(project, "b").await];
    blocks(olga, &b, &a).await.unwrap();
    assert_eq!(hours_of(plan(olga, project).await.unwrap().finish), 16);
    let request = pb::GetPlanRequest {
        project_id: project.id.clone(),
        default_estimate: work_hours(3),
        ..Default::default()
    };
    assert_eq!(hours_of(olga.plans().get_plan(request).await.unwrap().into_inner().finish), 6);
    let empty = plan(olga, &olga.project("empty").await).await.unwrap();
    assert_eq!((hours_of(empty.finish), empty.wave_count, empty.critical_path.len()), (0, 0, 0));
}

#[tokio::test]
async fn slip_impact_delays_tasks_without_slack() {
    let Team { olga, vic, project, .. } = &team().await;
    let House { context, walls, garden, .. } = house(olga, project).await;
    let moved = |impact: &pb::SlipImpact| {
        let line = |task: &pb::DelayedTask| {
            format!(
                "{} {}+{}",
                title(task.node.as_ref()),
                hours_of(task.earliest_start),
                hours_of(task.delay)
            )
        };
        impact.delayed_tasks.iter().map(line).collect::<Vec<_>>()
    };
    let within = slip(vic, project, &garden, 19).await.unwrap();
    assert_eq!((hours_of(within.finish), hours_of(within.finish_delay), moved(&within)), (35, 0, vec![]));
    let beyond = slip(vic, project, &garden, 21).await.unwrap();
    assert_eq!((hours_of(beyond.finish), hours_of(beyond.finish_delay)), (37, 2));
    assert_eq!(moved(&beyond), ["party 35+2"]);
    let early = slip(vic, project, &context, 4).await.unwrap();
    assert_eq!(moved(&early), ["walls 10+4", "roof 30+4", "garden 10+4", "party 35+4"]);

    complete(olga, &context).await.unwrap();
    assert_eq!(summary(&slip(vic, project, &context, 1).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(violations(&slip(vic, project, &walls, 0).await.unwrap_err()), ["extra_duration"]);
}

#[tokio::test]
async fn plans_include_other_projects_and_hide_invisible_tasks() {
    let Team { olga, vic, project, .. } = &team().await;
    let open = open_project(olga, ProjectVisibility::Public).await;
    let secret = olga.project("secret").await;
    let here = task_of(olga, project, "here", 1).await;
    let there = task_of(olga, &open, "there", 2).await;
    let deep = task_of(olga, &open, "deep", 3).await;
    let hidden = task_of(olga, &secret, "do not tell", 50).await;
    let behind = task_of(olga, &open, "behind the hidden", 4).await;
    blocks(olga, &here, &there).await.unwrap();
    blocks(olga, &there, &deep).await.unwrap();
    blocks(olga, &here, &hidden).await.unwrap();
    blocks(olga, &hidden, &behind).await.unwrap();

    let all = plan(olga, project).await.unwrap();
    assert_eq!(
        (hours_of(all.finish), critical(&all).join(" ")),
        (55, "behind the hidden do not tell here".to_owned())
    );
    let seen = plan(vic, project).await.unwrap();
    assert_eq!((hours_of(seen.finish), critical(&seen).join(" ")), (6, "deep there here".to_owned()));
    let nodes: Vec<_> = seen.tasks.iter().map(|task| task.node.as_ref()).collect();
    assert_eq!(arrows(&nodes, &seen.edges), ["here <- hidden", "here <- there", "there <- deep"]);
    let hidden_node = nodes.iter().find(|node| node.unwrap().hidden).unwrap().unwrap();
    assert_eq!(*hidden_node, pb::GraphNode { hidden: true, ..Default::default() });

    let drawn = graph(vic, around(&here)).await.unwrap();
    assert_eq!(arrows_of(&drawn), ["here <- hidden", "here <- there", "there <- deep"]);
    let back = graph(vic, around(&behind)).await.unwrap();
    assert_eq!(arrows_of(&back), ["hidden <- behind the hidden"]);
}

#[tokio::test]
async fn dependency_graph_respects_direction_and_depth() {
    let Team { olga, project, .. } = &team().await;
    let mut chain = Vec::new();
    for title in ["a", "b", "c", "d", "e", "f", "g"] {
        chain.push(olga.task(project, title).await);
    }
    for pair in chain.windows(2) {
        blocks(olga, &pair[1], &pair[0]).await.unwrap();
    }
    let twin = olga.task(project, "twin").await;
    link(olga, &twin, &chain[3], pb::DependencyType::Duplicates).await.unwrap();
    link(olga, &chain[3], &twin, pb::DependencyType::RelatesTo).await.unwrap();
    let middle = around(&chain[3]);
    let seen = async |change: pb::GetDependencyGraphRequest| {
        let drawn = graph(olga, change).await.unwrap();
        assert_eq!(drawn.nodes[0].title, "d");
        arrows_of(&drawn).join(", ")
    };
    let one = pb::GetDependencyGraphRequest { depth: 1, ..middle.clone() };
    assert_eq!(seen(one.clone()).await, "d <- c, d <- twin, e <- d, twin <- d");
    let kinds = vec![pb::DependencyType::Blocks.into()];
    let only = pb::GetDependencyGraphRequest { dependency_types: kinds, ..middle.clone() };
    assert_eq!(seen(only.clone()).await, "b <- a, c <- b, d <- c, e <- d, f <- e, g <- f");
    let below = pb::GetDependencyGraphRequest { direction: 1, depth: 2, ..only.clone() };
    assert_eq!(seen(below).await, "c <- b, d <- c");
    let above = pb::GetDependencyGraphRequest { direction: 2, depth: 2, ..only };
    assert_eq!(seen(above).await, "e <- d, f <- e");
}

#[tokio::test]
async fn large_graphs_are_truncated_and_large_plans_refused() {
    let Team { suite, olga, project, .. } = &team().await;
    let centre = olga.task(project, "centre").await;
    let many = format!(
        "INSERT INTO task.tasks (project_id, title, creator_id, number) \
         SELECT '{0}', 'x', '{1}', n FROM generate_series(2, 10001) n; \
         ALTER TABLE task.task_dependencies DISABLE TRIGGER USER; \
         INSERT INTO task.task_dependencies (task_id, depends_on_task_id) \
         SELECT '{2}', id FROM task.tasks WHERE number BETWEEN 2 AND 2002; \
         ALTER TABLE task.task_dependencies ENABLE TRIGGER USER",
        project.id, olga.id, centre.id
    );
    let mut admin = suite.admin_of(task::NAME).await;
    diesel_async::SimpleAsyncConnection::batch_execute(&mut admin, &many).await.unwrap();
    let drawn = graph(olga, around(&centre)).await.unwrap();
    assert_eq!((drawn.nodes.len(), drawn.edges.len(), drawn.truncated), (2_001, 2_000, true));
    let refusal = plan(olga, project).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION PLAN_TOO_LARGE");
    let last = pb::Task { id: drawn.nodes[1].task_id.clone(), ..Default::default() };
    complete(olga, &last).await.unwrap();
    let fits = plan(olga, project).await.unwrap();
    assert_eq!((fits.tasks.len(), fits.edges.len(), hours_of(fits.finish)), (10_000, 2_000, 16));
}

#[tokio::test]
async fn diagrams_show_keys_and_point_from_prerequisites() {
    let Team { olga, vic, project, .. } = &team().await;
    let House { roof, party, .. } = house(olga, project).await;
    let request = pb::GetPlanRequest {
        project_id: project.id.clone(),
        diagram_format: pb::DiagramFormat::Mermaid.into(),
        ..Default::default()
    };
    let made = vic.plans().get_plan(request).await.unwrap().into_inner();
    assert!(made.tasks.is_empty() && hours_of(made.finish) == 35);
    assert!(made.diagram.contains("n0[\"APO-1 context\"]:::critical"), "{}", made.diagram);
    assert!(made.diagram.contains("n0 ==> n1") && made.diagram.contains("n0 --> n3"), "{}", made.diagram);
    let request =
        pb::GetDependencyGraphRequest { diagram_format: pb::DiagramFormat::Dot.into(), ..around(&party) };
    let drawn = graph(vic, request).await.unwrap();
    assert!(drawn.nodes.is_empty() && drawn.diagram.starts_with("digraph tasks {"), "{}", drawn.diagram);
    assert!(drawn.diagram.contains(&format!("{} roof (blocked)", roof.key)), "{}", drawn.diagram);
}

#[tokio::test]
async fn gantt_chart_has_the_dates_and_assignees_of_a_plan() {
    let Team { olga, vic, project, .. } = &team().await;
    let House { roof, .. } = house(olga, project).await;
    olga.task(project, "neither critical nor beside it").await;
    let mut updated = pb::Task { id: roof.id.clone(), ..Default::default() };
    updated.assignee_id = Some(olga.id.to_string());
    // Sunday: too early to hold the work up. The roof still waits for its walls.
    updated.start_at = Some(prost_types::Timestamp { seconds: MONDAY_MORNING - 86_400, nanos: 0 });
    updated.due_at = Some(prost_types::Timestamp { seconds: MONDAY_MORNING + 3_600, nanos: 0 });
    let request = pb::UpdateTaskRequest { task: Some(updated), ..Default::default() };
    olga.tasks().update_task(request).await.unwrap();
    let request = pb::GetPlanRequest {
        project_id: project.id.clone(),
        diagram_format: pb::DiagramFormat::MermaidGantt.into(),
        diagram_focus: pb::DiagramFocus::CriticalPath.into(),
        start_at: Some(prost_types::Timestamp { seconds: MONDAY_MORNING, nanos: 0 }),
        ..Default::default()
    };
    let drawn = vic.plans().get_plan(request).await.unwrap().into_inner();
    assert_eq!((drawn.tasks.len(), drawn.omitted_task_count, drawn.omitted_edge_count), (0, 1, 0));
    let digits = olga.id.simple().to_string().split_off(24);
    for line in [
        "section Critical path".to_owned(),
        format!("{} roof (blocked), 5 h, @{digits} :crit, n2, ", roof.key),
        format!("{} due, late :crit, milestone, d2, 2040-01-02T10:00, 2040-01-02T10:00", roof.key),
    ] {
        assert!(drawn.diagram.contains(&line), "{line}: {}", drawn.diagram);
    }
}

#[tokio::test]
async fn plans_of_invisible_projects_are_not_found_and_malformed_requests_refused() {
    let Team { suite, olga, sam, project, .. } = &team().await;
    let task = olga.task(project, "a").await;
    for stranger in [sam, &suite.anonymous()] {
        let refused = [
            plan(stranger, project).await.map(|_| ()),
            graph(stranger, around(&task)).await.map(|_| ()),
            slip(stranger, project, &task, 1).await.map(|_| ()),
        ];
        for refusal in refused {
            assert_eq!(summary(&refusal.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
        }
    }
    let open = open_project(olga, ProjectVisibility::Public).await;
    olga.task(&open, "seen by all").await;
    assert_eq!(plan(&suite.anonymous(), &open).await.unwrap().tasks.len(), 1);

    let garbage = pb::GetPlanRequest {
        project_id: "x".to_owned(),
        default_estimate: work_hours(0),
        diagram_format: 9,
        diagram_focus: -1,
        start_at: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
    };
    let refusal = olga.plans().get_plan(garbage).await.unwrap_err();
    let fields = ["project_id", "default_estimate", "start_at", "diagram_format", "diagram_focus"];
    assert_eq!(violations(&refusal), fields);
    let gantt = pb::DiagramFormat::MermaidGantt.into();
    let refusal = graph(olga, pb::GetDependencyGraphRequest { diagram_format: gantt, ..around(&task) }).await;
    assert_eq!(violations(&refusal.unwrap_err()), ["diagram_format"]);
    let garbage = pb::GetDependencyGraphRequest {
        task_id: "x".to_owned(),
        depth: 21,
        direction: 9,
        dependency_types: vec![0],
        diagram_format: -1,
    };
    let refusal = graph(olga, garbage).await.unwrap_err();
    let fields = ["task_id", "depth", "direction", "dependency_types[0]", "diagram_format"];
    assert_eq!(violations(&refusal), fields);
    let garbage = pb::GetSlipImpactRequest {
        project_id: "x".to_owned(),
        task_id: "x".to_owned(),
        extra_duration: None,
        default_estimate: work_hours(1_000_001),
        start_at: Some(prost_types::Timestamp { seconds: 0, nanos: -1 }),
    };
    let refusal = olga.plans().get_slip_impact(garbage).await.unwrap_err();
    assert_eq!(
        violations(&refusal),
        ["project_id", "task_id", "extra_duration", "default_estimate", "start_at"]
    );
}
