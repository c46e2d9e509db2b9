import type { Transport } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";

import { type Authorization, DEADLINE_MS, interceptors } from "./calls.js";

export interface BrowserOptions {
  /** Default: calls are anonymous. */
  authorization?: Authorization;
  /** Of a unary call that sets none, for all of its attempts together; at most 30 s. Default: 5 s. */
  deadlineMs?: number;
}

/** A transport for web pages: gRPC-Web with `fetch`. Unary calls and server streams work; browsers send no streams. */
export function connectBrowser(baseUrl: string, options: BrowserOptions = {}): Transport {
  const { authorization, deadlineMs = DEADLINE_MS } = options;
  return createGrpcWebTransport({
    baseUrl,
    defaultTimeoutMs: deadlineMs,
    interceptors: interceptors(authorization),
  });
}
