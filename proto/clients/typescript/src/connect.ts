import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

import { type Authorization, DEADLINE_MS, interceptors } from "./calls.js";

/** An open stream whose connection is dead is noticed after this time. */
const PING_INTERVAL_MS = 30_000;

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
    interceptors: interceptors(authorization),
    ...(certificateAuthorities && { nodeOptions: { ca: certificateAuthorities } }),
  });
}
