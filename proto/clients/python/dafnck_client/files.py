"""Resumable uploads, and downloads that are checked."""

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

from dafnck.content.v1 import attachment_pb2, attachment_service_pb2_grpc, upload_pb2

CHUNK_BYTES = 256 * 1024
DEADLINE_SECONDS = 10
STREAM_DEADLINE_SECONDS = 3600


class ChecksumError(Exception):
    """The bytes that arrived are not those that were uploaded."""


def upload(
    attachments: attachment_service_pb2_grpc.AttachmentServiceStub, request: upload_pb2.CreateUploadRequest, file: BinaryIO
) -> attachment_pb2.Attachment:
    """Sends a file. After an error, call it again with the same request: it continues with what the server lacks."""
    state = attachments.CreateUpload(request, timeout=DEADLINE_SECONDS)
    if state.state == upload_pb2.UPLOAD_STATE_OPEN and state.committed_offset < state.size:
        attachments.UploadChunks(_parts(state, file), timeout=STREAM_DEADLINE_SECONDS)
    complete = upload_pb2.CompleteUploadRequest(upload_id=state.id)
    return attachments.CompleteUpload(complete, timeout=DEADLINE_SECONDS)


def _parts(state: upload_pb2.Upload, file: BinaryIO) -> Iterator[upload_pb2.UploadChunksRequest]:
    header = upload_pb2.UploadChunksHeader(upload_id=state.id, offset=state.committed_offset)
    yield upload_pb2.UploadChunksRequest(header=header)
    file.seek(state.committed_offset)
    while chunk := file.read(CHUNK_BYTES):
        yield upload_pb2.UploadChunksRequest(chunk=chunk)


def download(
    attachments: attachment_service_pb2_grpc.AttachmentServiceStub, attachment_id: str, file: BinaryIO
) -> attachment_pb2.Attachment:
    """Writes the whole file, and raises ChecksumError if it is not what was uploaded."""
    request = attachment_pb2.DownloadAttachmentRequest(attachment_id=attachment_id)
    digest, attachment = hashlib.sha256(), attachment_pb2.Attachment()
    for response in attachments.DownloadAttachment(request, timeout=STREAM_DEADLINE_SECONDS):
        if response.HasField("attachment"):
            attachment = response.attachment
        else:
            digest.update(response.chunk)
            file.write(response.chunk)
    if digest.hexdigest() != attachment.sha256:
        raise ChecksumError(f"attachment {attachment_id}: SHA-256 {digest.hexdigest()}, not {attachment.sha256}")
    return attachment
