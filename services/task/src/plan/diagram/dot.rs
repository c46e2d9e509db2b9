//! Graphs in DOT, for Graphviz.

use std::fmt::Write;

use crate::schema::DependencyType;

use super::clusters::{Clusters, Step};
use super::excerpt::Excerpt;
use super::text::{dot, label_of};

pub(super) fn write(text: &mut String, excerpt: &Excerpt<'_>) -> std::fmt::Result {
    writeln!(text, "digraph tasks {{\n    rankdir=LR;\n    node [shape=box];")?;
    if let Some(omission) = excerpt.omission() {
        writeln!(text, "    label=\"{omission}\";")?;
    }
    let clusters = Clusters::of(excerpt);
    for (depth, step) in clusters.walk(excerpt) {
        let indent = "    ".repeat(depth + 1);
        match step {
            Step::Begin(node) => writeln!(text, "{indent}subgraph cluster_{node} {{")?,
            Step::Node(node) => {
                let style = style_of(excerpt, node);
                let label = dot(&label_of(excerpt.task(node)));
                writeln!(text, "{indent}n{node} [label=\"{label}\"{style}];")?;
            }
            Step::End => writeln!(text, "{indent}}}")?,
        }
    }
    for edge in excerpt.edges.iter().filter(|edge| !clusters.shows(edge)) {
        let style = match edge.kind {
            DependencyType::Blocks if excerpt.is_critical_edge(edge) => " [color=red, penwidth=3]",
            DependencyType::Blocks => "",
            DependencyType::SubtaskOf => " [style=dashed, label=\"part of\"]",
            DependencyType::RelatesTo => " [style=dotted, dir=none, label=\"relates to\"]",
            DependencyType::Duplicates => " [style=dotted, label=\"duplicated by\"]",
        };
        writeln!(text, "    n{} -> n{}{style};", edge.prerequisite, edge.dependent)?;
    }
    writeln!(text, "}}")
}

fn style_of(excerpt: &Excerpt<'_>, node: usize) -> &'static str {
    match excerpt.task(node) {
        None => ", style=dashed",
        Some(_) if excerpt.is_critical(node) => ", color=red, penwidth=3",
        Some(task) if task.is_closed() => ", fontcolor=gray",
        Some(_) => "",
    }
}
