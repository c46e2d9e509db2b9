// The board: a column for each status. Cards are moved with the pointer, or with Shift and the arrow keys.

import { useRef, useState } from "./libraries.js";
import { TaskDialog } from "./task_dialog.js";
import { createTask, MAX_TASKS, statusLabel, updateTask } from "./tasks.js";
import { ActionForm, announce, ErrorBox, Field, hours, html, label, useAction } from "./ui.js";

const COLUMNS = ["PENDING", "BLOCKED", "IN_PROGRESS", "REVIEW", "DONE", "CANCELLED"].map((name) => `TASK_STATUS_${name}`);
/** The way of a task from left to right; a blocked one is where a pending one is. */
const WAY = ["TASK_STATUS_PENDING", "TASK_STATUS_IN_PROGRESS", "TASK_STATUS_REVIEW", "TASK_STATUS_DONE"];

export function Board({ project, store }) {
  const [openId, setOpenId] = useState();
  const moving = useAction(async (task, status) => {
    const moved = await updateTask({ id: task.id, status, etag: task.etag }, ["status"]);
    store.put(moved);
    announce(`${moved.key} moved to ${statusLabel(moved.status)}`);
    // The card is another element in its new column.
    requestAnimationFrame(() => document.querySelector(`[data-task="${moved.key}"]`)?.focus());
  });
  const create = (task) => createTask({ ...task, projectId: project.id }).then(store.put);
  if (!store.tasks) return html`<p>${store.connection}…</p>`;
  return html`
    <${ActionForm} class="row" action=${create} submit="Create task">
      <${Field} label="New task" name="title" required maxlength="255" autocomplete="off" />
    <//>
    <${ErrorBox} error=${moving.error}><button type="button" onClick=${moving.clear}>Dismiss</button><//>
    <p class="hint">Arrow keys go from card to card, Shift with ← or → moves a card, Enter opens it. Cards can be dragged, too.</p>
    ${store.tasks.length >= MAX_TASKS && html`<p class="hint">Only the first ${MAX_TASKS} tasks are shown.</p>`}
    <${Columns} tasks=${store.tasks} onMove=${moving.run} onOpen=${setOpenId} />
    ${openId && store.byId.has(openId) &&
    html`<${TaskDialog} id=${openId} store=${store} onClose=${() => setOpenId(undefined)} />`}
  `;
}

function Columns({ tasks, onMove, onOpen }) {
  const board = useRef();
  const groups = COLUMNS.map((status) => [status, tasks.filter((task) => task.status === status)]);
  const keyDown = (event, task, column, row) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? 0;
    if (event.key === "Enter") onOpen(task.id);
    else if (step && event.shiftKey) moveBy(task, step, onMove);
    else if (step) focusCard(board.current, nextColumn(groups, column, step), row);
    else if (event.key === "ArrowUp") focusCard(board.current, column, row - 1);
    else if (event.key === "ArrowDown") focusCard(board.current, column, row + 1);
    else return;
    event.preventDefault();
  };
  const drop = (event, status) => {
    event.preventDefault();
    const task = tasks.find(({ id }) => id === event.dataTransfer.getData("text/plain"));
    if (task && task.status !== status) onMove(task, status);
  };
  return html`<div class="board" ref=${board}>
    ${groups.map(
      ([status, cards], column) => html`<section
        key=${status}
        data-column=${column}
        aria-label=${`${statusLabel(status)}: ${cards.length}`}
        onDragOver=${(event) => event.preventDefault()}
        onDrop=${(event) => drop(event, status)}
      >
        <h2>${statusLabel(status)} <span class="count">${cards.length}</span></h2>
        <ul>
          ${cards.map(
            (task, row) =>
              html`<${Card} key=${task.id} task=${task} onOpen=${onOpen} onKeyDown=${(event) => keyDown(event, task, column, row)} />`,
          )}
        </ul>
      </section>`,
    )}
  </div>`;
}

function Card({ task, onOpen, onKeyDown }) {
  return html`<li>
    <button
      class="card"
      id=${task.id}
      draggable
      data-task=${task.key}
      aria-keyshortcuts="Shift+ArrowRight Shift+ArrowLeft"
      onClick=${() => onOpen(task.id)}
      onKeyDown=${onKeyDown}
      onDragStart=${(event) => event.dataTransfer.setData("text/plain", task.id)}
    >
      <span class="key">${task.key}</span> ${task.title}
      <span class="meta">${label(task.priority, "TASK_PRIORITY_")}${task.estimatedDuration && ` · ${hours(task.estimatedDuration)}`}</span>
    </button>
  </li>`;
}

function moveBy(task, step, onMove) {
  const from = task.status === "TASK_STATUS_BLOCKED" ? 0 : WAY.indexOf(task.status);
  const to = from < 0 ? "TASK_STATUS_PENDING" : WAY[from + step];
  if (to) onMove(task, to);
}

/** The next column with a card in this direction; the same one if there is none. */
function nextColumn(groups, from, step) {
  for (let column = from + step; groups[column]; column += step) if (groups[column][1].length > 0) return column;
  return from;
}

function focusCard(board, column, row) {
  const cards = board.querySelectorAll(`[data-column="${column}"] .card`);
  cards[Math.max(0, Math.min(row, cards.length - 1))]?.focus();
}
