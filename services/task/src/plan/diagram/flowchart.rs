//! Mermaid flowcharts.

use std::fmt::Write;

use crate::plan::GraphTask;
use crate::schema::DependencyType;

use super::clusters::{Clusters, Step};
use super::excerpt::Excerpt;
use super::text::{label_of, mermaid};

pub(super) fn write(text: &mut String, excerpt: &Excerpt<'_>) -> std::fmt::Result {
    writeln!(text, "flowchart LR")?;
    let clusters = Clusters::of(excerpt);
    for (depth, step) in clusters.walk(excerpt) {
        let indent = "    ".repeat(depth + 1);
        match step {
            Step::Begin(node) => {
                writeln!(text, "{indent}subgraph g{node}[\"{}\"]", key_of(excerpt.task(node)))?
            }
            Step::Node(node) => {
                let (task, class) = (excerpt.task(node), class_of(excerpt, node));
                writeln!(text, "{indent}n{node}[\"{}\"]{class}", mermaid(&label_of(task)))?;
            }
            Step::End => writeln!(text, "{indent}end")?,
        }
    }
    if let Some(omission) = excerpt.omission() {
        writeln!(text, "    omitted[\"{omission}\"]:::hidden")?;
    }
    for edge in excerpt.edges.iter().filter(|edge| !clusters.shows(edge)) {
        let arrow = match edge.kind {
            DependencyType::Blocks if excerpt.is_critical_edge(edge) => "==>",
            DependencyType::Blocks => "-->",
            DependencyType::SubtaskOf => "-. part of .->",
            DependencyType::RelatesTo => "-. relates to .-",
            DependencyType::Duplicates => "-. duplicated by .->",
        };
        writeln!(text, "    n{} {arrow} n{}", edge.prerequisite, edge.dependent)?;
    }
    writeln!(text, "    classDef critical stroke:#c00,stroke-width:3px")?;
    writeln!(text, "    classDef closed fill:#ddd,color:#666")?;
    writeln!(text, "    classDef hidden stroke-dasharray:4")
}

/// Of a cluster: its first node has the title. Keys are letters, digits and a hyphen.
fn key_of(task: Option<&GraphTask>) -> String {
    task.map_or_else(|| "hidden".to_owned(), GraphTask::key)
}

fn class_of(excerpt: &Excerpt<'_>, node: usize) -> &'static str {
    match excerpt.task(node) {
        None => ":::hidden",
        Some(_) if excerpt.is_critical(node) => ":::critical",
        Some(task) if task.is_closed() => ":::closed",
        Some(_) => "",
    }
}
