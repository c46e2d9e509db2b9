// The tasks of a project, kept up to date by WatchTasks.

import { call, describeError, list, stream } from "./api.js";
import { useEffect, useState } from "./libraries.js";
import * as session from "./session.js";
import { announce, label } from "./ui.js";

const SERVICE = "dafnck.task.v1.TaskService";
/** More are neither shown nor drawn. */
export const MAX_TASKS = 1000;
const FIRST_RETRY_DELAY_MS = 200;
const MAX_RETRY_DELAY_MS = 15_000;
/** The server would give the same answer again. */
const FINAL_CODES = ["NOT_FOUND", "PERMISSION_DENIED", "INVALID_ARGUMENT", "UNIMPLEMENTED"];

export const statusLabel = (status) => label(status, "TASK_STATUS_");

const listTasks = (projectId) =>
  list(`${SERVICE}/ListTasks`, { filter: { projectIds: [projectId] }, order: "TASK_ORDER_RANK_ASC" }, "tasks", MAX_TASKS);

export const createTask = (task) => call(`${SERVICE}/CreateTask`, { requestId: crypto.randomUUID(), task });

/** `task` has its id, the fields to change and the etag of what they were changed from. */
export const updateTask = (task, paths) => call(`${SERVICE}/UpdateTask`, { task, updateMask: paths.join(",") });

export const addDependency = (taskId, dependsOnTaskId) =>
  call("dafnck.task.v1.PlanService/CreateTaskDependency", {
    requestId: crypto.randomUUID(),
    taskDependency: { taskId, dependsOnTaskId, dependencyType: "DEPENDENCY_TYPE_BLOCKS" },
  });

/**
 * `{tasks, byId, revision, connection, error, put}`: the revision grows with each change, also of dependencies; `put` shows
 * what a call has returned before its event comes.
 */
export function useTasks(projectId) {
  const [state, setState] = useState({});
  useEffect(() => {
    const abort = new AbortController();
    setState({ connection: "connecting" });
    const update = (change) => abort.signal.aborted || setState(change);
    follow(projectId, update, abort.signal);
    return () => abort.abort();
  }, [projectId]);
  const { byId, ...rest } = state;
  const tasks = byId && [...byId.values()].sort((one, other) => (one.rank < other.rank ? -1 : 1));
  return { ...rest, byId, tasks, put: (task) => setState((last) => withTask(last, task)) };
}

/** Watches first and lists then, so that no change is missed. Reconnects with the last resume token. */
async function follow(projectId, update, signal) {
  let resumeToken = "";
  let delay = FIRST_RETRY_DELAY_MS;
  while (!signal.aborted) {
    let hasResponded = false;
    try {
      for await (const response of stream(`${SERVICE}/WatchTasks`, { projectId, resumeToken }, signal)) {
        if (!resumeToken) await relist(projectId, update);
        apply(response.events, update);
        ({ resumeToken } = response);
        hasResponded = true;
        delay = FIRST_RETRY_DELAY_MS;
        update((last) => (last.connection === "live" ? last : { ...last, connection: "live", error: undefined }));
      }
    } catch (error) {
      const { code, reason } = describeError(error);
      if (signal.aborted) return;
      if (FINAL_CODES.includes(code)) return update((last) => ({ ...last, connection: "ended", error }));
      // A stream ends with the token that opened it; the next one has a refreshed token, if the session goes on.
      if (code === "UNAUTHENTICATED" && !hasResponded) return session.end();
      if (reason === "CURSOR_EXPIRED") resumeToken = "";
    }
    update((last) => ({ ...last, connection: "reconnecting" }));
    await new Promise((resolve) => setTimeout(resolve, delay));
    delay = Math.min(2 * delay, MAX_RETRY_DELAY_MS);
  }
}

async function relist(projectId, update) {
  const tasks = await listTasks(projectId);
  update((last) => ({ ...last, byId: new Map(tasks.map((task) => [task.id, task])), revision: (last.revision ?? 0) + 1 }));
}

function apply(events, update) {
  for (const { task, change } of events) {
    update((last) => (task ? withTask(last, task.after, change.resourceId) : bump(last)));
    if (task?.after && task.before?.status !== task.after.status) {
      announce(`${task.after.key} ${task.after.title}: ${statusLabel(task.after.status)}`);
    }
  }
}

const bump = (state) => ({ ...state, revision: (state.revision ?? 0) + 1 });

/** Of two states of a task, the newer one counts. */
function withTask(state, task, deletedId) {
  const byId = new Map(state.byId);
  const known = task && byId.get(task.id);
  if (known && Date.parse(known.updatedAt) > Date.parse(task.updatedAt)) return state;
  if (task) byId.set(task.id, task);
  else byId.delete(deletedId);
  return bump({ ...state, byId });
}
