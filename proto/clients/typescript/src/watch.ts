import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError } from "@connectrpc/connect";

import type { WatchTasksRequestSchema, WatchTasksResponse } from "../gen/dafnck/task/v1/event_pb.js";
import type { TaskService } from "../gen/dafnck/task/v1/task_service_pb.js";
import { sleep, STREAM_DEADLINE_MS } from "./calls.js";

const FIRST_RETRY_DELAY_MS = 100;
const MAX_RETRY_DELAY_MS = 30_000;
/** After OUT_OF_RANGE the token is too old: read everything again and watch without it. */
const FINAL_CODES = [Code.NotFound, Code.PermissionDenied, Code.InvalidArgument, Code.OutOfRange, Code.Unimplemented];

/**
 * Yields each event once and in order, across broken connections, restarts, refreshed sessions and the end of streams.
 * To continue in another process, store the resume token of the last response whose events were applied.
 */
export async function* watchTasks(
  tasks: Client<typeof TaskService>,
  request: MessageInitShape<typeof WatchTasksRequestSchema>,
  signal?: AbortSignal,
): AsyncGenerator<WatchTasksResponse> {
  let resumeToken = request.resumeToken ?? "";
  let delay = FIRST_RETRY_DELAY_MS;
  const options = { timeoutMs: STREAM_DEADLINE_MS, ...(signal && { signal }) };
  for (;;) {
    let hasResponded = false;
    try {
      for await (const response of tasks.watchTasks({ ...request, resumeToken }, options)) {
        yield response;
        resumeToken = response.resumeToken;
        delay = FIRST_RETRY_DELAY_MS;
        hasResponded = true;
      }
    } catch (error) {
      const { code } = ConnectError.from(error);
      // A stream ends with the token that opened it; the next one uses the refreshed token.
      const isFinal = code === Code.Unauthenticated ? !hasResponded : FINAL_CODES.includes(code);
      if (isFinal || signal?.aborted) throw error;
    }
    await sleep(delay, signal);
    delay = Math.min(2 * delay, MAX_RETRY_DELAY_MS);
  }
}
