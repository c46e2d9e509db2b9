// What the views share. Text reaches the page as text nodes only: Preact never parses it.

import { api, describeError } from "./api.js";
import { h, htm, useCallback, useEffect, useRef, useState } from "./libraries.js";

export const html = htm.bind(h);

/** `TASK_STATUS_IN_PROGRESS` without its prefix, for people. */
export function label(name, prefix) {
  const words = name.slice(prefix.length).toLowerCase().replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export const seconds = (duration) => Number.parseFloat(duration ?? "0");

/** A duration of work, for people. */
export function hours(value) {
  const count = seconds(value) / 3600;
  return `${count.toLocaleString("en", { maximumFractionDigits: 1 })} h`;
}

export const time = (timestamp) => (timestamp ? new Date(timestamp).toLocaleString() : "");

let announcer = () => {};

/** Where announcements are read out. */
export function Announcer() {
  const [text, setText] = useState("");
  announcer = setText;
  return html`<div class="hidden" role="status" aria-live="polite" data-testid="announcement">${text}</div>`;
}

/** Tells a change to who cannot see it. */
export const announce = (text) => announcer(text);

/** Loads something when its keys change, and anew when `revision` does. Of two loads, the one begun last counts. */
export function useLoad(load, keys, revision) {
  const [state, setState] = useState({});
  const latest = useRef(0);
  const reload = useCallback(async () => {
    const turn = ++latest.current;
    const set = (next) => turn === latest.current && setState((last) => ({ ...last, error: undefined, ...next }));
    try {
      set({ value: await load() });
    } catch (error) {
      set({ error });
    }
  }, keys);
  useEffect(() => {
    setState({});
    return () => latest.current++;
  }, [reload]);
  useEffect(() => void reload(), [reload, revision]);
  return { ...state, reload };
}

/** Runs what the user asks for, one at a time, and keeps its error. */
export function useAction(action) {
  const [state, setState] = useState({ busy: false });
  const run = async (...values) => {
    setState({ busy: true });
    try {
      const result = await action(...values);
      setState({ busy: false });
      return result;
    } catch (error) {
      setState({ busy: false, error });
    }
  };
  return { ...state, run, clear: () => setState({ busy: false }) };
}

/** An error of a call, with all that the server says about it. */
export function ErrorBox({ error, children }) {
  if (!error) return null;
  const { code, message, reason, violations, retryDelay, details } = describeError(error);
  return html`<div class="error" role="alert">
    <p><strong>${code}</strong> ${message}</p>
    ${code && !reason && html`<p>This does not come from the suite: does it answer at ${api}, and does the browser trust its certificate?</p>`}
    ${reason && html`<p>Reason: <code>${reason}</code></p>`}
    ${violations.length > 0 &&
    html`<ul>${violations.map(({ field, description }) => html`<li><code>${field || "request"}</code>: ${description}</li>`)}</ul>`}
    ${retryDelay && html`<p>Try again in ${retryDelay}.</p>`}
    ${details.length > 0 &&
    html`<details><summary>Details</summary><pre tabindex="0">${JSON.stringify(details, null, 2)}</pre></details>`}
    ${children}
  </div>`;
}

/** A labelled input; `as` is another element than `input`. */
export function Field({ label, as = "input", hint, children, ...rest }) {
  return html`<label class="field"><span>${label}</span><${as} ...${rest}>${children}<//>${hint && html`<small>${hint}</small>`}</label>`;
}

/** A form whose values `onSubmit` gets by their names. */
export function Form({ onSubmit, children, ...rest }) {
  const submit = (event) => {
    event.preventDefault();
    onSubmit(Object.fromEntries(new FormData(event.target)), event.target);
  };
  return html`<form onSubmit=${submit} ...${rest}>${children}</form>`;
}

/** A form with one button, which does something with its values and is empty again then; and the error if it could not. */
export function ActionForm({ action, submit, error, beside, children, ...rest }) {
  const acting = useAction(async (values, form) => {
    await action(values);
    form.reset();
  });
  return html`<${Form} onSubmit=${acting.run} ...${rest}>
      ${children}
      <div class="buttons"><button disabled=${acting.busy}>${submit}</button> ${beside}</div>
    <//>
    <${ErrorBox} error=${acting.error ?? error} />`;
}

/** A dialog that is open while it is on the page. */
export function Dialog({ title, onClose, children }) {
  const dialog = useRef();
  useEffect(() => {
    const opener = document.activeElement;
    dialog.current.showModal();
    return () => {
      // What has opened it may be drawn anew elsewhere.
      const again = opener.isConnected ? opener : document.querySelector(`[data-task="${opener.dataset.task}"]`);
      (again ?? document.querySelector("h1")).focus();
    };
  }, []);
  return html`<dialog ref=${dialog} onClose=${onClose} aria-label=${title}>
    <header class="row"><h2>${title}</h2><button type="button" onClick=${() => dialog.current.close()}>Close</button></header>
    ${children}
  </dialog>`;
}
