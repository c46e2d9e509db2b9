import { Code, ConnectError } from "@connectrpc/connect";

import { EditConflictSchema, type EditConflict } from "../gen/dafnck/content/v1/edit_pb.js";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  PreconditionFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "../gen/google/rpc/error_details_pb.js";

/** An error of a call, with its google.rpc details. */
export interface DecodedError {
  code: Code;
  message: string;
  /** Of dafnck.common.v1.ErrorReason, without its prefix. Empty if the error does not come from the server. */
  reason: string;
  metadata: Record<string, string>;
  /** The invalid fields of the request. */
  violations: { field: string; description: string }[];
  /** The conditions that do not hold. */
  preconditions: { type: string; subject: string; description: string }[];
  resource?: { type: string; name: string };
  /** When the server wants to be called again. */
  retryDelayMs?: number;
  /** Both sides of an edit that conflicts with another one. */
  editConflict?: EditConflict;
}

export function decodeError(error: unknown): DecodedError {
  const source = ConnectError.from(error);
  const [info] = source.findDetails(ErrorInfoSchema);
  const decoded: DecodedError = {
    code: source.code,
    message: source.rawMessage,
    reason: info?.reason ?? "",
    metadata: info?.metadata ?? {},
    violations: source.findDetails(BadRequestSchema).flatMap((detail) => detail.fieldViolations),
    preconditions: source.findDetails(PreconditionFailureSchema).flatMap((detail) => detail.violations),
  };
  const [resource] = source.findDetails(ResourceInfoSchema);
  if (resource) decoded.resource = { type: resource.resourceType, name: resource.resourceName };
  const delay = source.findDetails(RetryInfoSchema)[0]?.retryDelay;
  if (delay) decoded.retryDelayMs = Number(delay.seconds) * 1_000 + delay.nanos / 1_000_000;
  const [editConflict] = source.findDetails(EditConflictSchema);
  if (editConflict) decoded.editConflict = editConflict;
  return decoded;
}

/** A text for logs. */
export function explain(error: unknown): string {
  const { code, message, reason, metadata, violations } = decodeError(error);
  const lines = [`${Code[code]}: ${message}`];
  if (reason !== "") lines.push(`${reason} ${JSON.stringify(metadata)}`);
  lines.push(...violations.map(({ field, description }) => `${field}: ${description}`));
  return lines.join("\n");
}
