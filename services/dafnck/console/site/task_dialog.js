// One task: its fields, its blockers, and what happens when somebody else has changed it.

import { describeError, enumNames } from "./api.js";
import { useState } from "./libraries.js";
import { addDependency, statusLabel, updateTask } from "./tasks.js";
import { ActionForm, announce, Dialog, ErrorBox, Field, Form, html, label, seconds, time, useAction } from "./ui.js";

const FIELDS = ["title", "description", "status", "priority", "estimatedDuration"];

export function TaskDialog({ id, store, onClose }) {
  const present = store.byId.get(id);
  // What the fields were filled from, until the user asks for the present state.
  const [base, setBase] = useState(present);
  const saving = useAction(async (values) => {
    const saved = await updateTask(changed(base, values), FIELDS);
    store.put(saved);
    announce(`${saved.key} saved`);
    onClose();
  });
  const reload = () => {
    saving.clear();
    setBase(present);
  };
  const isStale = present.etag !== base.etag;
  const isConflict = saving.error && describeError(saving.error).reason === "ETAG_MISMATCH";
  return html`<${Dialog} title=${`${base.key} ${base.title}`} onClose=${onClose}>
    ${isStale &&
    html`<div class="notice" role="status">
      <p>This task has changed since you opened it. It is now “${present.title}”, ${statusLabel(present.status)}.</p>
      <button type="button" onClick=${reload}>Load the present state</button>
    </div>`}
    <${ErrorBox} error=${saving.error}>${isConflict && html`<p>Somebody else has changed the task; nothing was saved.</p>`}<//>
    <${TaskFields} key=${base.etag} task=${base} busy=${saving.busy} onSave=${saving.run} />
    <${Blockers} id=${id} store=${store} />
    <p class="hint">Created ${time(base.createdAt)}, changed ${time(base.updatedAt)}</p>
  <//>`;
}

function changed({ id, etag }, { title, description, status, priority, hours }) {
  const estimate = hours ? { estimatedDuration: `${Math.round(Number(hours) * 3600)}s` } : {};
  return { id, etag, title, description, status, priority, ...estimate };
}

function TaskFields({ task, busy, onSave }) {
  const options = (type, prefix, value) =>
    enumNames(`dafnck.task.v1.${type}`).map(
      (name) => html`<option value=${name} selected=${name === value}>${label(name, prefix)}</option>`,
    );
  const estimate = task.estimatedDuration ? seconds(task.estimatedDuration) / 3600 : "";
  return html`<${Form} class="stack" onSubmit=${onSave}>
    <${Field} label="Title" name="title" required maxlength="255" defaultValue=${task.title} />
    <${Field} label="Description" as="textarea" name="description" rows="3" defaultValue=${task.description ?? ""} />
    <div class="row">
      <${Field} label="Status" as="select" name="status">${options("TaskStatus", "TASK_STATUS_", task.status)}<//>
      <${Field} label="Priority" as="select" name="priority">${options("TaskPriority", "TASK_PRIORITY_", task.priority)}<//>
      <${Field} label="Estimate in hours" type="number" name="hours" min="0.1" step="any" defaultValue=${estimate} />
    </div>
    <button disabled=${busy}>Save</button>
  <//>`;
}

function Blockers({ id, store }) {
  const add = async ({ blocker }) => {
    await addDependency(id, blocker);
    announce("Dependency added");
  };
  const others = store.tasks.filter((task) => task.id !== id);
  if (others.length === 0) return null;
  return html`<${ActionForm} class="row" action=${add} submit="Add dependency">
      <${Field} label="Waits for" as="select" name="blocker">
        ${others.map((task) => html`<option value=${task.id}>${task.key} ${task.title}</option>`)}
      <//>
    <//>`;
}
