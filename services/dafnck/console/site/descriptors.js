// What the descriptors say about methods and messages: comments, rules, and the shape of a request.

import { messageJson, registry } from "./api.js";
import { getOption, ScalarType } from "./libraries.js";

/** Numbers of fields in google/protobuf/descriptor.proto, by which paths name elements. */
const PATH = { message: 4, service: 6, method: 2, field: 2, nested: 3 };
const REQUIRED = 2;
const OUTPUT_ONLY = 3;

const commentsOfFiles = new WeakMap();

/** The services whose methods are listed, by name. */
export const services = [...registry].filter(({ kind }) => kind === "service").sort((a, b) => a.typeName.localeCompare(b.typeName));

export const pathOf = (method) => `${method.parent.typeName}/${method.name}`;

/** Browsers send no streams. */
export const isCallable = ({ methodKind }) => methodKind === "unary" || methodKind === "server_streaming";

/** Who may call a method, as JSON. */
export function ruleOf(method) {
  const extension = registry.getExtension("dafnck.common.v1.authorization");
  return messageJson(extension.message, getOption(method, extension));
}

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

function sourcePath(element) {
  const { kind, parent, proto, file } = element;
  if (kind === "rpc") return [...sourcePath(parent), PATH.method, parent.proto.method.indexOf(proto)];
  if (kind === "field") return [...sourcePath(parent), PATH.field, parent.proto.field.indexOf(proto)];
  if (kind === "service") return [PATH.service, file.proto.service.indexOf(proto)];
  if (parent) return [...sourcePath(parent), PATH.nested, parent.proto.nestedType.indexOf(proto)];
  return [PATH.message, file.proto.messageType.indexOf(proto)];
}

function behaviorsOf(field) {
  return getOption(field, registry.getExtension("google.api.field_behavior"));
}

export const isRequired = (field) => behaviorsOf(field).includes(REQUIRED);

/** The fields that a request may have. */
export const inputFields = ({ fields }) => fields.filter((field) => !behaviorsOf(field).includes(OUTPUT_ONLY));

/** The type of a field, as its proto says it. */
export function typeOf(field) {
  const single = field.message?.name ?? field.enum?.name ?? ScalarType[field.scalar ?? field.mapKey].toLowerCase();
  if (field.fieldKind === "map") return `map of ${single}`;
  return field.fieldKind === "list" ? `repeated ${single}` : single;
}

/** A request to fill in: each field that may be given. `null` is "not given" in the JSON form of protos. */
export function template(message) {
  return Object.fromEntries(inputFields(message).map((field) => [field.jsonName, templateOf(field)]));
}

function templateOf(field) {
  if (field.fieldKind === "list") return [];
  if (field.fieldKind === "map") return {};
  if (field.fieldKind === "message") return isRequired(field) && isOurs(field.message) ? template(field.message) : null;
  if (field.oneof || field.presence === EXPLICIT) return null;
  if (field.fieldKind === "enum") return field.enum.values[0].name;
  if (field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES) return "";
  return field.scalar === ScalarType.BOOL ? false : 0;
}

/** google.protobuf.FeatureSet.FieldPresence. */
const EXPLICIT = 1;

/** Those of Google have a JSON form of their own. */
export const isOurs = ({ typeName }) => typeName.startsWith("dafnck.");
