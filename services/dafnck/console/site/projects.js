// The projects of the caller, and one of them with its views.

import { call, list } from "./api.js";
import { Board } from "./board.js";
import { Documents } from "./documents.js";
import { TaskGraph } from "./graph.js";
import { PlanChart } from "./plan.js";
import { useTasks } from "./tasks.js";
import { ActionForm, ErrorBox, Field, html, label, time, useLoad } from "./ui.js";

const SERVICE = "dafnck.project.v1.ProjectService";
const MAX_LISTED = 500;
const VIEWS = { board: ["Board", Board], graph: ["Graph", TaskGraph], plan: ["Plan", PlanChart], documents: ["Documents", Documents] };

export function Projects() {
  const load = () => list(`${SERVICE}/ListProjects`, { order: "PROJECT_ORDER_UPDATED_DESC" }, "projects", MAX_LISTED);
  const { value: projects, error } = useLoad(load, []);
  const create = async ({ name }) => {
    const { id } = await call(`${SERVICE}/CreateProject`, { requestId: crypto.randomUUID(), project: { name } });
    location.hash = `#/projects/${id}/board`;
  };
  return html`
    <${ActionForm} class="row" action=${create} submit="Create project" error=${error}>
      <${Field} label="New project" name="name" required maxlength="255" autocomplete="off" />
    <//>
    ${projects?.length === 0 && html`<p>No projects yet.</p>`}
    <ul class="tiles">
      ${projects?.map(
        ({ id, key, name, status, visibility, updatedAt }) => html`<li key=${id}>
          <a href=${`#/projects/${id}/board`}>
            <span class="key">${key}</span> <strong>${name}</strong>
            <span class="meta">
              ${label(status, "PROJECT_STATUS_")} · ${label(visibility, "PROJECT_VISIBILITY_")} · ${time(updatedAt)}
            </span>
          </a>
        </li>`,
      )}
    </ul>
  `;
}

export function Project({ id, view, detail, onTitle }) {
  const load = async () => {
    const project = await call(`${SERVICE}/GetProject`, { projectId: id });
    onTitle(project.name);
    return project;
  };
  const { value: project, error } = useLoad(load, [id]);
  const store = useTasks(id);
  const [, View] = VIEWS[view] ?? VIEWS.board;
  return html`
    <nav class="tabs" aria-label="Views of the project">
      ${Object.entries(VIEWS).map(
        ([name, [title]]) =>
          html`<a href=${`#/projects/${id}/${name}`} aria-current=${name === view ? "page" : undefined}>${title}</a>`,
      )}
      <span class=${`connection ${store.connection}`} role="status">${store.connection}</span>
    </nav>
    <${ErrorBox} error=${error ?? store.error} />
    ${project &&
    html`<${View}
      project=${project}
      store=${store}
      documentId=${detail}
      onOpen=${(documentId) => (location.hash = `#/projects/${id}/documents/${documentId}`)}
    />`}
  `;
}
