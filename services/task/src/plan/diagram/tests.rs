use expect_test::expect;
use uuid::Uuid;

use super::*;
use crate::plan::{Edge, GraphTask, IndexedEdge, MAX_DIAGRAM_EDGES, MAX_DIAGRAM_TASKS};
use crate::schema::{DependencyType, TaskStatus};

/// What Mermaid draws without a change of its configuration.
const MERMAID_MAX_CHARS: usize = 50_000;
const MERMAID_MAX_EDGES: usize = 500;

fn task(number: u128, title: &str, status: TaskStatus) -> GraphTask {
    GraphTask {
        id: Uuid::from_u128(number),
        project_id: Uuid::nil(),
        project_key: "APO".to_owned(),
        number: i64::try_from(number).unwrap(),
        title: title.to_owned(),
        status,
        estimated_minutes: Some(600),
        actual_minutes: None,
        assignee_id: None,
        milestone_id: None,
        start_date: None,
        due_date: None,
    }
}

fn edge(dependent: u128, prerequisite: u128, kind: DependencyType) -> Edge {
    Edge { dependent: Uuid::from_u128(dependent), prerequisite: Uuid::from_u128(prerequisite), kind }
}

fn plan_of(tasks: Vec<GraphTask>, edges: Vec<Edge>) -> ProjectPlan {
    ProjectPlan::of(tasks, edges, 480, "2026-11-30T09:00:00Z".parse().unwrap()).unwrap()
}

fn graph() -> Graph {
    let nodes = vec![
        Some(task(1, "say \"hi\" & <b>\\", TaskStatus::Pending)),
        Some(task(2, "b", TaskStatus::Blocked)),
        Some(task(3, "c", TaskStatus::Done)),
        None,
        Some(task(5, "e", TaskStatus::Pending)),
    ];
    let edge = |dependent, prerequisite, kind| IndexedEdge { dependent, prerequisite, kind };
    let edges = vec![
        edge(1, 0, DependencyType::Blocks),
        edge(1, 3, DependencyType::Blocks),
        edge(1, 2, DependencyType::SubtaskOf),
        edge(4, 2, DependencyType::SubtaskOf),
        edge(0, 2, DependencyType::RelatesTo),
        edge(0, 3, DependencyType::Duplicates),
    ];
    Graph { nodes, edges }
}

/// A started task and one of another project block a third, which is late, and has two subtasks.
fn planned() -> ProjectPlan {
    let started = GraphTask {
        assignee_id: Some("0195c0de-0000-7000-8000-00005f0c2d1e".parse().unwrap()),
        actual_minutes: Some(120),
        ..task(1, "say: \"hi\"; #1", TaskStatus::InProgress)
    };
    let due = Some("2026-12-02T12:00:00Z".parse().unwrap());
    let parent = GraphTask { due_date: due, ..task(2, "house", TaskStatus::Blocked) };
    let walls = GraphTask { estimated_minutes: Some(45), ..task(3, "walls", TaskStatus::Pending) };
    let garden = GraphTask { project_key: "GANTT".to_owned(), ..task(4, "garden", TaskStatus::Pending) };
    let edges = vec![
        edge(2, 3, DependencyType::SubtaskOf),
        edge(3, 1, DependencyType::Blocks),
        edge(3, 9, DependencyType::Blocks),
    ];
    plan_of(vec![started, parent, walls, garden], edges)
}

/// Many tasks, of which each third blocks all later ones; the first three form the critical path.
fn large() -> ProjectPlan {
    let title = "\"".repeat(60);
    let tasks = (1..=400).map(|number| GraphTask {
        estimated_minutes: Some(if number <= 3 { 60_000 } else { 60 }),
        ..task(number, &title, TaskStatus::Pending)
    });
    let mut edges = vec![edge(2, 1, DependencyType::Blocks), edge(3, 2, DependencyType::Blocks)];
    for prerequisite in (4..=399).step_by(3) {
        let later = prerequisite + 1..=400;
        edges.extend(later.map(|dependent| edge(dependent, prerequisite, DependencyType::Blocks)));
    }
    edges.push(edge(4, 1, DependencyType::Blocks));
    plan_of(tasks.collect(), edges)
}

/// How many tasks a diagram shows: in each format a task has a line of its own.
fn nodes_in(text: &str) -> usize {
    let marks = ["[\"APO-", "[label=\"APO-", " :n", " :crit, n"];
    text.lines().filter(|line| marks.iter().any(|mark| line.contains(mark))).count()
}

#[test]
fn mermaid_flowchart_has_subtasks_in_clusters() {
    expect![[r##"
        flowchart LR
            n0["APO-1 say #34;hi#34; #38; #60;b#62;#92;"]
            subgraph g1["APO-2"]
                n1["APO-2 b (blocked)"]
                n2["APO-3 c"]:::closed
            end
            n3["hidden"]:::hidden
            n4["APO-5 e"]
            n0 --> n1
            n3 --> n1
            n2 -. part of .-> n4
            n2 -. relates to .- n0
            n3 -. duplicated by .-> n0
            classDef critical stroke:#c00,stroke-width:3px
            classDef closed fill:#ddd,color:#666
            classDef hidden stroke-dasharray:4
    "##]]
    .assert_eq(&draw_graph(&graph(), GraphFormat::Mermaid).text);
}

#[test]
fn dot_graph_has_subtasks_in_clusters() {
    expect![[r#"
        digraph tasks {
            rankdir=LR;
            node [shape=box];
            n0 [label="APO-1 say \"hi\" &amp; <b>\\"];
            subgraph cluster_1 {
                n1 [label="APO-2 b (blocked)"];
                n2 [label="APO-3 c", fontcolor=gray];
            }
            n3 [label="hidden", style=dashed];
            n4 [label="APO-5 e"];
            n0 -> n1;
            n3 -> n1;
            n2 -> n4 [style=dashed, label="part of"];
            n2 -> n0 [style=dotted, dir=none, label="relates to"];
            n3 -> n0 [style=dotted, label="duplicated by"];
        }
    "#]]
    .assert_eq(&draw_graph(&graph(), GraphFormat::Dot).text);
}

#[test]
fn critical_path_of_a_plan_is_highlighted() {
    let drawn = |format| draw_plan(&planned(), PlanFormat::Graph(format), Focus::Everything).text;
    let flowchart = drawn(GraphFormat::Mermaid);
    for line in ["n3[\"GANTT-4 garden\"]:::critical\n", "n0 --> n2\n"] {
        assert!(flowchart.contains(line), "{flowchart}");
    }
    let dot = drawn(GraphFormat::Dot);
    assert!(dot.contains("n3 [label=\"GANTT-4 garden\", color=red, penwidth=3];\n"), "{dot}");
}

#[test]
fn gantt_chart_has_sections_hours_dates_assignees_and_milestones() {
    expect![[r#"
        gantt
            dateFormat YYYY-MM-DDTHH:mm
            axisFormat %Y-%m-%d
            section Critical path
                #71;ANTT-4 garden, 10 h :crit, n3, 2026-11-30T09:00, 2026-12-01T11:00
            section Started
                APO-1 say#58; #34;hi#34;#59; #35;1, 8 h, @5f0c2d1e :active, n0, 2026-11-30T09:00, 2026-11-30T17:00
            section Blocked
                APO-2 house (blocked) :milestone, n1, 2026-12-01T09:45, 2026-12-01T09:45
                APO-2 due :milestone, d1, 2026-12-02T12:00, 2026-12-02T12:00
            section Pending
                APO-3 walls, 45 min :n2, 2026-12-01T09:00, 2026-12-01T09:45
            section Hidden
                hidden :milestone, n4, 2026-11-30T09:00, 2026-11-30T09:00
            section Finish
                Finish (10 h) :milestone, finish, 2026-12-01T11:00, 0m
    "#]].assert_eq(&draw_plan(&planned(), PlanFormat::Gantt, Focus::Everything).text);
}

#[test]
fn diagrams_of_large_plans_stay_within_what_mermaid_draws_and_count_the_rest() {
    let plan = large();
    for format in
        [PlanFormat::Graph(GraphFormat::Mermaid), PlanFormat::Graph(GraphFormat::Dot), PlanFormat::Gantt]
    {
        let Diagram { text, omitted_tasks, omitted_edges } = draw_plan(&plan, format, Focus::Everything);
        assert_eq!((nodes_in(&text), omitted_tasks), (MAX_DIAGRAM_TASKS, 300), "{text}");
        assert!(text.contains("300 more tasks are not shown"), "{text}");
        assert!(text.chars().count() < MERMAID_MAX_CHARS, "{}", text.len());
        let drawn = text.lines().filter(|line| line.contains("==>") || line.contains("-->")).count();
        assert!(omitted_edges > 0 && drawn <= MAX_DIAGRAM_EDGES && drawn < MERMAID_MAX_EDGES);
    }
    let flowchart = draw_plan(&plan, PlanFormat::Graph(GraphFormat::Mermaid), Focus::Everything).text;
    assert!(flowchart.contains("n0 ==> n1\n") && flowchart.contains("n1 ==> n2\n"), "{flowchart}");
}

#[test]
fn focus_on_the_critical_path_shows_its_tasks_and_their_neighbors() {
    let plan = large();
    let focused = draw_plan(&plan, PlanFormat::Graph(GraphFormat::Mermaid), Focus::CriticalPath);
    assert_eq!((nodes_in(&focused.text), focused.omitted_tasks, focused.omitted_edges), (4, 396, 0));
}

#[test]
fn graphs_around_a_task_show_what_is_nearest_to_it() {
    let nodes = (1..=300).map(|number| Some(task(number, "x", TaskStatus::Pending))).collect();
    // A chain in which the neighbours of the first are the last.
    let chain = (0..299).map(|place| IndexedEdge {
        dependent: if place == 0 { 0 } else { 300 - place },
        prerequisite: 299 - place,
        kind: DependencyType::Blocks,
    });
    let Diagram { text, omitted_tasks, .. } =
        draw_graph(&Graph { nodes, edges: chain.collect() }, GraphFormat::Mermaid);
    assert_eq!((nodes_in(&text), omitted_tasks), (MAX_DIAGRAM_TASKS, 200));
    assert!(
        text.contains("n0[") && text.contains("n299[") && text.contains("n201[") && !text.contains("n200[")
    );
}

#[test]
fn a_single_task_is_a_diagram() {
    let graph = Graph { nodes: vec![Some(task(1, "x", TaskStatus::Pending))], edges: Vec::new() };
    let drawn = draw_graph(&graph, GraphFormat::Mermaid);
    assert_eq!((nodes_in(&drawn.text), drawn.omitted_tasks, drawn.omitted_edges), (1, 0, 0));
}

#[test]
fn long_titles_are_cut_between_characters() {
    let shown = task(1, &"ü".repeat(41), TaskStatus::Pending).short_title();
    assert_eq!((shown.chars().count(), shown.ends_with("ü…")), (40, true));
    assert_eq!(task(1, "b", TaskStatus::Pending).short_title(), "b");
}
