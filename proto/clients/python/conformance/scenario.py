"""What the steps share: who calls, on which channels, and how outcomes are checked."""

import os
import pathlib
import uuid
from collections.abc import Callable

import grpc

from dafnck.common.v1 import server_info_service_pb2_grpc
from dafnck.content.v1 import attachment_service_pb2_grpc, comment_service_pb2_grpc
from dafnck.identity.v1 import account_service_pb2_grpc, auth_service_pb2, auth_service_pb2_grpc
from dafnck.project.v1 import (
    member_service_pb2_grpc,
    notification_service_pb2_grpc,
    project_pb2,
    project_service_pb2,
    project_service_pb2_grpc,
    webhook_service_pb2_grpc,
)
from dafnck.task.v1 import (
    milestone_service_pb2_grpc,
    plan_service_pb2_grpc,
    task_pb2,
    task_service_pb2_grpc,
    time_entry_service_pb2_grpc,
)
from dafnck_client.connection import Authorization, connect
from dafnck_client.errors import explain, reason_of
from dafnck_client.session import Session

# Seconds; also for a busy machine. The server allows no longer deadline of a unary call.
TIMEOUT = 30
CLIENTS = pathlib.Path(__file__).resolve().parents[2]
SERVICE_CONFIG = (CLIENTS / "service_config.json").read_text()


class Failure(Exception):
    """A step saw something else than it must."""


def check(actual, expected, what: str) -> None:
    if actual != expected:
        raise Failure(f"{what} is {actual!r}, not {expected!r}")


def check_that(condition: bool, what: str) -> None:
    if not condition:
        raise Failure(what)


def refused(call: Callable[[], object], code: grpc.StatusCode, reason: str) -> grpc.RpcError:
    """The error of a call that must fail like this."""
    try:
        answer = call()
    except grpc.RpcError as error:
        if (error.code(), reason_of(error)) != (code, reason):
            raise Failure(f"refused with {explain(error)}, not with {code.name} {reason}") from error
        return error
    raise Failure(f"not refused: {answer}")


def new_id() -> str:
    return str(uuid.uuid4())


class User:
    """A signed-in user with the stubs of all services."""

    def __init__(self, scenario: "Scenario", name: str, grant: auth_service_pb2.SessionGrant):
        self.name = name
        self.id = grant.user.id
        self.session = Session(scenario.connect("identity"), grant.tokens)
        identity = scenario.connect("identity", self.session.authorization)
        tasks = scenario.connect("task", self.session.authorization)
        self.auth = auth_service_pb2_grpc.AuthServiceStub(identity)
        self.account = account_service_pb2_grpc.AccountServiceStub(identity)
        projects = scenario.connect("project", self.session.authorization)
        self.projects = project_service_pb2_grpc.ProjectServiceStub(projects)
        self.members = member_service_pb2_grpc.MemberServiceStub(projects)
        self.notifications = notification_service_pb2_grpc.NotificationServiceStub(projects)
        self.webhooks = webhook_service_pb2_grpc.WebhookServiceStub(projects)
        self.tasks = task_service_pb2_grpc.TaskServiceStub(tasks)
        self.plans = plan_service_pb2_grpc.PlanServiceStub(tasks)
        self.time_entries = time_entry_service_pb2_grpc.TimeEntryServiceStub(tasks)
        self.milestones = milestone_service_pb2_grpc.MilestoneServiceStub(tasks)
        content = scenario.connect("content", self.session.authorization)
        self.attachments = attachment_service_pb2_grpc.AttachmentServiceStub(content)
        self.comments = comment_service_pb2_grpc.CommentServiceStub(content)


class Scenario:
    """The suite under test, and the user and project of the scenario."""

    user: User
    project: project_pb2.Project

    def __init__(self):
        self.run = os.environ["DAFNCK_RUN"]
        self.password = f"correct horse {self.run}"
        self.backend_key = os.environ.get("DAFNCK_BACKEND_KEY")
        authorities = os.environ.get("DAFNCK_TLS_CA")
        self._credentials = authorities and grpc.ssl_channel_credentials(pathlib.Path(authorities).read_bytes())
        self.auth = auth_service_pb2_grpc.AuthServiceStub(self.connect("identity"))
        self.server_info = server_info_service_pb2_grpc.ServerInfoServiceStub(self.connect("task"))

    def address(self, service: str) -> str:
        return os.environ[f"DAFNCK_{service.upper()}"]

    def connect(self, service: str, authorization: Authorization | None = None, target: str = "") -> grpc.Channel:
        """`target`: instead of the service's own address."""
        return connect(
            target or self.address(service),
            SERVICE_CONFIG,
            authorization,
            credentials=self._credentials,
            plaintext=not self._credentials,
        )

    def register(self, name: str) -> User:
        name = f"{name}-{self.run}"
        request = auth_service_pb2.RegisterRequest(
            request_id=new_id(), email=f"{name}@example.org", username=name, password=self.password
        )
        return User(self, name, self.auth.Register(request, timeout=TIMEOUT).session_grant)

    def create_project(self, name: str) -> project_pb2.Project:
        request = project_service_pb2.CreateProjectRequest(
            request_id=new_id(), project=project_pb2.Project(name=f"{name} {self.run}")
        )
        return self.user.projects.CreateProject(request, timeout=TIMEOUT)

    def create_task(self, title: str, **fields) -> task_pb2.Task:
        task = task_pb2.Task(**{"project_id": self.project.id, "title": title, **fields})
        request = task_pb2.CreateTaskRequest(request_id=new_id(), task=task)
        return self.user.tasks.CreateTask(request, timeout=TIMEOUT)
