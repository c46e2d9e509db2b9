// A web page of another origin that calls the suite, bundled by `npm run bundle`. What it gets is in `globalThis.visit`; what
// it saw, it sends to its own server.

import { createClient } from "@connectrpc/connect";

import { TaskService } from "../gen/dafnck/task/v1/task_service_pb.js";
import { connectBrowser } from "../src/browser.js";
import { decodeError } from "../src/errors.js";
import { signIn } from "../src/session.js";
import { watchTasks } from "../src/watch.js";

interface Visit {
  api: string;
  login: string;
  password: string;
  projectId: string;
  missingId: string;
}

async function visit({ api, login, password, projectId, missingId }: Visit) {
  const { authorization } = await signIn(connectBrowser(api), login, password, () => "");
  const tasks = createClient(TaskService, connectBrowser(api, { authorization }));
  const listed = await tasks.listTasks({ filter: { projectIds: [projectId] } });

  let watched = "";
  let isCreated = false;
  for await (const { events } of watchTasks(tasks, { projectId })) {
    for (const { resource } of events) {
      if (resource.case === "task") watched = resource.value.after?.title ?? "";
    }
    if (watched !== "") break;
    // The first response says that the stream has begun.
    if (!isCreated) await tasks.createTask({ task: { projectId, title: "created by the page" } });
    isCreated = true;
  }

  const missing = await tasks.getTask({ taskId: missingId }).then(String, decodeError);
  const invalid = await tasks.createTask({ task: { projectId, title: "", tags: ["a", ""] } }).then(String, decodeError);
  return { listed: listed.tasks.map(({ title }) => title), watched, missing, invalid };
}

const { visit: input } = globalThis as unknown as { visit: Visit };
const report = await visit(input).catch((error: unknown) => ({ failure: String(error) }));
await fetch("/report", { method: "POST", body: JSON.stringify(report) });
