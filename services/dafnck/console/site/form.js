// A form for a message, made of its descriptor. Its value is the JSON form of the message; `undefined` is "not given".

import { About, aboutOf, Control } from "./controls.js";
import { blank, blankMessage, commentOf, inputFields, isOurs, isRequired, limitsOf, spellingOf, typeOf } from "./descriptors.js";
import { useEffect, useRef, useState } from "./libraries.js";
import { Field, html } from "./ui.js";

const join = (path, name) => (path ? `${path}.${name}` : name);

/** The fields of a message. `violations` has what the server says, by path, as `task.tags[1]`. */
export function Fields({ message, value, onChange, path, violations }) {
  const change = (changes) => {
    const given = Object.entries({ ...value, ...changes }).filter(([, next]) => next !== undefined);
    onChange(Object.fromEntries(given));
  };
  const draw = (field, stays) => {
    const place = { field, label: field.name, path: join(path, field.name), violations, stays };
    const set = (next) => change({ [field.jsonName]: next });
    return html`<${Member} key=${field.name} ...${place} value=${value[field.jsonName]} onChange=${set} />`;
  };
  const members = message.members.filter((member) => member.kind === "oneof" || inputFields(message).includes(member));
  if (members.length === 0) return html`<p class="hint">It has no fields.</p>`;
  const shared = { value, onChange: change, violations, draw };
  return members.map((member) => {
    if (member.kind === "field") return draw(member);
    return html`<${Choice} key=${member.name} oneof=${member} path=${join(path, member.name)} ...${shared} />`;
  });
}

/** A field. One that `stays` is given as long as it is shown. */
function Member(props) {
  const isMany = props.field.fieldKind === "list" || props.field.fieldKind === "map";
  return isMany ? html`<${Collection} ...${props} />` : html`<${Single} ...${props} note=${noteOf(props.field)} />`;
}

function Single(props) {
  const { message } = props.field;
  return message && isOurs(message) ? html`<${Nested} ...${props} />` : html`<${Control} ...${props} />`;
}

/** At most one of several fields. */
function Choice({ oneof, value, onChange, path, violations, draw }) {
  const fields = inputFields(oneof);
  const chosen = fields.find(({ jsonName }) => value[jsonName] !== undefined);
  const choose = ({ target }) =>
    onChange(Object.fromEntries(fields.map((field) => [field.jsonName, field.name === target.value ? blank(field) : undefined])));
  const option = (name, text) => html`<option value=${name} selected=${name === (chosen?.name ?? "")}>${text}</option>`;
  return html`<${Group} label=${oneof.name} path=${path} note=${commentOf(oneof)} violations=${violations}>
    <${Field} label=${`Which ${oneof.name}`} as="select" onChange=${choose}>
      ${option("", "not given")}${fields.map(({ name }) => option(name, name))}
    <//>
    ${chosen && draw(chosen, true)}
  <//>`;
}

/** A message in a message. It is opened on demand, so a message may be within one of its own kind. */
function Nested({ field, label, value, onChange, stays, ...rest }) {
  const toggle = () => onChange(value ? undefined : blankMessage(field.message));
  return html`<${Group} label=${label} ...${rest}>
    ${!stays && html`<button type="button" aria-expanded=${value !== undefined} onClick=${toggle}>${value ? "Remove" : "Add"} ${label}</button>`}
    ${value && html`<${Fields} message=${field.message} value=${value} onChange=${onChange} ...${rest} />`}
  <//>`;
}

/** A list, or a map, whose keys are given when an entry is added. */
export function Collection({ field, label, path, value, onChange, violations, note = noteOf(field) }) {
  const isMap = field.fieldKind === "map";
  const [key, setKey] = useState("");
  const entries = Object.entries(value ?? {});
  const list = useRef();
  const button = useRef();
  const count = useRef(entries.length);
  useEffect(() => {
    // The focus goes to what was added.
    if (entries.length > count.current) list.current.lastElementChild.querySelector("input, select, textarea, button").focus();
    count.current = entries.length;
  }, [entries.length]);
  const put = (next) => {
    const given = isMap ? Object.fromEntries(next) : next.map(([, item]) => item);
    onChange(next.length > 0 ? given : undefined);
  };
  const remove = (index) => {
    put(entries.toSpliced(index, 1));
    button.current.focus();
  };
  const indexOf = (name) => (isMap ? `[${JSON.stringify(name)}]` : `[${name}]`);
  return html`<${Group} label=${label} path=${path} note=${note} violations=${violations}>
    <div ref=${list}>
      ${entries.map(([name, item], index) => {
        const place = { field, label: label + indexOf(name), path: path + indexOf(name), violations, stays: true };
        const set = (next) => put(entries.with(index, [name, next]));
        return html`<div class="entry" key=${name}>
          <${Single} ...${place} value=${item} onChange=${set} />
          <button type="button" onClick=${() => remove(index)}>Remove ${place.label}</button>
        </div>`;
      })}
    </div>
    ${isMap && html`<${Field} label=${`Key in ${label}`} value=${key} onInput=${(event) => setKey(event.target.value)} />`}
    <button type="button" ref=${button} disabled=${isMap && key in (value ?? {})} onClick=${() => put([...entries, [key, blank(field)]])}>
      Add to ${label}
    </button>
  <//>`;
}

function Group({ label, path, note, violations, children }) {
  return html`<fieldset aria-describedby=${aboutOf(path)}>
    <legend>${label}</legend>
    <${About} path=${path} note=${note} violations=${violations} />
    ${children}
  </fieldset>`;
}

function noteOf(field) {
  const facts = [typeOf(field), spellingOf(field), isRequired(field) && "required", ...limitsOf(field)];
  return `${facts.filter(Boolean).join(", ")}\n${commentOf(field)}`;
}
