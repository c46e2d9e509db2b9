"""Steps about streams, broken connections, errors and signatures."""

import json
import threading
import time
from functools import partial

import grpc
import protovalidate
from google.rpc import error_details_pb2

from conformance.proxy import Proxy
from conformance.scenario import CLIENTS, TIMEOUT, Failure, Scenario, check, check_that, new_id, refused
from dafnck.common.v1 import delivery_pb2
from dafnck.identity.backend.v1 import account_code_service_pb2, account_code_service_pb2_grpc
from dafnck.identity.v1 import account_service_pb2, auth_service_pb2
from dafnck.project.v1 import project_service_pb2
from dafnck.task.v1 import event_pb2, list_pb2, task_pb2, task_service_pb2_grpc
from dafnck_client.errors import find_detail
from dafnck_client.signature import private_key, service, signature
from dafnck_client.watch import watch_tasks

WATCH_SECONDS = 120


def watch_resume(scenario: Scenario) -> str:
    project = scenario.create_project("Watch")
    proxy = Proxy(scenario.address("task"))
    channel = scenario.connect("task", scenario.user.session.authorization, proxy.address)
    tasks = task_service_pb2_grpc.TaskServiceStub(channel)
    seen, began, ended = [], threading.Event(), threading.Event()
    responses = watch_tasks(tasks, event_pb2.WatchTasksRequest(project_id=project.id))

    def follow() -> None:
        for response in responses:
            began.set()
            seen.extend(event.task.after.title for event in response.events)
            if "last" in seen:
                ended.set()
                return

    threading.Thread(target=follow, daemon=True).start()
    check_that(began.wait(WATCH_SECONDS), "the watch does not begin")
    titles = [f"task {number}" for number in range(20)] + ["last"]
    for number, title in enumerate(titles):
        if number in (4, 12):
            proxy.cut()
        if number in (8, 16):
            proxy.restore()
        if number == 10:
            scenario.user.session.refresh()
        scenario.create_task(title, project_id=project.id)
    check_that(ended.wait(WATCH_SECONDS), f"the last event does not arrive; seen: {seen}")
    channel.close()
    check(seen, titles, "what the watch saw")
    return f"{len(titles)} events in order across two cuts and a refresh"


THREE_VIOLATIONS = task_pb2.CreateTaskRequest(
    request_id="not a UUID", task=task_pb2.Task(project_id="neither", title="x" * 256)
)
INVALID_FIELDS = ["request_id", "task.project_id", "task.title"]


def validation_errors(scenario: Scenario) -> str:
    call = partial(scenario.user.tasks.CreateTask, THREE_VIOLATIONS, timeout=TIMEOUT)
    error = refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS")
    server = find_detail(error, error_details_pb2.BadRequest).field_violations
    check(sorted(violation.field for violation in server), INVALID_FIELDS, "the violations of the server")
    client = [violation.proto.field.elements for violation in protovalidate.collect_violations(THREE_VIOLATIONS)]
    paths = [".".join(element.field_name for element in elements) for elements in client]
    check(sorted(paths), INVALID_FIELDS, "the violations of protovalidate")
    return f"{', '.join(INVALID_FIELDS)}: from the server and from protovalidate"


def not_found_and_denied(scenario: Scenario) -> str:
    stranger = scenario.register("gus")
    request = project_service_pb2.GetProjectRequest(project_id=scenario.project.id)
    call = partial(stranger.projects.GetProject, request, timeout=TIMEOUT)
    error = refused(call, grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND")
    resource = find_detail(error, error_details_pb2.ResourceInfo)
    check(resource.resource_name, scenario.project.id, "the name in ResourceInfo")
    with scenario.connect("task") as channel:
        tasks = task_service_pb2_grpc.TaskServiceStub(channel)
        call = partial(tasks.CreateTask, scenario.request, timeout=TIMEOUT)
        refused(call, grpc.StatusCode.UNAUTHENTICATED, "SESSION_REQUIRED")
    return "NOT_FOUND RESOURCE_NOT_FOUND, UNAUTHENTICATED SESSION_REQUIRED"


def check_that_calls_work(scenario: Scenario, tasks: task_service_pb2_grpc.TaskServiceStub) -> None:
    request = list_pb2.ListTasksRequest(filter=list_pb2.TaskFilter(project_ids=[scenario.project.id]), page_size=1)
    check(len(tasks.ListTasks(request, timeout=TIMEOUT).tasks), 1, "the number of tasks on a page")


def deadline(scenario: Scenario) -> str:
    proxy = Proxy(scenario.address("task"))
    with scenario.connect("task", scenario.user.session.authorization, proxy.address) as channel:
        tasks = task_service_pb2_grpc.TaskServiceStub(channel)
        check_that_calls_work(scenario, tasks)
        proxy.hold_answers()
        try:
            tasks.GetTask(task_pb2.GetTaskRequest(task_id=new_id()), timeout=0.2)
            raise Failure("the call ended without an error")
        except grpc.RpcError as error:
            check(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED, "the code of the call")
        connections = proxy.connections
        proxy.release_answers()
        check_that_calls_work(scenario, tasks)
        check(proxy.connections, connections, "the number of connections after another call")
    return "DEADLINE_EXCEEDED, then another call on the same connection"


def cancellation(scenario: Scenario) -> str:
    request = event_pb2.WatchTasksRequest(project_id=scenario.project.id)
    responses = scenario.user.tasks.WatchTasks(request, timeout=TIMEOUT)
    check_that(next(responses).resume_token != "", "the first response has no token")
    responses.cancel()
    try:
        for _ in responses:
            pass
        raise Failure("the stream ended without an error")
    except grpc.RpcError as error:
        check(error.code(), grpc.StatusCode.CANCELLED, "the code of the stream's end")
    check_that_calls_work(scenario, scenario.user.tasks)
    return "CANCELLED, then another call"


def retry_after_unavailable(scenario: Scenario) -> str:
    project = scenario.create_project("Retry")
    filter_ = list_pb2.TaskFilter(project_ids=[project.id])

    def listed() -> list[str]:
        request = list_pb2.ListTasksRequest(filter=filter_)
        return [task.id for task in scenario.user.tasks.ListTasks(request, timeout=TIMEOUT).tasks]

    proxy = Proxy(scenario.address("task"))
    with scenario.connect("task", scenario.user.session.authorization, proxy.address) as channel:
        tasks = task_service_pb2_grpc.TaskServiceStub(channel)
        # The connection is there before answers are held.
        check(len(tasks.ListTasks(list_pb2.ListTasksRequest(filter=filter_), timeout=TIMEOUT).tasks), 0, "the tasks")
        proxy.hold_answers()
        request = task_pb2.CreateTaskRequest(
            request_id=new_id(), task=task_pb2.Task(project_id=project.id, title="Once")
        )
        call = tasks.CreateTask.future(request, timeout=TIMEOUT)
        limit = time.monotonic() + TIMEOUT
        while not listed() and time.monotonic() < limit:
            time.sleep(0.02)
        check_that(not call.done(), "the answer arrived although it was held")
        proxy.cut()
        proxy.restore()
        task = call.result()
    check(listed(), [task.id], "the tasks after the retry")
    return "the answer was lost, the retry got the same task"


def service_signature(scenario: Scenario) -> str:
    vectors = json.loads((CLIENTS / "signature_vectors.json").read_text())
    for vector in vectors:
        key, nonce = private_key(vector["private_key"]), bytes.fromhex(vector["nonce"])
        value = signature(vector["name"], key, vector["path"], vector["unix_seconds"], nonce)
        check(value, vector["authorization"], f"the signature of {vector['name']}")
    if not scenario.backend_key:
        return f"{len(vectors)} vectors; no key for a call"
    backend = service("backend", private_key(scenario.backend_key))
    request = account_code_service_pb2.CreateEmailVerificationCodeRequest(
        user_id=scenario.user.id, delivery=delivery_pb2.CODE_DELIVERY_RESPONSE
    )

    def create_code(authorization) -> str:
        with scenario.connect("identity", authorization) as channel:
            codes = account_code_service_pb2_grpc.AccountCodeServiceStub(channel)
            return codes.CreateEmailVerificationCode(request, timeout=TIMEOUT).code

    refused(partial(create_code, scenario.user.session.authorization), grpc.StatusCode.PERMISSION_DENIED, "AUDIENCE_REFUSED")
    verify = account_service_pb2.VerifyEmailRequest(
        request_id=new_id(), code=create_code(backend)
    )
    scenario.user.account.VerifyEmail(verify, timeout=TIMEOUT)
    who = scenario.user.auth.WhoAmI(auth_service_pb2.WhoAmIRequest(), timeout=TIMEOUT)
    check(who.user.email_verified, True, "whether the address is verified")
    return f"{len(vectors)} vectors, and a code from a signed call"
