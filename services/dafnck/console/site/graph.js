// The graph of tasks, laid out by dagre: all open ones, or those around one task.

import { call } from "./api.js";
import { Graph, layout, useMemo, useState } from "./libraries.js";
import { TaskDialog } from "./task_dialog.js";
import { statusLabel } from "./tasks.js";
import { ErrorBox, Field, html, label, useLoad } from "./ui.js";

const SERVICE = "dafnck.task.v1.PlanService";
/** The layout of more takes seconds, and nobody can read it. */
const MAX_NODES = 250;
const NODE = { width: 190, height: 52 };
const MARGIN = 12;
/** Characters of a title that fit into a node. */
const TITLE_LENGTH = 24;
const DEPTH = 3;

async function loadGraph(projectId, taskId) {
  if (taskId) {
    const { nodes, edges } = await call(`${SERVICE}/GetDependencyGraph`, { taskId, depth: DEPTH });
    return { nodes, edges, critical: new Set() };
  }
  const { tasks, edges, criticalPath } = await call(`${SERVICE}/GetPlan`, { projectId });
  return { nodes: tasks.map(({ node }) => node), edges, critical: new Set(criticalPath) };
}

export function TaskGraph({ project, store }) {
  const [center, setCenter] = useState("");
  const [openId, setOpenId] = useState();
  const { value, error } = useLoad(() => loadGraph(project.id, center), [project.id, center], store.revision);
  return html`
    <div class="row">
      <${Field} label="Show" as="select" value=${center} onChange=${(event) => setCenter(event.target.value)}>
        <option value="">All open tasks</option>
        ${store.tasks?.map((task) => html`<option value=${task.id}>Around ${task.key} ${task.title}</option>`)}
      <//>
    </div>
    <${ErrorBox} error=${error} />
    ${value && html`<${Drawing} graph=${value} onOpen=${setOpenId} />`}
    ${openId && store.byId?.has(openId) &&
    html`<${TaskDialog} id=${openId} store=${store} onClose=${() => setOpenId(undefined)} />`}
  `;
}

/** Of many nodes only those with dependencies; nothing if even these are too many. */
function arrange({ nodes, edges }) {
  const linked = new Set(edges.flatMap((edge) => [edge.prerequisiteIndex, edge.dependentIndex]));
  const isShown = (index) => nodes.length <= MAX_NODES || linked.has(index);
  if (nodes.filter((_, index) => isShown(index)).length > MAX_NODES) return undefined;
  const graph = new Graph({ multigraph: true });
  graph.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 50, marginx: MARGIN, marginy: MARGIN });
  nodes.forEach((node, index) => isShown(index) && graph.setNode(String(index), { ...NODE, node, index }));
  edges.forEach((edge, index) =>
    graph.setEdge(String(edge.prerequisiteIndex), String(edge.dependentIndex), { edge }, String(index)),
  );
  layout(graph);
  return graph;
}

function Drawing({ graph, onOpen }) {
  const arranged = useMemo(() => arrange(graph), [graph]);
  if (graph.nodes.length === 0) return html`<p>No open tasks.</p>`;
  if (!arranged) return html`<p>${graph.nodes.length} tasks are too many to draw. Choose one to see what is around it.</p>`;
  const { width, height } = arranged.graph();
  const on = (index) => graph.critical.has(index);
  const isCritical = ({ edge }) => on(edge.dependentIndex) && on(edge.prerequisiteIndex);
  return html`
    <div class="scroll" tabindex="0" role="group" aria-label="Graph of tasks">
      <svg width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`}>
        <defs>
          <marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerUnits="userSpaceOnUse" markerWidth="10" markerHeight="10" orient="auto">
            <path d="M0 0 8 4 0 8z" />
          </marker>
        </defs>
        ${arranged.edges().map((name) => html`<${Edge} edge=${arranged.edge(name)} isCritical=${isCritical(arranged.edge(name))} />`)}
        ${arranged.nodes().map((name) => {
          const place = arranged.node(name);
          return html`<${Node} place=${place} isCritical=${on(place.index)} onOpen=${onOpen} />`;
        })}
      </svg>
    </div>
    <p class="hint">An arrow leads from a task to what waits for it. Thick: the critical path. Dashed: no blocker.${" "}
      ${graph.nodes.length > MAX_NODES && `Tasks without dependencies are left out, since there are ${graph.nodes.length}.`}</p>
    <details>
      <summary>The dependencies as a list</summary>
      <ul>${graph.edges.map((edge) => html`<li>${sentence(graph.nodes, edge)}</li>`)}</ul>
    </details>
  `;
}

const nameOf = ({ hidden, key, title }) => (hidden ? "a hidden task" : `${key} ${title}`);

function sentence(nodes, { dependentIndex, prerequisiteIndex, dependencyType }) {
  const type = label(dependencyType, "DEPENDENCY_TYPE_").toLowerCase();
  return `${nameOf(nodes[prerequisiteIndex])} → ${nameOf(nodes[dependentIndex])} (${type})`;
}

function Edge({ edge: { points, edge }, isCritical }) {
  const path = points.map(({ x, y }, index) => `${index === 0 ? "M" : "L"}${x} ${y}`).join("");
  const isBlocker = edge.dependencyType === "DEPENDENCY_TYPE_BLOCKS";
  const classes = `edge ${isCritical ? "critical" : ""} ${isBlocker ? "" : "weak"}`;
  return html`<path class=${classes} d=${path} marker-end="url(#arrow)" />`;
}

function Node({ place: { x, y, node }, isCritical, onOpen }) {
  const { key, hidden } = node;
  const title = node.title.length > TITLE_LENGTH ? `${node.title.slice(0, TITLE_LENGTH - 1)}…` : node.title;
  // The space keeps the lines apart where they are read out.
  const lines = hidden ? ["another project ", "hidden"] : [`${key} · ${statusLabel(node.status)} `, title];
  const open = () => hidden || onOpen(node.taskId);
  const keyDown = (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    open();
  };
  return html`<g
    class=${isCritical ? "node critical" : "node"}
    transform=${`translate(${x - NODE.width / 2} ${y - NODE.height / 2})`}
    role="button"
    tabindex="0"
    data-task=${key}
    aria-label=${lines.join("") + (isCritical ? ", on the critical path" : "")}
    onClick=${open}
    onKeyDown=${keyDown}
  >
    <rect width=${NODE.width} height=${NODE.height} rx="6" />
    <text class="key" x="10" y="21">${lines[0]}</text>
    <text x="10" y="41">${lines[1]}</text>
  </g>`;
}
