// The control of one value in a form, with what its proto and the server say about it.

import { isExplicit, isJson, isLong, isRequired } from "./descriptors.js";
import { ScalarType, useState } from "./libraries.js";
import { html } from "./ui.js";

/** Ids have no spaces; keys of maps may. */
const idOf = (path) => encodeURIComponent(path);

export const aboutOf = (path) => `about-${idOf(path)}`;

/** What is wrong with a value, and what it is. */
export function About({ path, note, violations }) {
  return html`<div id=${aboutOf(path)}>
    ${violations[path]?.map(({ description }) => html`<p class="violation">${description}</p>`)}
    ${note && html`<p class="comment hint">${note}</p>`}
  </div>`;
}

/** The control of a value that is not a message with fields. */
export function Control({ field, label, path, value, onChange, violations, note, stays }) {
  const id = idOf(path);
  const clear = () => {
    onChange(undefined);
    document.getElementById(id).focus();
  };
  const attributes = {
    id,
    "aria-describedby": aboutOf(path),
    "aria-invalid": path in violations ? "true" : undefined,
    "aria-required": isRequired(field) && !stays ? "true" : undefined,
  };
  return html`<div class="field">
    <label for=${id}><span>${label}</span></label>
    <${inputOf(field)} field=${field} value=${value} onChange=${onChange} stays=${stays} attributes=${attributes} />
    ${isExplicit(field) && !stays && !field.enum && value !== undefined &&
    html`<button type="button" onClick=${clear}>Clear ${label}</button>`}
    <${About} path=${path} note=${note} violations=${violations} />
  </div>`;
}

function inputOf(field) {
  if (field.enum) return EnumInput;
  if (isJson(field)) return JsonInput;
  return field.scalar === ScalarType.BOOL ? Checkbox : TextInput;
}

/** Whether empty is a value, and not "not given". */
const keepsEmpty = (field, stays) => stays || isExplicit(field);

function EnumInput({ field, value = "", onChange, stays, attributes }) {
  const option = (name, text) => html`<option value=${name} selected=${name === value}>${text}</option>`;
  const given = field.enum.values.filter(({ number }) => number !== 0 || keepsEmpty(field, stays));
  return html`<select ...${attributes} onChange=${({ target }) => onChange(target.value || undefined)}>
    ${!stays && option("", "not given")}${given.map(({ name }) => option(name, name))}
  </select>`;
}

function Checkbox({ field, value = false, onChange, stays, attributes }) {
  const change = ({ target }) => onChange(target.checked || keepsEmpty(field, stays) ? target.checked : undefined);
  return html`<input type="checkbox" ...${attributes} checked=${value} onChange=${change} />`;
}

/** Numbers may be texts in the JSON form. */
function TextInput({ field, value = "", onChange, stays, attributes }) {
  const change = ({ target }) => onChange(target.value || (keepsEmpty(field, stays) ? "" : undefined));
  const element = isLong(field) ? "textarea" : "input";
  return html`<${element} ...${attributes} value=${value} onInput=${change} autocomplete="off" spellcheck="false" />`;
}

/** Any JSON. What is none stays in the box, and the form is not sent. */
export function JsonInput({ value, onChange, stays, attributes }) {
  const asText = () => ({ value, text: value === undefined ? "" : JSON.stringify(value, null, 2), problem: "" });
  const [edit, setEdit] = useState(asText);
  const shown = edit.value === value ? edit : asText();
  const change = ({ target: { value: text } }) => {
    try {
      const next = text.trim() ? JSON.parse(text) : stays ? null : undefined;
      setEdit({ value: next, text, problem: "" });
      onChange(next);
    } catch (error) {
      setEdit({ value, text, problem: error.message });
    }
  };
  return html`<textarea
    ...${attributes}
    ref=${(element) => element?.setCustomValidity(shown.problem)}
    class="code"
    rows=${Math.min(20, shown.text.split("\n").length + 1)}
    spellcheck="false"
    value=${shown.text}
    onInput=${change}
  />`;
}
