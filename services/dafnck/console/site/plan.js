// The plan as a Gantt chart: a table with a bar in each row, so that it is read out like it is seen.

import { call } from "./api.js";
import { statusLabel } from "./tasks.js";
import { ErrorBox, hours, html, seconds, useLoad } from "./ui.js";

/** More rows make the page slow. */
const MAX_ROWS = 500;
const TICKS = 4;

export function PlanChart({ project, store }) {
  const load = () => call("dafnck.task.v1.PlanService/GetPlan", { projectId: project.id });
  const { value: plan, error } = useLoad(load, [project.id], store.revision);
  return html`<${ErrorBox} error=${error} />${plan && html`<${Chart} plan=${plan} />`}`;
}

function Chart({ plan }) {
  if (plan.tasks.length === 0) return html`<p>No open tasks: there is nothing to plan.</p>`;
  const critical = new Set(plan.criticalPath);
  const rows = plan.tasks.map((task, index) => ({ task, isCritical: critical.has(index) }));
  const isLater = (one, other) => seconds(one.task.earliestStart) - seconds(other.task.earliestStart);
  const isLess = (one, other) => other.isCritical - one.isCritical;
  // What is critical is shown, however many tasks there are.
  const shown = rows.toSorted(isLess).slice(0, MAX_ROWS).sort((one, other) => isLater(one, other) || isLess(one, other));
  const total = seconds(plan.finish);
  const ticks = Array.from({ length: TICKS + 1 }, (_, index) => (total * index) / TICKS);
  return html`
    <p>
      All open tasks can be done in <strong>${hours(plan.finish)}</strong> of work, in ${plan.waveCount} waves.
      Critical path: ${plan.criticalPath.map((index) => plan.tasks[index].node.key).join(" → ")}
    </p>
    <div class="scroll" tabindex="0" role="group" aria-label="Gantt chart">
      <table class="plan">
        <thead>
          <tr>
            <th scope="col">Task</th>
            <th scope="col">Takes</th>
            <th scope="col">Starts</th>
            <th scope="col">Slack</th>
            <th scope="col" class="axis">
              <span class="hidden">When, in hours of work from now</span>
              ${ticks.map((tick) => html`<span aria-hidden="true" style=${{ left: `${(100 * tick) / total}%` }}>${hours(tick)}</span>`)}
            </th>
          </tr>
        </thead>
        <tbody>${shown.map((row) => html`<${Row} key=${row.task.node.taskId} ...${row} total=${total} />`)}</tbody>
      </table>
    </div>
    ${rows.length > MAX_ROWS && html`<p class="hint">Only ${MAX_ROWS} of ${rows.length} tasks are shown.</p>`}
    <p class="hint">A bar is from the earliest start to the earliest finish, the line behind it is the slack. Striped: critical.</p>
  `;
}

function Row({ task, isCritical, total }) {
  const { node, duration, earliestStart, earliestFinish, latestFinish, slack } = task;
  const percent = (from, to) => ({
    left: `${(100 * seconds(from)) / total}%`,
    width: `${(100 * (seconds(to) - seconds(from))) / total}%`,
  });
  return html`<tr class=${isCritical ? "critical" : ""}>
    <th scope="row"><span class="key">${node.key}</span> ${node.hidden ? "hidden" : node.title}</th>
    <td>${hours(duration)}</td>
    <td>${hours(earliestStart)}</td>
    <td>${isCritical ? "critical" : hours(slack)}</td>
    <td class="track">
      <div class="slack" style=${percent(earliestFinish, latestFinish)}></div>
      <div class="bar" title=${node.hidden ? "" : statusLabel(node.status)} style=${percent(earliestStart, earliestFinish)}></div>
    </td>
  </tr>`;
}
