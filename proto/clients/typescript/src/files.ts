import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";

import type { Attachment } from "../gen/dafnck/content/v1/attachment_pb.js";
import type { AttachmentService } from "../gen/dafnck/content/v1/attachment_service_pb.js";
import type { ContentTargetSchema } from "../gen/dafnck/content/v1/target_pb.js";
import { type UploadChunksRequest, UploadChunksRequestSchema } from "../gen/dafnck/content/v1/upload_pb.js";
import { STREAM_DEADLINE_MS } from "./calls.js";

/** At most 1 MiB. */
const CHUNK_BYTES = 256 * 1024;

type Attachments = Client<typeof AttachmentService>;

/** Uploads a file. After an error, call it again with the same requestId: it continues where the server stopped. */
export async function upload(
  attachments: Attachments,
  requestId: string,
  target: MessageInitShape<typeof ContentTargetSchema>,
  path: string,
): Promise<Attachment> {
  await using file = await open(path);
  const { size } = await file.stat();
  // A retry returns the upload as it now is.
  const { id, committedOffset } = await attachments.createUpload({
    requestId,
    upload: { target, filename: basename(path), size: BigInt(size) },
  });
  if (committedOffset < size) {
    await attachments.uploadChunks(chunks(file, id, committedOffset), { timeoutMs: STREAM_DEADLINE_MS });
  }
  return attachments.completeUpload({ uploadId: id, sha256: await sha256(file) });
}

async function* chunks(file: FileHandle, uploadId: string, offset: bigint): AsyncGenerator<UploadChunksRequest> {
  yield create(UploadChunksRequestSchema, { part: { case: "header", value: { uploadId, offset } } });
  for await (const value of read(file, Number(offset))) {
    yield create(UploadChunksRequestSchema, { part: { case: "chunk", value } });
  }
}

async function sha256(file: FileHandle): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of read(file, 0)) hash.update(chunk);
  return hash.digest("hex");
}

function read(file: FileHandle, start: number): AsyncIterable<Uint8Array> {
  return file.createReadStream({ start, highWaterMark: CHUNK_BYTES, autoClose: false });
}

/** Downloads a file and checks its SHA-256. */
export async function download(attachments: Attachments, attachmentId: string, path: string): Promise<Attachment> {
  await using file = await open(path, "w");
  const hash = createHash("sha256");
  let attachment: Attachment | undefined;
  for await (const { part } of attachments.downloadAttachment({ attachmentId }, { timeoutMs: STREAM_DEADLINE_MS })) {
    if (part.case === "attachment") attachment = part.value;
    if (part.case === "chunk") {
      hash.update(part.value);
      await file.writeFile(part.value);
    }
  }
  if (attachment?.sha256 !== hash.digest("hex")) throw new Error(`the bytes of attachment ${attachmentId} are damaged`);
  return attachment;
}
