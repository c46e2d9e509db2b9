//! Diagrams of graphs in Mermaid and DOT. Arrows point from a prerequisite to its dependent.

use std::collections::HashSet;
use std::fmt::Write;

use crate::schema::{DependencyType, TaskStatus};

use super::{Graph, GraphTask, IndexedEdge};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiagramFormat {
    Mermaid,
    Dot,
}

/// Renders a graph; nodes and edges of the critical path are highlighted.
pub(super) fn draw(format: DiagramFormat, graph: &Graph, critical_path: &[usize]) -> String {
    let critical: HashSet<usize> = critical_path.iter().copied().collect();
    let on_path: HashSet<(usize, usize)> =
        critical_path.iter().skip(1).copied().zip(critical_path.iter().copied()).collect();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _never_fails = match format {
        DiagramFormat::Mermaid => mermaid(&mut text, graph, &critical, &on_path),
        DiagramFormat::Dot => dot(&mut text, graph, &critical, &on_path),
    };
    text
}

fn mermaid(
    text: &mut String,
    graph: &Graph,
    critical: &HashSet<usize>,
    on_path: &HashSet<(usize, usize)>,
) -> std::fmt::Result {
    writeln!(text, "flowchart LR")?;
    for (index, node) in graph.nodes.iter().enumerate() {
        let class = class_of(node.as_ref(), critical.contains(&index));
        writeln!(text, "    n{index}[\"{}\"]{class}", mermaid_label(node.as_ref()))?;
    }
    for IndexedEdge { dependent, prerequisite, kind } in &graph.edges {
        let arrow = match kind {
            DependencyType::Blocks if on_path.contains(&(*dependent, *prerequisite)) => "==>",
            DependencyType::Blocks => "-->",
            DependencyType::SubtaskOf => "-. part of .->",
            DependencyType::RelatesTo => "-. relates to .-",
            DependencyType::Duplicates => "-. duplicated by .->",
        };
        writeln!(text, "    n{prerequisite} {arrow} n{dependent}")?;
    }
    writeln!(text, "    classDef critical stroke:#c00,stroke-width:3px")?;
    writeln!(text, "    classDef closed fill:#ddd,color:#666")?;
    writeln!(text, "    classDef hidden stroke-dasharray:4")
}

fn class_of(node: Option<&GraphTask>, is_critical: bool) -> &'static str {
    match node {
        None => ":::hidden",
        Some(_) if is_critical => ":::critical",
        Some(task) if task.is_closed() => ":::closed",
        Some(_) => "",
    }
}

/// Mermaid's special characters are written as entities.
fn mermaid_label(node: Option<&GraphTask>) -> String {
    let mut label = String::new();
    for letter in label_of(node).chars() {
        match letter {
            '"' | '#' | '<' | '>' | '&' | '`' | '\\' => label.push_str(&format!("#{};", u32::from(letter))),
            other => label.push(other),
        }
    }
    label
}

fn dot(
    text: &mut String,
    graph: &Graph,
    critical: &HashSet<usize>,
    on_path: &HashSet<(usize, usize)>,
) -> std::fmt::Result {
    writeln!(text, "digraph tasks {{\n    rankdir=LR;\n    node [shape=box];")?;
    for (index, node) in graph.nodes.iter().enumerate() {
        let style = match node {
            None => ", style=dashed",
            Some(_) if critical.contains(&index) => ", color=red, penwidth=3",
            Some(task) if task.is_closed() => ", fontcolor=gray",
            Some(_) => "",
        };
        let label = label_of(node.as_ref()).replace('\\', "\\\\").replace('"', "\\\"");
        writeln!(text, "    n{index} [label=\"{label}\"{style}];")?;
    }
    for IndexedEdge { dependent, prerequisite, kind } in &graph.edges {
        let style = match kind {
            DependencyType::Blocks if on_path.contains(&(*dependent, *prerequisite)) => {
                " [color=red, penwidth=3]"
            }
            DependencyType::Blocks => "",
            DependencyType::SubtaskOf => " [style=dashed, label=\"part of\"]",
            DependencyType::RelatesTo => " [style=dotted, dir=none, label=\"relates to\"]",
            DependencyType::Duplicates => " [style=dotted, label=\"duplicated by\"]",
        };
        writeln!(text, "    n{prerequisite} -> n{dependent}{style};")?;
    }
    writeln!(text, "}}")
}

fn label_of(node: Option<&GraphTask>) -> String {
    let Some(task) = node else { return "hidden".to_owned() };
    let mark = if task.status == TaskStatus::Blocked { " (blocked)" } else { "" };
    format!("{} {}{mark}", task.key(), task.short_title())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use uuid::Uuid;

    fn graph() -> Graph {
        let task = |number: u128, title: &str, status| GraphTask {
            id: Uuid::from_u128(number),
            project_id: Uuid::nil(),
            project_key: "APO".to_owned(),
            number: i64::try_from(number).unwrap(),
            title: title.to_owned(),
            status,
            estimated_minutes: None,
            actual_minutes: None,
        };
        let nodes = vec![
            Some(task(1, "say \"hi\" & <b>\\", TaskStatus::Pending)),
            Some(task(2, "b", TaskStatus::Blocked)),
            Some(task(3, "c", TaskStatus::Done)),
            None,
        ];
        let edge = |dependent, prerequisite, kind| IndexedEdge { dependent, prerequisite, kind };
        let edges = vec![
            edge(1, 0, DependencyType::Blocks),
            edge(1, 3, DependencyType::Blocks),
            edge(1, 2, DependencyType::SubtaskOf),
            edge(0, 2, DependencyType::RelatesTo),
            edge(0, 3, DependencyType::Duplicates),
        ];
        Graph { nodes, edges }
    }

    #[test]
    fn mermaid_diagram_shows_nodes_and_edges() {
        expect![[r##"
            flowchart LR
                n0["APO-1 say #34;hi#34; #38; #60;b#62;#92;"]:::critical
                n1["APO-2 b (blocked)"]:::critical
                n2["APO-3 c"]:::closed
                n3["hidden"]:::hidden
                n0 ==> n1
                n3 --> n1
                n2 -. part of .-> n1
                n2 -. relates to .- n0
                n3 -. duplicated by .-> n0
                classDef critical stroke:#c00,stroke-width:3px
                classDef closed fill:#ddd,color:#666
                classDef hidden stroke-dasharray:4
        "##]]
        .assert_eq(&draw(DiagramFormat::Mermaid, &graph(), &[0, 1]));
    }

    #[test]
    fn dot_diagram_shows_nodes_and_edges() {
        expect![[r#"
            digraph tasks {
                rankdir=LR;
                node [shape=box];
                n0 [label="APO-1 say \"hi\" & <b>\\", color=red, penwidth=3];
                n1 [label="APO-2 b (blocked)", color=red, penwidth=3];
                n2 [label="APO-3 c", fontcolor=gray];
                n3 [label="hidden", style=dashed];
                n0 -> n1 [color=red, penwidth=3];
                n3 -> n1;
                n2 -> n1 [style=dashed, label="part of"];
                n2 -> n0 [style=dotted, dir=none, label="relates to"];
                n3 -> n0 [style=dotted, label="duplicated by"];
            }
        "#]]
        .assert_eq(&draw(DiagramFormat::Dot, &graph(), &[0, 1]));
    }

    #[test]
    fn long_titles_are_cut_between_characters() {
        let mut task = graph().nodes.remove(1).unwrap();
        assert_eq!(task.short_title(), "b");
        task.title = "ü".repeat(41);
        let shown = task.short_title();
        assert_eq!((shown.chars().count(), shown.ends_with("ü…")), (40, true));
    }
}
