/** The conformance scenario; ../../conformance/README.md describes its steps and environment. */

import { ConnectError } from "@connectrpc/connect";

import { explain } from "../src/errors.js";
import { refresh, secondFactor, serverInfo, signUp } from "./accounts.js";
import { Context, type Step } from "./context.js";
import { deadline, notFoundAndDenied, retryAfterUnavailable, serviceSignature, validationErrors } from "./failures.js";
import { notifications } from "./inbox.js";
import { cancellation, comments, downloadChecksum, uploadResume, watchResume } from "./streams.js";
import {
  batches,
  completeBlocked,
  createResources,
  etagConflict,
  history,
  masks,
  milestones,
  pages,
  plan,
  requestIdConflict,
  timeEntries,
} from "./tasks.js";
import { webhooks } from "./webhooks.js";

const STEPS: Record<string, Step> = {
  sign_up: signUp,
  second_factor: secondFactor,
  refresh,
  server_info: serverInfo,
  create: createResources,
  request_id_conflict: requestIdConflict,
  pages,
  masks,
  etag_conflict: etagConflict,
  batch: batches,
  complete_blocked: completeBlocked,
  plan,
  watch_resume: watchResume,
  history,
  time_entries: timeEntries,
  milestones,
  upload_resume: uploadResume,
  download_checksum: downloadChecksum,
  comments,
  notifications,
  webhooks,
  validation_errors: validationErrors,
  not_found_and_denied: notFoundAndDenied,
  deadline,
  cancellation,
  retry_after_unavailable: retryAfterUnavailable,
  service_signature: serviceSignature,
};

const context = new Context();
let failed = false;
for (const [name, step] of Object.entries(STEPS)) {
  try {
    console.log(`${name}\tok\t${await step(context)}`);
  } catch (error) {
    failed = true;
    const text = error instanceof ConnectError ? explain(error) : String(error);
    console.log(`${name}\tfailed\t${text.replaceAll(/\s+/g, " ")}`);
    if (error instanceof Error) console.error(error.stack);
  }
}
process.exit(failed ? 1 : 0);
