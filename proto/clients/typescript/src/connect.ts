import { setTimeout as sleep } from "node:timers/promises";

import { Code, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

import { decodeError } from "./errors.js";

const DEADLINE_MS = 5_000;
/** Life of a stream on the server. */
export const STREAM_DEADLINE_MS = 3_600_000;
const MAX_ATTEMPTS = 4;
const FIRST_RETRY_DELAY_MS = 100;
const MAX_RETRY_DELAY_MS = 2_000;
/** An open stream whose connection is dead is noticed after this time. */
const PING_INTERVAL_MS = 30_000;

/** Returns the value of the `authorization` header for a call of `path` (`/package.Service/Method`). */
export type Authorization = (path: string) => string | Promise<string>;

/** Sends an API token with every call. A session is `Session.authorization`, a service `serviceAuthorization`. */
export function bearer(token: string): Authorization {
  return () => `Bearer ${token}`;
}

export interface ConnectOptions {
  /** Default: calls are anonymous. */
  authorization?: Authorization;
  /** Of a unary call that sets none, for all of its attempts together; at most 30 s. Default: 5 s. */
  deadlineMs?: number;
  /** Certificate authorities in PEM. Default: those of Node.js. */
  certificateAuthorities?: Buffer;
}

/** A transport over one HTTP/2 connection to `https://host:port`; a local suite without TLS is `http://`. */
export function connect(baseUrl: string, options: ConnectOptions = {}): Transport {
  const { authorization, deadlineMs = DEADLINE_MS, certificateAuthorities } = options;
  return createGrpcTransport({
    baseUrl,
    defaultTimeoutMs: deadlineMs,
    pingIntervalMs: PING_INTERVAL_MS,
    // The first one is the outermost: each attempt asks for its authorization.
    interceptors: authorization === undefined ? [retry] : [retry, authorize(authorization)],
    ...(certificateAuthorities && { nodeOptions: { ca: certificateAuthorities } }),
  });
}

function authorize(authorization: Authorization): Interceptor {
  return (next) => async (request) => {
    request.header.set("authorization", await authorization(`/${request.service.typeName}/${request.method.name}`));
    return next(request);
  };
}

/** Retries unary calls as ../service_config.json says, with jitter. Streams are resumed by their callers. */
const retry: Interceptor = (next) => async (request) => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await next(request);
    } catch (error) {
      const isFinal = request.stream || request.signal.aborted || attempt === MAX_ATTEMPTS;
      if (isFinal || !isUnavailable(error)) throw error;
      const delay = Math.min(FIRST_RETRY_DELAY_MS * 2 ** (attempt - 1), MAX_RETRY_DELAY_MS);
      await sleep(delay * (0.8 + 0.4 * Math.random()), undefined, { signal: request.signal });
    }
  }
};

/** Codes of Connect for a connection that broke during a call. With these codes, errors of the server have a reason. */
const BROKEN_CONNECTION_CODES = [Code.Aborted, Code.Canceled, Code.Internal];

function isUnavailable(error: unknown): boolean {
  const { code, reason } = decodeError(error);
  return code === Code.Unavailable || (reason === "" && BROKEN_CONNECTION_CODES.includes(code));
}
