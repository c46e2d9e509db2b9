//! Graphs as text that other programs draw: Mermaid and DOT. An arrow goes from what must come first to what waits.

use std::collections::HashSet;
use std::fmt::Write;

use crate::schema::{DependencyType, TaskStatus};

use super::wire::short_title;
use super::{Graph, Link, TaskInGraph};

/// A language for diagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiagramFormat {
    /// Mermaid flowchart.
    Mermaid,
    /// DOT of Graphviz.
    Dot,
}

/// Draws a graph; the nodes on the critical path, and the edges between them, stand out.
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
    for (place, node) in graph.nodes.iter().enumerate() {
        let class = class_of(node.as_ref(), critical.contains(&place));
        writeln!(text, "    n{place}[\"{}\"]{class}", mermaid_label(node.as_ref()))?;
    }
    for Link { waiting, awaited, kind } in &graph.links {
        let arrow = match kind {
            DependencyType::Blocks if on_path.contains(&(*waiting, *awaited)) => "==>",
            DependencyType::Blocks => "-->",
            DependencyType::SubtaskOf => "-. part of .->",
            DependencyType::RelatesTo => "-. relates to .-",
            DependencyType::Duplicates => "-. duplicated by .->",
        };
        writeln!(text, "    n{awaited} {arrow} n{waiting}")?;
    }
    writeln!(text, "    classDef critical stroke:#c00,stroke-width:3px")?;
    writeln!(text, "    classDef closed fill:#ddd,color:#666")?;
    writeln!(text, "    classDef hidden stroke-dasharray:4")
}

fn class_of(node: Option<&TaskInGraph>, is_critical: bool) -> &'static str {
    match node {
        None => ":::hidden",
        Some(_) if is_critical => ":::critical",
        Some(task) if task.is_closed() => ":::closed",
        Some(_) => "",
    }
}

/// Mermaid takes characters with a meaning as entities.
fn mermaid_label(node: Option<&TaskInGraph>) -> String {
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
    for (place, node) in graph.nodes.iter().enumerate() {
        let style = match node {
            None => ", style=dashed",
            Some(_) if critical.contains(&place) => ", color=red, penwidth=3",
            Some(task) if task.is_closed() => ", fontcolor=gray",
            Some(_) => "",
        };
        let label = label_of(node.as_ref()).replace('\\', "\\\\").replace('"', "\\\"");
        writeln!(text, "    n{place} [label=\"{label}\"{style}];")?;
    }
    for Link { waiting, awaited, kind } in &graph.links {
        let style = match kind {
            DependencyType::Blocks if on_path.contains(&(*waiting, *awaited)) => " [color=red, penwidth=3]",
            DependencyType::Blocks => "",
            DependencyType::SubtaskOf => " [style=dashed, label=\"part of\"]",
            DependencyType::RelatesTo => " [style=dotted, dir=none, label=\"relates to\"]",
            DependencyType::Duplicates => " [style=dotted, label=\"duplicated by\"]",
        };
        writeln!(text, "    n{awaited} -> n{waiting}{style};")?;
    }
    writeln!(text, "}}")
}

fn label_of(node: Option<&TaskInGraph>) -> String {
    let Some(task) = node else { return "hidden".to_owned() };
    let mark = if task.status == TaskStatus::Blocked { " (blocked)" } else { "" };
    format!("{} {}{mark}", task.key, short_title(&task.title))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use uuid::Uuid;

    fn graph() -> Graph {
        let task = |number: u128, title: &str, status| TaskInGraph {
            id: Uuid::from_u128(number),
            project_id: Uuid::nil(),
            key: format!("APO-{number}"),
            title: title.to_owned(),
            status,
            estimated_hours: None,
            actual_hours: None,
        };
        let nodes = vec![
            Some(task(1, "say \"hi\" & <b>\\", TaskStatus::Pending)),
            Some(task(2, "b", TaskStatus::Blocked)),
            Some(task(3, "c", TaskStatus::Done)),
            None,
        ];
        let link = |waiting, awaited, kind| Link { waiting, awaited, kind };
        let links = vec![
            link(1, 0, DependencyType::Blocks),
            link(1, 3, DependencyType::Blocks),
            link(1, 2, DependencyType::SubtaskOf),
            link(0, 2, DependencyType::RelatesTo),
            link(0, 3, DependencyType::Duplicates),
        ];
        Graph { nodes, links }
    }

    #[test]
    fn mermaid_text() {
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
    fn dot_text() {
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
}
