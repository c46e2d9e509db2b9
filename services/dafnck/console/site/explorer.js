// Calls any method of the API, with a request that a form or JSON gives.

import { api, call, canonicalJson, describeError, stream } from "./api.js";
import { JsonInput } from "./controls.js";
import { blankMessage, commentOf, isCallable, pathOf, ruleOf, services } from "./descriptors.js";
import { Collection, Fields } from "./form.js";
import { useEffect, useRef, useState } from "./libraries.js";
import { announce, ErrorBox, Field, Form, html, useAction } from "./ui.js";

/** Of a stream; older ones are dropped. */
const MAX_RESPONSES = 100;

export function Explorer({ path }) {
  const [filter, setFilter] = useState("");
  const method = services.flatMap(({ methods }) => methods).find((candidate) => pathOf(candidate) === path);
  return html`<div class="split">
    <nav aria-label="Methods">
      <${Field} label="Find a method" type="search" value=${filter} onInput=${(event) => setFilter(event.target.value)} />
      ${services.map((service) => html`<${MethodList} key=${service.typeName} service=${service} filter=${filter} path=${path} />`)}
    </nav>
    ${method ? html`<${MethodPage} key=${path} method=${method} />` : html`<p>Choose a method.</p>`}
  </div>`;
}

function MethodList({ service, filter, path }) {
  const fits = (method) => pathOf(method).toLowerCase().includes(filter.toLowerCase());
  const methods = service.methods.filter(fits);
  if (methods.length === 0) return null;
  const isOpen = filter !== "" || service.methods.some((method) => pathOf(method) === path);
  return html`<details open=${isOpen}>
    <summary>${service.typeName.replace(/^dafnck\./, "")}</summary>
    <ul class="list">
      ${methods.map(
        (method) => html`<li>
          <a class="item" href=${`#/api/${pathOf(method)}`} aria-current=${pathOf(method) === path ? "page" : undefined}>${method.name}</a>
        </li>`,
      )}
    </ul>
  </details>`;
}

function MethodPage({ method }) {
  return html`<article aria-label=${method.name}>
    <h2>${method.name}</h2>
    <p><code>/${pathOf(method)}</code></p>
    <p class="comment">${commentOf(method)}</p>
    <${Rule} rule=${ruleOf(method)} />
    ${!isCallable(method) &&
    html`<p class="notice">Browsers cannot send streams: call this method with a client, or with the command below.</p>`}
    <${Caller} method=${method} />
  </article>`;
}

function Rule({ rule }) {
  const given = Object.entries(rule).filter(([, value]) => !/UNSPECIFIED$|^$|^false$/.test(String(value)));
  return html`<dl class="row">
    ${given.map(([name, value]) => html`<div><dt>${name}</dt><dd>${String(value).replace(/^[A-Z]+_/, "")}</dd></div>`)}
  </dl>`;
}

/** Two views of one request, as a form and as JSON, and what comes of it. */
function Caller({ method }) {
  const isCalled = isCallable(method);
  const [request, setRequest] = useState(() => (isCalled ? blankMessage(method.input) : [blankMessage(method.input)]));
  const [responses, setResponses] = useState([]);
  const abort = useRef();
  useEffect(() => () => abort.current?.abort(), []);
  const isStream = method.methodKind === "server_streaming";
  const add = (response) => setResponses((last) => [...last, response].slice(-MAX_RESPONSES));
  const calling = useAction(async () => {
    setResponses([]);
    abort.current = new AbortController();
    const { signal } = abort.current;
    try {
      if (isStream) for await (const response of stream(pathOf(method), request, signal)) add(response);
      else add(await call(pathOf(method), request));
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    announce("The call has ended");
  });
  return html`
    <${Form} class="stack request" onSubmit=${calling.run}>
      <${Editor} method=${method} request=${request} onChange=${setRequest} error=${calling.error} />
      ${isCalled &&
      html`<div class="row">
        <button disabled=${calling.busy}>Call</button>
        ${isStream && calling.busy && html`<button type="button" onClick=${() => abort.current?.abort()}>Stop</button>`}
      </div>`}
    <//>
    <details open=${!isCalled}>
      <summary>As a command</summary>
      <pre class="command" tabindex="0">${commandOf(method, request)}</pre>
    </details>
    <${ErrorBox} error=${calling.error} />
    ${responses.length > 0 && html`<h3>${isStream ? `Responses: ${responses.length}` : "Response"}</h3>`}
    ${responses.map((response) => html`<pre class="response" tabindex="0">${JSON.stringify(response, null, 2)}</pre>`)}
  `;
}

function Editor({ method, request, onChange, error }) {
  const [isForm, setForm] = useState(true);
  const showing = useAction((next, event) => {
    if (!event.target.form.reportValidity()) return;
    // The form knows fields by their usual names.
    if (next) onChange(Array.isArray(request) ? request.map(canonical) : canonical(request ?? {}));
    setForm(next);
  });
  const canonical = (message) => canonicalJson(method.input, message);
  const violations = Object.groupBy(error ? describeError(error).violations : [], ({ field }) => field);
  const shared = { path: "", value: request, onChange, violations };
  const many = { fieldKind: "list", message: method.input };
  const form = Array.isArray(request)
    ? html`<${Collection} ...${shared} field=${many} label="messages" note="Sent one after the other." />`
    : html`<${Fields} ...${shared} message=${method.input} />`;
  const view = (next, text) =>
    html`<button type="button" aria-pressed=${isForm === next} onClick=${(event) => showing.run(next, event)}>${text}</button>`;
  return html`
    <div class="views" role="group" aria-label="Request">${view(true, "Form")}${view(false, "JSON")}</div>
    <${ErrorBox} error=${showing.error} />
    ${isForm
      ? form
      : html`<div class="field">
          <label for="json"><span>Request, as JSON</span></label>
          <${JsonInput} value=${request} onChange=${onChange} attributes=${{ id: "json" }} />
        </div>`}
  `;
}

/** The call in a shell, whose variable TOKEN has a session token or an API token. */
function commandOf(method, request) {
  const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
  const messages = [request ?? {}].flat().map((message) => JSON.stringify(message));
  const security = api.startsWith("https:") ? "-cacert certificates/ca.pem" : "-plaintext";
  const token = '${TOKEN:+-H "authorization: Bearer $TOKEN"}';
  return `grpcurl ${security} ${token} -d ${quote(messages.join(" "))} ${new URL(api).host} ${pathOf(method)}`;
}
