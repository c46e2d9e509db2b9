// What the descriptors say about methods and messages: comments, rules, and the shape of a request.

import { registry } from "./api.js";
import { getOption, ScalarType, toJson } from "./libraries.js";

/** Fields of google/protobuf/descriptor.proto, whose numbers and indexes are the paths of elements, by kind. */
const IN_FILE = { message: [4, "messageType"], service: [6, "service"] };
const IN_PARENT = { rpc: [2, "method"], field: [2, "field"], message: [3, "nestedType"], oneof: [8, "oneofDecl"] };
/** google.api.FieldBehavior. */
const REQUIRED = 2;
const OUTPUT_ONLY = 3;
/** google.protobuf.FeatureSet.FieldPresence. */
const EXPLICIT = 1;
/** Longer limits are patterns, which comments say in words. */
const MAX_LIMIT_LENGTH = 60;
/** A longer text has several lines. */
const MAX_LINE_LENGTH = 1000;

const commentsOfFiles = new WeakMap();

/** The services whose methods are listed, by name. */
export const services = [...registry].filter(({ kind }) => kind === "service").sort((a, b) => a.typeName.localeCompare(b.typeName));

export const pathOf = (method) => `${method.parent.typeName}/${method.name}`;

/** Browsers send no streams. */
export const isCallable = ({ methodKind }) => methodKind === "unary" || methodKind === "server_streaming";

function optionJson(element, name) {
  const extension = registry.getExtension(name);
  return toJson(extension.message, getOption(element, extension), { registry });
}

/** Who may call a method, as JSON. */
export const ruleOf = (method) => optionJson(method, "dafnck.common.v1.authorization");

export function commentOf(element) {
  const file = element.file ?? element.parent.file;
  if (!commentsOfFiles.has(file)) {
    const locations = file.proto.sourceCodeInfo?.location ?? [];
    commentsOfFiles.set(file, new Map(locations.map(({ path, leadingComments }) => [path.join(), leadingComments])));
  }
  const comment = commentsOfFiles.get(file).get(sourcePath(element).join()) ?? "";
  // Lines are wrapped at a width that is not the page's.
  return comment.replace(/^ /gm, "").trim().replace(/(?<!\n)\n(?!\n|Errors:|[|-])/g, " ");
}

function sourcePath({ kind, parent, proto, file }) {
  const [number, list] = (parent ? IN_PARENT : IN_FILE)[kind];
  return [...(parent ? sourcePath(parent) : []), number, (parent ?? file).proto[list].indexOf(proto)];
}

const behaviorsOf = (field) => getOption(field, registry.getExtension("google.api.field_behavior"));

export const isRequired = (field) => behaviorsOf(field).includes(REQUIRED);

/** The fields that a request may have. */
export const inputFields = ({ fields }) => fields.filter((field) => !behaviorsOf(field).includes(OUTPUT_ONLY));

/** The type of a field, as its proto says it. */
export function typeOf(field) {
  const single = field.message?.name ?? field.enum?.name ?? ScalarType[field.scalar ?? field.mapKey].toLowerCase();
  if (field.fieldKind === "map") return `map of ${single}`;
  return field.fieldKind === "list" ? `repeated ${single}` : single;
}

const limitsJson = (field) => optionJson(field, "buf.validate.field");

/** What buf.validate demands of a field, in words. */
export const limitsOf = (field) => inWords(limitsJson(field));

function inWords(limits, of = "") {
  return Object.entries(limits).flatMap(([name, value]) => {
    if (["ignore", "required", "definedOnly"].includes(name)) return [];
    if (name === "cel") return value.map(({ message }) => message);
    if (!Array.isArray(value) && typeof value === "object") return inWords(value, PARTS[name] ?? of);
    const words = of + name.replace(/(?=[A-Z])/g, " ").toLowerCase();
    return String(value).length > MAX_LIMIT_LENGTH ? [] : [value === true ? words : `${words} ${String(value).replace("\0", "\\0")}`];
  });
}

const PARTS = { items: "each: ", keys: "keys: ", values: "values: " };

/** Whether a text may be longer than a line. */
export const isLong = (field) => Number(limitsJson(field).string?.maxLen) > MAX_LINE_LENGTH;

/** Whether a single field tells "empty" from "not given". */
export const isExplicit = ({ fieldKind, presence }) => (fieldKind === "scalar" || fieldKind === "enum") && presence === EXPLICIT;

/** Those of Google have a JSON form of their own. */
export const isOurs = ({ typeName }) => typeName.startsWith("dafnck.");

const SPELLINGS = {
  "google.protobuf.Timestamp": "as 2026-11-30T12:00:00Z",
  "google.protobuf.Duration": "as 3600s",
  "google.protobuf.FieldMask": "as title,dueAt",
};

/** Whether a value is of any form. */
export const isJson = ({ message }) => message !== undefined && !isOurs(message) && !(message.typeName in SPELLINGS);

/** The form of a value in JSON, where it does not go without saying. */
export const spellingOf = (field) =>
  isJson(field) ? "as JSON" : field.scalar === ScalarType.BYTES ? "in base64" : SPELLINGS[field.message?.typeName];

/** What a field has that has just been chosen or added: a value that says something, where there is one. */
export function blank({ message, enum: kind, scalar }) {
  if (message) return isOurs(message) ? blankMessage(message) : isJson({ message }) ? {} : "";
  if (kind) return (kind.values.find(({ number }) => number !== 0) ?? kind.values[0]).name;
  return scalar === ScalarType.BOOL ? true : "";
}

/** With the messages that it needs. */
export function blankMessage(message) {
  const needed = inputFields(message).filter((field) => field.fieldKind === "message" && isRequired(field) && isOurs(field.message));
  return Object.fromEntries(needed.map((field) => [field.jsonName, blankMessage(field.message)]));
}
