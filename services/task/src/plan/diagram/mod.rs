//! Diagrams of graphs and plans: flowcharts in Mermaid and DOT, in which arrows point from a prerequisite to its dependent,
//! and Gantt charts in Mermaid. A diagram shows an [`Excerpt`], so that it stays legible and within what Mermaid draws.

mod clusters;
mod dot;
mod excerpt;
mod flowchart;
mod gantt;
mod text;

use super::{Graph, ProjectPlan};
use excerpt::Excerpt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GraphFormat {
    Mermaid,
    Dot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlanFormat {
    Graph(GraphFormat),
    /// A Mermaid Gantt chart.
    Gantt,
}

/// Which tasks of a plan a diagram shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Focus {
    Everything,
    /// The tasks of the critical path and those that share an edge with them.
    CriticalPath,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Diagram {
    pub(super) text: String,
    /// How many tasks of the graph it does not show.
    pub(super) omitted_tasks: usize,
    /// How many edges between the tasks that it shows are not drawn.
    pub(super) omitted_edges: usize,
}

/// Draws a graph around its first node.
pub(super) fn draw_graph(graph: &Graph, format: GraphFormat) -> Diagram {
    finish(&Excerpt::around_first(graph), |text, excerpt| write_graph(text, excerpt, format))
}

/// Draws a plan; nodes and edges of the critical path are highlighted.
pub(super) fn draw_plan(plan: &ProjectPlan, format: PlanFormat, focus: Focus) -> Diagram {
    finish(&Excerpt::of_plan(plan, focus), |text, excerpt| match format {
        PlanFormat::Graph(format) => write_graph(text, excerpt, format),
        PlanFormat::Gantt => gantt::write(text, excerpt, plan),
    })
}

fn write_graph(text: &mut String, excerpt: &Excerpt<'_>, format: GraphFormat) -> std::fmt::Result {
    match format {
        GraphFormat::Mermaid => flowchart::write(text, excerpt),
        GraphFormat::Dot => dot::write(text, excerpt),
    }
}

fn finish<'a>(
    excerpt: &Excerpt<'a>,
    write: impl FnOnce(&mut String, &Excerpt<'a>) -> std::fmt::Result,
) -> Diagram {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _never_fails = write(&mut text, excerpt);
    Diagram { text, omitted_tasks: excerpt.omitted_tasks, omitted_edges: excerpt.omitted_edges }
}

#[cfg(test)]
mod tests;
