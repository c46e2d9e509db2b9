"""Steps about files and comments."""

import hashlib
import io
import os
import threading
import time

import grpc

from conformance.proxy import Proxy
from conformance.scenario import TIMEOUT, Scenario, check, check_that, new_id
from dafnck.content.v1 import (
    attachment_pb2,
    attachment_service_pb2_grpc,
    comment_event_pb2,
    comment_pb2,
    target_pb2,
    upload_pb2,
)
from dafnck_client.files import CHUNK_BYTES, download, upload

FILE_BYTES = 3_000_000


def upload_resume(scenario: Scenario) -> str:
    scenario.file = os.urandom(FILE_BYTES)
    request = upload_pb2.CreateUploadRequest(
        request_id=new_id(),
        upload=upload_pb2.Upload(
            target=target_pb2.ContentTarget(project_id=scenario.project.id),
            filename="random.bin",
            size=FILE_BYTES,
            sha256=hashlib.sha256(scenario.file).hexdigest(),
        ),
    )
    attachments = scenario.user.attachments
    state = attachments.CreateUpload(request, timeout=TIMEOUT)
    check(state.committed_offset, 0, "the offset of a new upload")
    send_half(scenario, state.id)
    stored = stored_bytes(scenario, state.id)
    check_that(0 < stored <= FILE_BYTES // 2, f"{stored} bytes are stored of the half that was sent")
    scenario.attachment = upload(attachments, request, io.BytesIO(scenario.file))
    check(scenario.attachment.file_size, FILE_BYTES, "the size of the attachment")
    check(scenario.attachment.sha256, request.upload.sha256, "the SHA-256 of the attachment")
    return f"continued after {stored} of {FILE_BYTES} bytes"


def send_half(scenario: Scenario, upload_id: str) -> None:
    """Sends half of the file and breaks the connection when the server has been sent it."""
    proxy = Proxy(scenario.address("content"))
    cut = threading.Event()

    def parts():
        yield upload_pb2.UploadChunksRequest(header=upload_pb2.UploadChunksHeader(upload_id=upload_id))
        for start in range(0, FILE_BYTES // 2, CHUNK_BYTES):
            end = min(start + CHUNK_BYTES, FILE_BYTES // 2)
            yield upload_pb2.UploadChunksRequest(chunk=scenario.file[start:end])
        cut.wait()

    with scenario.connect("content", scenario.user.session.authorization, proxy.address) as channel:
        stub = attachment_service_pb2_grpc.AttachmentServiceStub(channel)
        call = stub.UploadChunks.future(parts(), timeout=TIMEOUT)
        deadline = time.monotonic() + TIMEOUT
        while proxy.sent < FILE_BYTES // 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        proxy.cut()
        cut.set()
        check(call.exception().code(), grpc.StatusCode.UNAVAILABLE, "the code of the broken stream")


def stored_bytes(scenario: Scenario, upload_id: str) -> int:
    """The server stores what it has received when it notices that the connection is broken."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        request = upload_pb2.GetUploadRequest(upload_id=upload_id)
        offset = scenario.user.attachments.GetUpload(request, timeout=TIMEOUT).committed_offset
        if offset or time.monotonic() > deadline:
            return offset
        time.sleep(0.05)


def download_checksum(scenario: Scenario) -> str:
    attachments, file = scenario.user.attachments, io.BytesIO()
    attachment = download(attachments, scenario.attachment.id, file)
    check_that(file.getvalue() == scenario.file, "the downloaded bytes are others")
    check(attachment.sha256, hashlib.sha256(scenario.file).hexdigest(), "the SHA-256")
    request = attachment_pb2.DownloadAttachmentRequest(attachment_id=attachment.id, offset=1_000_001, length=500_000)
    part = b"".join(response.chunk for response in attachments.DownloadAttachment(request, timeout=TIMEOUT))
    check_that(part == scenario.file[1_000_001:1_500_001], "the bytes of the range are others")
    return f"SHA-256 {attachment.sha256[:12]}…, and 500000 bytes from 1000001"


def comments(scenario: Scenario) -> str:
    stub = scenario.user.comments
    target = target_pb2.ContentTarget(task_id=scenario.create_task("Discuss").id)
    watch = stub.WatchComments(
        comment_event_pb2.WatchCommentsRequest(
            project_id=scenario.project.id, filter=comment_event_pb2.CommentEventFilter(targets=[target])
        ),
        timeout=TIMEOUT,
    )
    # The first response comes at once; the comments are written after it.
    check(len(next(watch).events), 0, "the number of events in the first response")

    def write(**fields) -> comment_pb2.Comment:
        request = comment_pb2.CreateCommentRequest(request_id=new_id(), comment=comment_pb2.Comment(**fields))
        return stub.CreateComment(request, timeout=TIMEOUT)

    asked = write(target=target, content="Why?")
    answer = write(parent_id=asked.id, content=f"Because, @{scenario.user.name}.")
    check(list(answer.mentioned_user_ids), [scenario.user.id], "the mentioned users")
    listed = stub.ListComments(comment_pb2.ListCommentsRequest(target=target), timeout=TIMEOUT).comments
    check([comment.content for comment in listed], [asked.content, answer.content], "the list")
    seen = []
    while len(seen) < 2:
        seen.extend(event.comment.after.id for event in next(watch).events)
    watch.cancel()
    check(seen, [asked.id, answer.id], "what the watch saw")
    return "a comment and a reply, listed and watched"
