import { Code, type Interceptor } from "@connectrpc/connect";

import { decodeError } from "./errors.js";

/** Of a unary call that sets none. */
export const DEADLINE_MS = 5_000;
/** Life of a stream on the server. */
export const STREAM_DEADLINE_MS = 3_600_000;
const MAX_ATTEMPTS = 4;
const FIRST_RETRY_DELAY_MS = 100;
const MAX_RETRY_DELAY_MS = 2_000;

/** Returns the value of the `authorization` header for a call of `path` (`/package.Service/Method`). */
export type Authorization = (path: string) => string | Promise<string>;

/** Sends an API token with every call. A session is `Session.authorization`, a service `serviceAuthorization`. */
export function bearer(token: string): Authorization {
  return () => `Bearer ${token}`;
}

/** What each call goes through. The first one is the outermost: each attempt asks for its authorization. */
export function interceptors(authorization?: Authorization): Interceptor[] {
  return authorization === undefined ? [retry] : [retry, authorize(authorization)];
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
      await sleep(delay * (0.8 + 0.4 * Math.random()), request.signal);
    }
  }
};

/** Codes of Connect for a connection that broke during a call. With these codes, errors of the server have a reason. */
const BROKEN_CONNECTION_CODES = [Code.Aborted, Code.Canceled, Code.Internal];

function isUnavailable(error: unknown): boolean {
  const { code, reason } = decodeError(error);
  return code === Code.Unavailable || (reason === "" && BROKEN_CONNECTION_CODES.includes(code));
}

/** Waits, in Node.js and in browsers. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
