import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { createClient } from "@connectrpc/connect";

import { NotificationKind, type Notification } from "../gen/dafnck/project/v1/notification_pb.js";
import { NotificationService } from "../gen/dafnck/project/v1/notification_service_pb.js";
import { ProjectRole } from "../gen/dafnck/project/v1/project_pb.js";
import type { Step } from "./context.js";

export const notifications: Step = async (context) => {
  const { projectId } = context;
  const { id: taskId } = await context.newTask("Tell");
  const target = { target: { case: "taskId", value: taskId } } as const;
  const { userId, authorization } = await context.register("rita");
  const member = { projectId, userId, role: ProjectRole.VIEWER };
  await context.members.addMember({ requestId: randomUUID(), member });
  const inbox = createClient(NotificationService, context.connect("project", authorization));
  await inbox.subscribe({ target });
  const stop = new AbortController();
  const responses = inbox.watchInbox({}, { signal: stop.signal })[Symbol.asyncIterator]();
  // The first response comes at once; the comment is written after it.
  assert.deepEqual((await responses.next()).value?.notifications, []);

  const comment = await context.comments.createComment({
    requestId: randomUUID(),
    comment: { target, content: "Done?" },
  });
  const arrived: Notification[] = [];
  while (arrived.length === 0) {
    const { value } = await responses.next();
    arrived.push(...(value?.notifications ?? []));
  }
  stop.abort();
  const [first] = arrived;
  assert(first);
  assert.deepEqual([first.change?.resourceId, first.kind], [comment.id, NotificationKind.COMMENT]);

  assert.equal((await inbox.countUnreadNotifications({})).count, 1);
  await inbox.markNotificationsRead({ position: first.position });
  assert.equal((await inbox.countUnreadNotifications({})).count, 0);
  return "a comment, watched, counted and marked as read";
};
