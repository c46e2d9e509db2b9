// Calls any method of the API, with a request in JSON.

import { call, stream } from "./api.js";
import { commentOf, inputFields, isCallable, isOurs, isRequired, pathOf, ruleOf, services, template, typeOf } from "./descriptors.js";
import { useEffect, useRef, useState } from "./libraries.js";
import { announce, ErrorBox, Field, Form, html, useAction } from "./ui.js";

/** Of a stream; older ones are dropped. */
const MAX_RESPONSES = 100;
/** Messages in messages that are described. */
const MAX_DEPTH = 3;

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
    ${isCallable(method)
      ? html`<${Caller} method=${method} />`
      : html`<p class="notice">Browsers cannot send streams: call this method with grpcurl or a client.</p>`}
    <h3>Fields of the request</h3>
    <${FieldList} message=${method.input} depth=${0} />
  </article>`;
}

function Rule({ rule }) {
  const given = Object.entries(rule).filter(([, value]) => !/UNSPECIFIED$|^$|^false$/.test(String(value)));
  return html`<dl class="row">
    ${given.map(([name, value]) => html`<div><dt>${name}</dt><dd>${String(value).replace(/^[A-Z]+_/, "")}</dd></div>`)}
  </dl>`;
}

function Caller({ method }) {
  const [responses, setResponses] = useState([]);
  const abort = useRef();
  useEffect(() => () => abort.current?.abort(), []);
  const isStream = method.methodKind === "server_streaming";
  const add = (response) => setResponses((last) => [...last, response].slice(-MAX_RESPONSES));
  const calling = useAction(async ({ request }) => {
    setResponses([]);
    const input = JSON.parse(request);
    if (!isStream) add(await call(pathOf(method), input));
    else await receive(input);
    announce("The call has ended");
  });
  const receive = async (input) => {
    abort.current = new AbortController();
    const { signal } = abort.current;
    try {
      for await (const response of stream(pathOf(method), input, signal)) add(response);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  };
  const text = JSON.stringify(template(method.input), null, 2);
  return html`
    <${Form} class="stack" onSubmit=${calling.run}>
      <${Field}
        label="Request, as JSON"
        as="textarea"
        name="request"
        class="code"
        rows=${Math.min(20, text.split("\n").length + 1)}
        spellcheck="false"
        defaultValue=${text}
        hint="null: not given"
      />
      <div class="row">
        <button disabled=${calling.busy}>Call</button>
        ${isStream && calling.busy && html`<button type="button" onClick=${() => abort.current?.abort()}>Stop</button>`}
      </div>
    <//>
    <${ErrorBox} error=${calling.error} />
    ${responses.length > 0 && html`<h3>${isStream ? `Responses: ${responses.length}` : "Response"}</h3>`}
    ${responses.map((response) => html`<pre class="response" tabindex="0">${JSON.stringify(response, null, 2)}</pre>`)}
  `;
}

function FieldList({ message, depth }) {
  const fields = inputFields(message);
  if (fields.length === 0) return html`<p>None.</p>`;
  return html`<ul class="fields">
    ${fields.map(
      (field) => html`<li>
        <code>${field.jsonName}</code> <span class="meta">${typeOf(field)}${isRequired(field) && ", required"}${field.oneof && `, one of ${field.oneof.name}`}</span>
        <p class="comment">${commentOf(field)}</p>
        ${field.enum && html`<p class="meta">${field.enum.values.map(({ name }) => name).join(", ")}</p>`}
        ${field.message && isOurs(field.message) && depth < MAX_DEPTH &&
        html`<details><summary>Fields of ${field.message.name}</summary><${FieldList} message=${field.message} depth=${depth + 1} /></details>`}
      </li>`,
    )}
  </ul>`;
}
