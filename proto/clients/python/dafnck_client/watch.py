"""Feeds that continue where they broke."""

import time
from collections.abc import Iterator

import grpc

from dafnck.task.v1 import event_pb2, task_service_pb2_grpc

STREAM_DEADLINE_SECONDS = 3600
MAX_DELAY_SECONDS = 30
FINAL = {
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.OUT_OF_RANGE,  # The token is too old: read everything again.
}


def watch_tasks(
    tasks: task_service_pb2_grpc.TaskServiceStub, request: event_pb2.WatchTasksRequest
) -> Iterator[event_pb2.WatchTasksResponse]:
    """Yields responses across broken connections, restarts and expiries: no event is lost or doubled.

    Keep `resume_token` of the last response together with what you made of its events, to continue after a restart.
    """
    next_request = event_pb2.WatchTasksRequest()
    next_request.CopyFrom(request)
    delay = 1
    while True:
        received = False
        try:
            for response in tasks.WatchTasks(next_request, timeout=STREAM_DEADLINE_SECONDS):
                yield response
                next_request.resume_token = response.resume_token
                received, delay = True, 1
        except grpc.RpcError as error:
            # The token that opened the stream was exchanged or has expired, unless it never worked.
            refused = error.code() is grpc.StatusCode.UNAUTHENTICATED and not received
            if refused or error.code() in FINAL:
                raise
        time.sleep(delay)
        delay = min(2 * delay, MAX_DELAY_SECONDS)
