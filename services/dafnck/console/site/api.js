// The API of the suite over gRPC-Web. Requests and responses are in the JSON form of their protos, which are loaded at run
// time, so there is no generated code.

import {
  Code, ConnectError, createFileRegistry, createGrpcWebTransport, FileDescriptorSetSchema, fromBinary, fromJson, toJson,
} from "./libraries.js";
import * as session from "./session.js";

const DEADLINE_MS = 10_000;
/** Life of a stream on the server. */
const STREAM_DEADLINE_MS = 3_600_000;
const IDENTITY = "dafnck.identity.v1.AuthService";

/** A file of the console's server. */
async function load(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
  return response;
}

export const loadJson = async (path) => (await load(path)).json();

async function loadRegistry() {
  const bytes = await (await load("/descriptors.binpb")).arrayBuffer();
  const set = fromBinary(FileDescriptorSetSchema, new Uint8Array(bytes));
  // The set is put together from two, which share imports.
  const names = new Set();
  set.file = set.file.filter(({ name }) => !names.has(name) && names.add(name));
  return createFileRegistry(set);
}

const [settings, loaded] = await Promise.all([loadJson("/config.json"), loadRegistry()]);
export const { api, version } = settings;
export const registry = loaded;

const transport = createGrpcWebTransport({ baseUrl: api, defaultTimeoutMs: DEADLINE_MS });

/** The descriptor of a method, by `package.Service/Method`. */
export function methodOf(path) {
  const [service, name] = path.split("/");
  return registry.getService(service)?.methods.find((method) => method.name === name);
}

/** The names of an enum's values, without the one that means "not given". */
export const enumNames = (typeName) =>
  registry.getEnum(typeName).values.filter(({ number }) => number !== 0).map(({ name }) => name);

export const messageJson = (descriptor, message) => toJson(descriptor, message, { registry, alwaysEmitImplicit: true });

/** The usual JSON form of a message; an error if it is none. */
export const canonicalJson = (descriptor, json) => toJson(descriptor, fromJson(descriptor, json, { registry }), { registry });

/** One token is exchanged at a time: a refresh token works once. */
let refreshing;

async function authorization() {
  if (session.isAboutToEnd()) {
    refreshing ??= invoke(`${IDENTITY}/RefreshSession`, { refreshToken: session.current().refreshToken })
      .then(session.store, (error) => {
        if (ConnectError.from(error).code === Code.Unauthenticated) session.end();
        throw error;
      })
      .finally(() => (refreshing = undefined));
    await refreshing;
  }
  const token = session.current()?.sessionToken;
  return token ? { authorization: `Bearer ${token}` } : {};
}

/** Anybody may call it, and a session that has ended must not stand in the way. */
const isOpen = (path) => path.startsWith(IDENTITY) && !path.endsWith("/Logout") && !path.endsWith("/WhoAmI");

const headersOf = (path) => (isOpen(path) ? {} : authorization());

async function invoke(path, request, headers) {
  const method = methodOf(path);
  const input = fromJson(method.input, request, { registry });
  const response = await transport.unary(method, undefined, undefined, headers, input);
  return messageJson(method.output, response.message);
}

/** Calls a unary method. */
export async function call(path, request = {}) {
  try {
    return await invoke(path, request, await headersOf(path));
  } catch (error) {
    if (!isOpen(path) && describeError(error).reason === "SESSION_INVALID") session.end();
    throw error;
  }
}

/** Calls a method that streams its responses. */
export async function* stream(path, request, signal) {
  const method = methodOf(path);
  const input = fromJson(method.input, request, { registry });
  async function* one() {
    yield input;
  }
  const response = await transport.stream(method, signal, STREAM_DEADLINE_MS, await headersOf(path), one());
  for await (const message of response.message) yield messageJson(method.output, message);
}

/** All items of a list, page by page, up to a limit. */
export async function list(path, request, field, limit = 1000) {
  const items = [];
  let pageToken = "";
  do {
    const page = await call(path, { ...request, pageSize: limit, pageToken });
    items.push(...page[field]);
    pageToken = page.nextPageToken;
  } while (pageToken && items.length < limit);
  return items;
}

/** An error with all of its details, in JSON. */
export function describeError(error) {
  const source = ConnectError.from(error);
  const details = source.details.flatMap((detail) => {
    if (!("value" in detail)) return [];
    const descriptor = registry.getMessage(detail.type);
    if (!descriptor) return [{ type: detail.type }];
    return [{ type: detail.type, ...messageJson(descriptor, fromBinary(descriptor, detail.value)) }];
  });
  const find = (type) => details.find((detail) => detail.type === `google.rpc.${type}`);
  return {
    // Others come from this page.
    code: error instanceof ConnectError ? Code[source.code].replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase() : "",
    message: source.rawMessage,
    reason: find("ErrorInfo")?.reason ?? "",
    violations: find("BadRequest")?.fieldViolations ?? [],
    retryDelay: find("RetryInfo")?.retryDelay,
    details,
  };
}
