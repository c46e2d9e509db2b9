import { createPrivateKey, randomBytes, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";

import type { Authorization } from "./calls.js";

/**
 * Signs the calls of a service or operator, as "Signing calls between services" in ../../README.md says. The key is in PEM,
 * as `openssl genpkey -algorithm ed25519` writes it.
 */
export function serviceAuthorization(name: string, pem: string): Authorization {
  const key = createPrivateKey(pem);
  return (path) => serviceAuthorizationAt(name, key, path, Math.floor(Date.now() / 1_000), randomBytes(16));
}

/** The header for a call at a given time, with a nonce of 16 bytes. */
export function serviceAuthorizationAt(
  name: string,
  key: KeyObject,
  path: string,
  unixSeconds: number,
  nonce: Buffer,
): string {
  const hex = nonce.toString("hex");
  const text = `dafnck-call|${name}|${unixSeconds}|${hex}|${path}`;
  return `Service ${name}.${unixSeconds}.${hex}.${sign(null, Buffer.from(text), key).toString("hex")}`;
}
