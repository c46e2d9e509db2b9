// Documents of a project: text, versions, and the difference between two of them.

import { call, list } from "./api.js";
import { useState } from "./libraries.js";
import { ActionForm, announce, ErrorBox, Field, Form, html, label, time, useAction, useLoad } from "./ui.js";

const SERVICE = "dafnck.content.v1.DocumentService";
const MAX_LISTED = 500;

export function Documents({ project, documentId, onOpen }) {
  const load = () =>
    list(`${SERVICE}/ListDocuments`, { filter: { projectIds: [project.id] }, order: "DOCUMENT_ORDER_UPDATED_DESC" }, "documents", MAX_LISTED);
  const { value: documents, error, reload } = useLoad(load, [project.id]);
  const create = async ({ title }) => {
    const document = { projectId: project.id, title, content: "", contentType: "text/markdown" };
    const created = await call(`${SERVICE}/CreateDocument`, { requestId: crypto.randomUUID(), document });
    await reload();
    onOpen(created.id);
  };
  return html`
    <${ActionForm} class="row" action=${create} submit="Create document" error=${error}>
      <${Field} label="New document" name="title" required maxlength="255" autocomplete="off" />
    <//>
    <div class="split">
      <nav aria-label="Documents">
        <ul class="list">
          ${documents?.map(
            ({ id, title, status, version }) => html`<li key=${id}>
              <button class="item" aria-current=${id === documentId} onClick=${() => onOpen(id)}>
                ${title} <span class="meta">version ${version} · ${label(status, "DOCUMENT_STATUS_")}</span>
              </button>
            </li>`,
          )}
        </ul>
        ${documents?.length === 0 && html`<p>No documents.</p>`}
      </nav>
      ${documentId && html`<${OpenDocument} key=${documentId} id=${documentId} onSaved=${reload} />`}
    </div>
  `;
}

function OpenDocument({ id, onSaved }) {
  const load = async () => {
    const document = await call(`${SERVICE}/GetDocument`, { documentId: id });
    return { document, versions: await list(`${SERVICE}/ListDocumentVersions`, { documentId: id }, "versions", MAX_LISTED) };
  };
  const { value, error, reload } = useLoad(load, [id]);
  const saving = useAction(async ({ title, content, changeSummary }) => {
    const document = { id, etag: value.document.etag, title, content };
    const saved = await call(`${SERVICE}/UpdateDocument`, { document, updateMask: "title,content", changeSummary });
    announce(`Saved version ${saved.version}`);
    await Promise.all([reload(), onSaved()]);
  });
  if (!value) return html`<${ErrorBox} error=${error} />`;
  const { document, versions } = value;
  return html`<article aria-label=${document.title}>
    <${Form} key=${document.etag} class="stack" onSubmit=${saving.run}>
      <${Field} label="Title" name="title" required maxlength="255" defaultValue=${document.title} />
      <${Field} label="Text" as="textarea" name="content" rows="12" spellcheck="false" defaultValue=${document.content ?? ""} />
      <${Field} label="What has changed" name="changeSummary" maxlength="1000" autocomplete="off" />
      <button disabled=${saving.busy}>Save</button>
    <//>
    <${ErrorBox} error=${saving.error}><button type="button" onClick=${() => (saving.clear(), reload())}>Load the present state</button><//>
    <h2>Versions</h2>
    <div class="scroll" tabindex="0" role="group" aria-label="Versions">
      <table>
        <thead><tr><th scope="col">Version</th><th scope="col">Created</th><th scope="col">What has changed</th></tr></thead>
        <tbody>
          ${versions.map(
            (version) => html`<tr key=${version.id}>
              <th scope="row">${version.versionNumber}</th><td>${time(version.createdAt)}</td><td>${version.changeSummary}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${versions.length > 1 && html`<${Difference} key=${document.version} id=${id} versions=${versions} />`}
  </article>`;
}

function Difference({ id, versions }) {
  const numbers = versions.map(({ versionNumber }) => versionNumber);
  const latest = Math.max(...numbers);
  const [[oldVersion, newVersion], setPair] = useState([latest - 1, latest]);
  const load = () => call(`${SERVICE}/DiffDocumentVersions`, { documentId: id, oldVersion, newVersion });
  const { value: diff, error } = useLoad(load, [oldVersion, newVersion]);
  const choice = (name, value, pair) => html`<${Field}
    label=${name}
    as="select"
    value=${value}
    onChange=${(event) => setPair(pair(Number(event.target.value)))}
  >
    ${numbers.map((number) => html`<option value=${number}>Version ${number}</option>`)}
  <//>`;
  return html`
    <h2>Differences</h2>
    <div class="row">
      ${choice("From", oldVersion, (number) => [number, newVersion])} ${choice("To", newVersion, (number) => [oldVersion, number])}
    </div>
    <${ErrorBox} error=${error} />
    ${diff && html`<${Hunks} diff=${diff} />`}
  `;
}

const MARKS = { DIFF_PART_KIND_DELETED: ["del", "−"], DIFF_PART_KIND_INSERTED: ["ins", "+"] };

function Hunks({ diff }) {
  const { insertedLines, deletedLines, oldTitle, newTitle, hunks, truncated } = diff;
  return html`
    <p>${insertedLines} lines inserted, ${deletedLines} deleted${truncated && ", not all of them shown"}.</p>
    ${oldTitle !== newTitle && html`<p>Title: <del>${oldTitle}</del> <ins>${newTitle}</ins></p>`}
    ${hunks.map(
      (hunk) => html`<pre class="diff" tabindex="0" aria-label=${`From line ${hunk.newStart}`}>
${hunk.parts.map(({ kind, text }) => {
          const [element, mark] = MARKS[kind] ?? ["span", " "];
          return html`<${element}>${text.replace(/\n$/, "").split("\n").map((line) => `${mark} ${line}\n`).join("")}<//>`;
        })}</pre>`,
    )}
  `;
}
