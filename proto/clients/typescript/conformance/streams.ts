import assert from "node:assert/strict";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";

import { ChangeKind } from "../gen/dafnck/common/v1/change_pb.js";
import { AttachmentService } from "../gen/dafnck/content/v1/attachment_service_pb.js";
import type { CommentEvent } from "../gen/dafnck/content/v1/comment_event_pb.js";
import type { CommentSchema } from "../gen/dafnck/content/v1/comment_pb.js";
import { UploadChunksRequestSchema, UploadState } from "../gen/dafnck/content/v1/upload_pb.js";
import type { TaskEvent } from "../gen/dafnck/task/v1/event_pb.js";
import { TaskService } from "../gen/dafnck/task/v1/task_service_pb.js";
import { download, upload } from "../src/files.js";
import { watchTasks } from "../src/watch.js";
import type { Context, Step } from "./context.js";
import { Proxy } from "./proxy.js";

const FILE_BYTES = 3_000_000;
const CHUNK_BYTES = 100_000;
const ROUNDS = 5;
const POLL_INTERVAL_MS = 10;
const STORE_TIMEOUT_MS = 30_000;

export const watchResume: Step = async (context) => {
  const projectId = await context.newProject("Watch");
  await using proxy = await Proxy.start(context.targets.task);
  const tasks = createClient(TaskService, context.connect("task", context.authorization, proxy.target));
  const responses = watchTasks(tasks, { projectId });
  const seen: string[] = [];
  const follow = async (count: number) => {
    while (seen.length < count) {
      const { value } = await responses.next();
      seen.push(...(value?.events ?? []).map(describe));
    }
  };
  // The first response comes at once; the changes begin after it.
  assert.deepEqual((await responses.next()).value?.events, []);

  const expected: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const { id } = await context.newTask("Watched", { projectId });
    if (round % 2 === 0) await follow(expected.length + 1);
    if (round === 2) await context.session.refresh();
    else proxy.cut();
    await context.tasks.updateTask({ task: { id, title: "Changed" } });
    await context.tasks.deleteTask({ taskId: id });
    proxy.restore();
    expected.push(`${id} CREATED`, `${id} UPDATED`, `${id} DELETED`);
    await follow(expected.length);
  }
  await responses.return(undefined);
  assert.deepEqual(seen, expected);
  assert.equal(proxy.connections, ROUNDS);
  return `${seen.length} events over ${proxy.connections} connections and a refresh`;
};

const describe = ({ change }: TaskEvent): string => `${change?.resourceId} ${ChangeKind[change?.kind ?? 0]}`;

export const uploadResume: Step = async (context) => {
  const { id: taskId } = await context.newTask("Film");
  const bytes = randomBytes(FILE_BYTES);
  const directory = await mkdtemp(join(tmpdir(), "conformance-"));
  try {
    const path = join(directory, "film.bin");
    await writeFile(path, bytes);
    const target = { target: { case: "taskId", value: taskId } } as const;
    const requestId = randomUUID();
    const { id: uploadId } = await context.attachments.createUpload({
      requestId,
      upload: { target, filename: "film.bin", size: BigInt(FILE_BYTES) },
    });

    const stored = await sendHalf(context, uploadId, bytes);
    const attachment = await upload(context.attachments, requestId, target, path);
    const { state, attachmentId } = await context.attachments.getUpload({ uploadId });
    assert.deepEqual([state, attachmentId], [UploadState.COMPLETED, attachment.id]);
    assert.equal(attachment.fileSize, BigInt(FILE_BYTES));
    assert.equal(attachment.sha256, sha256(bytes));
    context.film = { id: attachment.id, bytes };
    return `cut with ${stored} of ${FILE_BYTES} bytes stored`;
  } finally {
    await rm(directory, { recursive: true });
  }
};

/** Sends half of the bytes over a connection that is cut then; returns how many are stored. */
async function sendHalf(context: Context, uploadId: string, bytes: Buffer): Promise<bigint> {
  await using proxy = await Proxy.start(context.targets.content);
  async function* messages() {
    const part = (value: MessageInitShape<typeof UploadChunksRequestSchema>) =>
      create(UploadChunksRequestSchema, value);
    yield part({ part: { case: "header", value: { uploadId, offset: 0n } } });
    for (let at = 0; at < FILE_BYTES / 2; at += CHUNK_BYTES) {
      yield part({ part: { case: "chunk", value: bytes.subarray(at, at + CHUNK_BYTES) } });
    }
    while (proxy.sentBytes < FILE_BYTES / 2) await sleep(POLL_INTERVAL_MS);
    proxy.cut();
  }
  const transport = context.connect("content", context.authorization, proxy.target);
  await assert.rejects(createClient(AttachmentService, transport).uploadChunks(messages()), ConnectError);
  // The server stores what it has when it notices the cut.
  for (const deadline = Date.now() + STORE_TIMEOUT_MS; ; await sleep(POLL_INTERVAL_MS)) {
    const { committedOffset } = await context.attachments.getUpload({ uploadId });
    assert(committedOffset <= BigInt(FILE_BYTES / 2));
    if (committedOffset > 0n) return committedOffset;
    assert(Date.now() < deadline, "no bytes are stored");
  }
}

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

export const downloadChecksum: Step = async (context) => {
  const { id, bytes } = context.film;
  const directory = await mkdtemp(join(tmpdir(), "conformance-"));
  try {
    const path = join(directory, "film.bin");
    const attachment = await download(context.attachments, id, path);
    assert.equal(attachment.sha256, sha256(bytes));
    assert(bytes.equals(await readFile(path)));
  } finally {
    await rm(directory, { recursive: true });
  }

  const [offset, length] = [1_234_567, 654_321];
  const range = { attachmentId: id, offset: BigInt(offset), length: BigInt(length) };
  const chunks: Uint8Array[] = [];
  for await (const { part } of context.attachments.downloadAttachment(range)) {
    if (part.case === "chunk") chunks.push(part.value);
  }
  assert(bytes.subarray(offset, offset + length).equals(Buffer.concat(chunks)));
  return `${bytes.length} bytes, and ${length} from ${offset} on`;
};

export const comments: Step = async (context) => {
  const { id: taskId } = await context.newTask("Discuss");
  const target = { target: { case: "taskId", value: taskId } } as const;
  const stop = new AbortController();
  const watched = { projectId: context.projectId, filter: { targets: [target] } };
  const responses = context.comments.watchComments(watched, { signal: stop.signal })[Symbol.asyncIterator]();
  // The first response comes at once; the comments are written after it.
  assert.deepEqual((await responses.next()).value?.events, []);

  const write = (comment: MessageInitShape<typeof CommentSchema>) =>
    context.comments.createComment({ requestId: randomUUID(), comment });
  const asked = await write({ target, content: "Why?" });
  const answer = await write({ parentId: asked.id, content: `Because, @${context.username}.` });
  assert.deepEqual(answer.mentionedUserIds, [context.userId]);
  const { comments: listed } = await context.comments.listComments({ target });
  assert.deepEqual(
    listed.map(({ content }) => content),
    [asked.content, answer.content],
  );
  const seen: string[] = [];
  while (seen.length < 2) {
    const { value } = await responses.next();
    seen.push(...(value?.events ?? []).map(({ change }: CommentEvent) => change?.resourceId ?? ""));
  }
  stop.abort();
  assert.deepEqual(seen, [asked.id, answer.id]);
  return "a comment and a reply, listed and watched";
};

export const cancellation: Step = async (context) => {
  const stop = new AbortController();
  const { projectId } = context;
  const responses = context.tasks.watchTasks({ projectId }, { signal: stop.signal });
  const watch = (async () => {
    for await (const _ of responses) stop.abort();
  })();
  await assert.rejects(watch, (error) => ConnectError.from(error).code === Code.Canceled);
  assert.equal((await context.projects.getProject({ projectId })).id, projectId);
  assert((await context.tasks.listTasks({ filter: { projectIds: [projectId] } })).tasks.length > 0);
  return "CANCELLED, then another call";
};
