import { createHmac } from "node:crypto";

import type { Authorization } from "./calls.js";

/** Signs the calls of a service or operator, as "Signing calls between services" in ../../README.md says. */
export function serviceAuthorization(name: string, secret: string): Authorization {
  return (path) => serviceAuthorizationAt(name, secret, path, Math.floor(Date.now() / 1_000));
}

/** The header for a call at a given time. */
export function serviceAuthorizationAt(name: string, secret: string, path: string, unixSeconds: number): string {
  const code = createHmac("sha256", secret).update(`${name}|${unixSeconds}|${path}`).digest("hex");
  return `Service ${name}.${unixSeconds}.${code}`;
}
