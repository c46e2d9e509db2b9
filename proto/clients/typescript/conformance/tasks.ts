import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { fromJson } from "@bufbuild/protobuf";
import { type Duration, DurationSchema, durationMs, type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";

import { ChangeKind, ResourceType } from "../gen/dafnck/common/v1/change_pb.js";
import { TaskOrder } from "../gen/dafnck/task/v1/list_pb.js";
import { type Task, TaskPriority, TaskStatus } from "../gen/dafnck/task/v1/task_pb.js";
import { TimeReportGroup } from "../gen/dafnck/task/v1/time_entry_pb.js";
import { type Context, refused, type Step, type TaskFields } from "./context.js";

const HOUR_MS = 3_600_000;

const hours = (count: number): Duration => fromJson(DurationSchema, `${count * 3_600}s`);
const ids = (tasks: Task[]): string[] => tasks.map(({ id }) => id);
const titles = (tasks: Task[]): string[] => tasks.map(({ title }) => title);

export const createResources: Step = async (context) => {
  context.projectId = await context.newProject("Apollo");
  const project = await context.projects.getProject({ projectId: context.projectId });
  assert.equal(project.ownerId, context.userId);

  const request = {
    requestId: randomUUID(),
    task: {
      projectId: context.projectId,
      title: "Build the rocket",
      priority: TaskPriority.HIGH,
      tags: ["rocket"],
      metadata: { stages: 3, crew: ["Neil", "Buzz"] },
    },
  };
  const task = await context.tasks.createTask(request);
  assert.equal(task.title, "Build the rocket");
  assert.equal(task.status, TaskStatus.PENDING);
  assert.deepEqual(task.metadata, { stages: 3, crew: ["Neil", "Buzz"] });
  const retried = await context.tasks.createTask(request);
  assert.deepEqual([retried.id, retried.etag], [task.id, task.etag]);
  const { tasks } = await context.tasks.listTasks({ filter: { projectIds: [context.projectId] } });
  assert.deepEqual(ids(tasks), [task.id]);
  return `${task.key}, the retry returned the same task`;
};

export const requestIdConflict: Step = async (context) => {
  const requestId = randomUUID();
  const task = { projectId: context.projectId, title: "Once" };
  await context.tasks.createTask({ requestId, task });
  const conflict = context.tasks.createTask({ requestId, task: { ...task, title: "Twice" } });
  const { reason } = await refused(conflict, Code.FailedPrecondition, "REQUEST_ID_REUSED");
  return reason;
};

export const pages: Step = async (context) => {
  const projectId = await context.newProject("Pages");
  const tasks = Array.from({ length: 25 }, (_, index) => ({ title: `Task ${index}` }));
  const batch = await context.tasks.batchCreateTasks({ requestId: randomUUID(), projectId, tasks });
  assert.deepEqual(titles(batch.tasks), titles(tasks as Task[]));

  const sizes: number[] = [];
  const listed: Task[] = [];
  let pageToken = "";
  do {
    const page = await context.tasks.listTasks({
      filter: { projectIds: [projectId] },
      order: TaskOrder.NUMBER_ASC,
      pageSize: 10,
      pageToken,
    });
    sizes.push(page.tasks.length);
    listed.push(...page.tasks);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  assert.deepEqual(sizes, [10, 10, 5]);
  assert.deepEqual(ids(listed), ids(batch.tasks));
  return `pages of ${sizes.join(", ")}`;
};

export const masks: Step = async (context) => {
  const { id } = await context.newTask("Train the crew", { description: "Long", tags: ["crew"] });
  const update = async (task: TaskFields, ...paths: string[]) => {
    const request = { task: { id, ...task } };
    return context.tasks.updateTask(paths.length === 0 ? request : { ...request, updateMask: { paths } });
  };

  const masked = await update({ title: "Train two crews", description: "Ignored" }, "title");
  assert.deepEqual([masked.title, masked.description], ["Train two crews", "Long"]);
  const populated = await update({ priority: TaskPriority.URGENT });
  assert.deepEqual(
    [populated.priority, populated.title, populated.description, populated.tags],
    [TaskPriority.URGENT, "Train two crews", "Long", ["crew"]],
  );
  const cleared = await update({}, "description", "tags");
  assert.deepEqual([cleared.description, cleared.tags], [undefined, []]);
  const spelled = await update({ estimatedDuration: hours(2) }, "estimatedDuration");
  assert(spelled.estimatedDuration);
  assert.equal(durationMs(spelled.estimatedDuration), 2 * HOUR_MS);
  const { violations } = await refused(update({}, "no_such_field"), Code.InvalidArgument, "INVALID_FIELDS");
  assert.equal(violations.length, 1);
  return "mask, populated fields, cleared fields, both spellings, unknown path";
};

export const etagConflict: Step = async (context) => {
  const read = await context.newTask("Fuel");
  const other = await context.tasks.updateTask({ task: { id: read.id, title: "Fuel and oxygen", etag: read.etag } });
  const stale = context.tasks.updateTask({ task: { id: read.id, title: "Kerosene", etag: read.etag } });
  const { metadata } = await refused(stale, Code.Aborted, "ETAG_MISMATCH");
  assert.equal(metadata["etag"], other.etag);

  const again = await context.tasks.getTask({ taskId: read.id });
  assert.deepEqual([again.title, again.etag], ["Fuel and oxygen", other.etag]);
  const updated = await context.tasks.updateTask({ task: { id: read.id, title: "Kerosene", etag: again.etag } });
  assert.equal(updated.title, "Kerosene");
  return "the error has the current etag";
};

export const batches: Step = async (context) => {
  const tasks = [await context.newTask("One"), await context.newTask("Two"), await context.newTask("Three")];
  const update = (changes: TaskFields[]) =>
    context.tasks.batchUpdateTasks({
      requestId: randomUUID(),
      updates: { case: "individual", value: { requests: changes.map((task) => ({ task })) } },
    });

  const [one, two, three] = ids(tasks) as [string, string, string];
  const missing = randomUUID();
  const unknown = [
    { id: one, title: "1" },
    { id: missing, title: "?" },
  ];
  const { metadata, resource } = await refused(update(unknown), Code.NotFound, "RESOURCE_NOT_FOUND");
  assert.deepEqual([metadata["index"], metadata["id"], resource?.name], ["1", missing, missing]);
  const tooLong = [
    { id: one, title: "1" },
    { id: two, title: "2" },
    { id: three, title: "3".repeat(256) },
  ];
  const { violations } = await refused(update(tooLong), Code.InvalidArgument, "INVALID_FIELDS");
  assert.match(violations[0]?.field ?? "", /\[2\].*title$/);
  const unchanged = await context.tasks.batchGetTasks({ taskIds: ids(tasks) });
  assert.deepEqual(titles(unchanged.tasks), ["One", "Two", "Three"]);

  const good = await update([
    { id: three, title: "III" },
    { id: one, title: "I" },
    { id: two, title: "II" },
  ]);
  assert.deepEqual(titles(good.tasks), ["III", "I", "II"]);
  assert.deepEqual(ids(good.tasks), [three, one, two]);
  return `index 1, ${violations[0]?.field}`;
};

export const completeBlocked: Step = async (context) => {
  const [rocket, flight] = [await context.newTask("Rocket"), await context.newTask("Flight")];
  const dependency = await depend(context, flight.id, rocket.id);
  assert.equal(dependency.taskId, flight.id);
  assert.equal((await context.tasks.getTask({ taskId: flight.id })).status, TaskStatus.BLOCKED);

  const blocked = context.tasks.completeTask({ taskId: flight.id });
  const { metadata } = await refused(blocked, Code.FailedPrecondition, "TASK_BLOCKED");
  assert.equal(metadata["blockers"], rocket.id);
  for (const taskId of [rocket.id, flight.id]) {
    assert.equal((await context.tasks.completeTask({ taskId })).status, TaskStatus.DONE);
  }
  return "refused with its blocker, then done";
};

const depend = (context: Context, taskId: string, dependsOnTaskId: string) =>
  context.plans.createTaskDependency({ requestId: randomUUID(), taskDependency: { taskId, dependsOnTaskId } });

export const plan: Step = async (context) => {
  const projectId = await context.newProject("Plan");
  const [build, fly, party] = [
    await context.newTask("Build", { projectId, estimatedDuration: hours(4) }),
    await context.newTask("Fly", { projectId, estimatedDuration: hours(2) }),
    await context.newTask("Party", { projectId, estimatedDuration: hours(1) }),
  ];
  await depend(context, fly.id, build.id);

  const { tasks, criticalPath, finish, waveCount } = await context.plans.getPlan({ projectId });
  assert.deepEqual(
    criticalPath.map((index) => tasks[index]?.node?.taskId),
    ids([build, fly]),
  );
  assert.equal(waveCount, 2);
  assert(finish);
  assert.equal(durationMs(finish), 6 * HOUR_MS);
  const times = tasks.map(({ earliestStart, slack }) => [earliestStart, slack].map((at) => at && durationMs(at)));
  assert.deepEqual(times, [
    [0, 0],
    [4 * HOUR_MS, 0],
    [0, 5 * HOUR_MS],
  ]);
  assert.equal(tasks[2]?.node?.taskId, party.id);
  return "finish after 6 h, Build and Fly are critical";
};

export const history: Step = async (context) => {
  const { id } = await context.newTask("Draft");
  await context.tasks.updateTask({ task: { id, title: "Final", priority: TaskPriority.LOW } });
  await context.tasks.completeTask({ taskId: id });
  const { events } = await context.tasks.listTaskHistory({ taskId: id });

  const changes = events.toReversed().map(({ change, resource }) => {
    assert.deepEqual(
      [change?.resourceType, change?.resourceId, change?.actorId],
      [ResourceType.TASK, id, context.userId],
    );
    const after = resource.case === "task" ? resource.value.after : undefined;
    return [change?.kind, after?.title, change?.changedFields.filter((field) => field !== "updated_at").sort()];
  });
  assert.deepEqual(changes, [
    [ChangeKind.CREATED, "Draft", []],
    [ChangeKind.UPDATED, "Final", ["priority", "title"]],
    [ChangeKind.UPDATED, "Final", ["completed_at", "status"]],
  ]);
  return `${events.length} events with actor and fields`;
};

export const timeEntries: Step = async (context) => {
  const { id: taskId } = await context.newTask("Track");
  const track = (span: { startedAt?: Timestamp; endedAt?: Timestamp } = {}) =>
    context.timeEntries.createTimeEntry({ requestId: randomUUID(), timeEntry: { taskId, ...span } });
  const running = await track();
  assert.equal(running.userId, context.userId);
  await refused(track(), Code.FailedPrecondition, "TIME_ENTRY_RUNNING");
  const { duration } = await context.timeEntries.stopTimeEntry({ timeEntryId: running.id });
  assert.ok(duration && durationMs(duration) > 0);

  const at = (seconds: number) => timestampFromMs(1_000 * (1_700_000_000 + seconds));
  const given = await track({ startedAt: at(0), endedAt: at(5_400) });
  const filter = { taskIds: [taskId] };
  const { timeEntries: listed } = await context.timeEntries.listTimeEntries({ filter });
  assert.deepEqual(
    listed.map(({ id }) => id),
    [running.id, given.id],
  );
  const { rows } = await context.timeEntries.getTimeReport({ filter, groups: [TimeReportGroup.USER] });
  assert.deepEqual(
    rows.map(({ userId, count }) => [userId, count]),
    [[context.userId, 2n]],
  );
  const { actualDuration } = await context.tasks.getTask({ taskId });
  assert.ok(actualDuration && durationMs(actualDuration) > 5_400_000);
  return "one running at a time; 2 time entries in the list, the report and the task";
};

export const milestones: Step = async (context) => {
  const projectId = await context.newProject("Milestones");
  const dueAt = timestampFromMs(Date.now() + HOUR_MS);
  const milestone = await context.milestones.createMilestone({
    requestId: randomUUID(),
    milestone: { projectId, name: "Landed", dueAt },
  });
  const task = await context.newTask("Land", { projectId, milestoneId: milestone.id, estimatedDuration: hours(100) });
  await context.newTask("Rest", { projectId });
  const filter = { projectIds: [projectId], milestoneIds: [milestone.id] };
  assert.deepEqual(ids((await context.tasks.listTasks({ filter })).tasks), [task.id]);
  const { totalCount } = await context.plans.getProjectProgress({ projectId, milestoneId: milestone.id });
  assert.equal(totalCount, 1n);
  const { milestones: planned } = await context.plans.getPlan({ projectId });
  assert.deepEqual(
    planned.map(({ milestoneId, finish, late }) => [milestoneId, finish && durationMs(finish), late]),
    [[milestone.id, 100 * HOUR_MS, true]],
  );
  return "one task of two; 100 h of work until the milestone, which slips";
};
