import assert from "node:assert/strict";
import { createPrivateKey, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";

import { create } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { Code, createClient } from "@connectrpc/connect";

import { CodeDelivery } from "../gen/dafnck/common/v1/delivery_pb.js";
import { AccountCodeService } from "../gen/dafnck/identity/backend/v1/account_code_service_pb.js";
import { ProjectService } from "../gen/dafnck/project/v1/project_service_pb.js";
import { CreateTaskRequestSchema } from "../gen/dafnck/task/v1/task_pb.js";
import { TaskService } from "../gen/dafnck/task/v1/task_service_pb.js";
import type { Authorization } from "../src/calls.js";
import { serviceAuthorization, serviceAuthorizationAt } from "../src/signature.js";
import { refused, type Step } from "./context.js";
import { Proxy } from "./proxy.js";

export const validationErrors: Step = async (context) => {
  const request = create(CreateTaskRequestSchema, {
    requestId: "no-uuid",
    task: { projectId: context.projectId, title: "t".repeat(256), estimatedDuration: { seconds: 59n } },
  });
  const fields = ["request_id", "task.estimated_duration", "task.title"];
  const { violations } = await refused(context.tasks.createTask(request), Code.InvalidArgument, "INVALID_FIELDS");
  assert.deepEqual(violations.map(({ field }) => field).sort(), fields);

  const result = createValidator().validate(CreateTaskRequestSchema, request);
  assert(result.kind === "invalid", result.error?.message);
  const found = new Set(result.violations.map(({ field }) => pathToString(field)));
  assert.deepEqual([...found].sort(), fields);
  return fields.join(", ");
};

export const notFoundAndDenied: Step = async (context) => {
  const { projectId } = context;
  const { authorization } = await context.register("mallory");
  const stranger = createClient(ProjectService, context.connect("project", authorization));
  const { resource } = await refused(stranger.getProject({ projectId }), Code.NotFound, "RESOURCE_NOT_FOUND");
  assert.equal(resource?.name, projectId);

  const anonymous = createClient(ProjectService, context.connect("project"));
  const create = anonymous.createProject({ project: { name: "Nobody's" } });
  await refused(create, Code.Unauthenticated, "SESSION_REQUIRED");
  return "NOT_FOUND for a stranger, SESSION_REQUIRED without a token";
};

export const deadline: Step = async (context) => {
  await using proxy = await Proxy.start(context.targets.task);
  const tasks = createClient(TaskService, context.connect("task", context.authorization, proxy.target));
  const filter = { projectIds: [context.projectId] };
  const before = await tasks.listTasks({ filter });
  proxy.hold();
  await refused(tasks.listTasks({ filter }, { timeoutMs: 200 }), Code.DeadlineExceeded, "");
  proxy.release();
  assert.deepEqual(await tasks.listTasks({ filter }), before);
  assert.equal(proxy.connections, 1);
  return "DEADLINE_EXCEEDED after 200 ms, then the same connection answered";
};

export const retryAfterUnavailable: Step = async (context) => {
  const projectId = await context.newProject("Retry");
  const filter = { projectIds: [projectId] };
  const listed = async () => (await context.tasks.listTasks({ filter })).tasks.map(({ id }) => id);
  await using proxy = await Proxy.start(context.targets.task);
  const tasks = createClient(TaskService, context.connect("task", context.authorization, proxy.target));
  // The connection is open before the response is held.
  await tasks.listTasks({ filter });
  proxy.hold();
  const call = tasks.createTask({ requestId: randomUUID(), task: { projectId, title: "Exactly once" } });
  while ((await listed()).length === 0);
  proxy.cut();
  proxy.restore();
  const { id } = await call;
  assert.deepEqual(await listed(), [id]);
  assert.equal(proxy.connections, 2);
  return "the response was lost, the retry returned the same task";
};

interface SignatureVector {
  name: string;
  private_key: string;
  unix_seconds: number;
  nonce: string;
  path: string;
  authorization: string;
}

export const serviceSignature: Step = async (context) => {
  const vectors = JSON.parse(await readFile("../signature_vectors.json", "utf8")) as SignatureVector[];
  assert(vectors.length > 0);
  for (const { name, private_key, unix_seconds, nonce, path, authorization } of vectors) {
    const key = createPrivateKey(private_key);
    assert.equal(serviceAuthorizationAt(name, key, path, unix_seconds, Buffer.from(nonce, "hex")), authorization);
  }
  const key = process.env["DAFNCK_BACKEND_KEY"];
  if (!key) return `${vectors.length} vectors; no key, no call`;

  const codes = (authorization: Authorization) =>
    createClient(AccountCodeService, context.connect("identity", authorization));
  const request = { userId: context.userId, delivery: CodeDelivery.RESPONSE };
  const { code } = await codes(serviceAuthorization("backend", key)).createEmailVerificationCode(request);
  const { email } = await context.account.verifyEmail({ requestId: randomUUID(), code: code ?? "" });
  assert.equal(email, context.email);

  const forged = codes(serviceAuthorization("operator", key)).createEmailVerificationCode(request);
  await refused(forged, Code.Unauthenticated, "SESSION_INVALID");
  return `${vectors.length} vectors, and a call as the principal backend`;
};
