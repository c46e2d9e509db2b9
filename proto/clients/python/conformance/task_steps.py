"""Steps about tasks."""

import datetime
from functools import partial

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2

from conformance.scenario import TIMEOUT, Scenario, check, check_that, new_id, refused
from dafnck.common.v1 import change_pb2
from dafnck.task.v1 import (
    batch_pb2,
    count_pb2,
    dependency_pb2,
    event_pb2,
    list_pb2,
    milestone_pb2,
    plan_pb2,
    task_pb2,
    time_entry_pb2,
)
from dafnck_client.errors import find_detail


def create(scenario: Scenario) -> str:
    scenario.project = scenario.create_project("Apollo")
    check(scenario.project.owner_id, scenario.user.id, "the owner")
    scenario.request = task_pb2.CreateTaskRequest(
        request_id=new_id(), task=task_pb2.Task(project_id=scenario.project.id, title="Build the rocket")
    )
    first = scenario.user.tasks.CreateTask(scenario.request, timeout=TIMEOUT)
    again = scenario.user.tasks.CreateTask(scenario.request, timeout=TIMEOUT)
    check(again, first, "the task of the retry")
    return f"{first.key}, the same for a retry"


def request_id_conflict(scenario: Scenario) -> str:
    other = task_pb2.CreateTaskRequest()
    other.CopyFrom(scenario.request)
    other.task.title = "Build a boat"
    call = partial(scenario.user.tasks.CreateTask, other, timeout=TIMEOUT)
    refused(call, grpc.StatusCode.FAILED_PRECONDITION, "REQUEST_ID_REUSED")
    return "FAILED_PRECONDITION REQUEST_ID_REUSED"


def pages(scenario: Scenario) -> str:
    project = scenario.create_project("Pages")
    tasks = [task_pb2.Task(title=f"Task {number}") for number in range(25)]
    batch = batch_pb2.BatchCreateTasksRequest(request_id=new_id(), project_id=project.id, tasks=tasks)
    created = scenario.user.tasks.BatchCreateTasks(batch, timeout=TIMEOUT).tasks
    check([task.title for task in created], [task.title for task in tasks], "the created tasks")
    request = list_pb2.ListTasksRequest(
        filter=list_pb2.TaskFilter(project_ids=[project.id]), order=list_pb2.TASK_ORDER_NUMBER_ASC, page_size=10
    )
    sizes, listed = [], []
    while True:
        response = scenario.user.tasks.ListTasks(request, timeout=TIMEOUT)
        sizes.append(len(response.tasks))
        listed += [task.id for task in response.tasks]
        request.page_token = response.next_page_token
        if not request.page_token:
            break
    check(sizes, [10, 10, 5], "the sizes of the pages")
    check(listed, [task.id for task in created], "the listed ids")
    return "25 tasks on pages of 10, 10 and 5"


def update(scenario: Scenario, task: task_pb2.Task, *paths: str) -> task_pb2.Task:
    mask = FieldMask(paths=paths) if paths else None
    request = task_pb2.UpdateTaskRequest(task=task, update_mask=mask)
    return scenario.user.tasks.UpdateTask(request, timeout=TIMEOUT)


def masks(scenario: Scenario) -> str:
    task = scenario.create_task("Masks", description="before", priority=task_pb2.TASK_PRIORITY_HIGH)
    populated = update(scenario, task_pb2.Task(id=task.id, title="Populated"))
    seen = (populated.title, populated.description, populated.priority)
    check(seen, ("Populated", "before", task_pb2.TASK_PRIORITY_HIGH), "the task after an update without a mask")
    named = update(scenario, task_pb2.Task(id=task.id, title="Not named", description="after"), "description")
    check((named.title, named.description), ("Populated", "after"), "the task after an update with a mask")
    cleared = update(scenario, task_pb2.Task(id=task.id), "description")
    check(cleared.HasField("description"), False, "whether the cleared field is there")
    check((cleared.title, cleared.priority), ("Populated", task_pb2.TASK_PRIORITY_HIGH), "the rest of the task")
    return "populated fields, named fields, a cleared field"


def etag_conflict(scenario: Scenario) -> str:
    old = scenario.create_task("Etags")
    current = update(scenario, task_pb2.Task(id=old.id, title="Etags 2", etag=old.etag))
    late = task_pb2.Task(id=old.id, title="Etags 3", etag=old.etag)
    error = refused(lambda: update(scenario, late), grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    info = find_detail(error, error_details_pb2.ErrorInfo)
    check(info.metadata["etag"], current.etag, "the etag of the error")
    read = scenario.user.tasks.GetTask(task_pb2.GetTaskRequest(task_id=old.id), timeout=TIMEOUT)
    late.etag = read.etag
    check(update(scenario, late).title, "Etags 3", "the title after reading again")
    return "ABORTED ETAG_MISMATCH with the current etag, then updated"


def batch(scenario: Scenario) -> str:
    tasks = [scenario.create_task(f"Batch {number}") for number in range(3)]

    def change(*changes: task_pb2.Task) -> list[task_pb2.Task]:
        requests = [task_pb2.UpdateTaskRequest(task=task) for task in changes]
        request = batch_pb2.BatchUpdateTasksRequest(
            request_id=new_id(), individual=batch_pb2.IndividualTaskUpdates(requests=requests)
        )
        return list(scenario.user.tasks.BatchUpdateTasks(request, timeout=TIMEOUT).tasks)

    good = [task_pb2.Task(id=task.id, title=f"{task.title} changed") for task in reversed(tasks)]
    invalid = task_pb2.Task(id=tasks[1].id, title="x" * 256)
    error = refused(lambda: change(good[0], invalid), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS")
    fields = [violation.field for violation in find_detail(error, error_details_pb2.BadRequest).field_violations]
    check(fields, ["individual.requests[1].task.title"], "the violations")
    stale = task_pb2.Task(id=tasks[0].id, title="Stale", etag=tasks[1].etag + "x")
    error = refused(lambda: change(good[0], good[1], stale), grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    check(find_detail(error, error_details_pb2.ErrorInfo).metadata["index"], "2", "the index of the failing item")
    read = scenario.user.tasks.GetTask(task_pb2.GetTaskRequest(task_id=good[0].id), timeout=TIMEOUT)
    check(read.title, "Batch 2", "the title after the failed batches")
    check([(task.id, task.title) for task in change(*good)], [(task.id, task.title) for task in good], "the answer")
    return "violation of item 1, index 2, nothing changed; the good batch in order"


def depend(scenario: Scenario, task: task_pb2.Task, on: task_pb2.Task) -> None:
    dependency = dependency_pb2.TaskDependency(
        task_id=task.id, depends_on_task_id=on.id, dependency_type=dependency_pb2.DEPENDENCY_TYPE_BLOCKS
    )
    request = dependency_pb2.CreateTaskDependencyRequest(request_id=new_id(), task_dependency=dependency)
    scenario.user.plans.CreateTaskDependency(request, timeout=TIMEOUT)


def complete_blocked(scenario: Scenario) -> str:
    blocker, task = scenario.create_task("Blocker"), scenario.create_task("Blocked")
    depend(scenario, task, blocker)

    def complete(task: task_pb2.Task) -> task_pb2.Task:
        return scenario.user.tasks.CompleteTask(task_pb2.CompleteTaskRequest(task_id=task.id), timeout=TIMEOUT)

    error = refused(lambda: complete(task), grpc.StatusCode.FAILED_PRECONDITION, "TASK_BLOCKED")
    check(find_detail(error, error_details_pb2.ErrorInfo).metadata["blockers"], blocker.id, "the blockers")
    complete(blocker)
    check(complete(task).status, task_pb2.TASK_STATUS_DONE, "the status after the blocker is done")
    return "TASK_BLOCKED with the blocker, then done"


def plan(scenario: Scenario) -> str:
    project = scenario.create_project("Plan")

    def hours(number: float) -> Duration:
        return Duration(seconds=int(number * 3600))

    def task(title: str, estimate: float) -> task_pb2.Task:
        return scenario.create_task(title, project_id=project.id, estimated_duration=hours(estimate))

    first, second, alone = task("First", 2), task("Second", 4.5), task("Alone", 1)
    depend(scenario, second, first)
    answer = scenario.user.plans.GetPlan(plan_pb2.GetPlanRequest(project_id=project.id), timeout=TIMEOUT)
    check([planned.node.task_id for planned in answer.tasks], [first.id, second.id, alone.id], "the planned tasks")
    check(list(answer.critical_path), [0, 1], "the critical path")
    check(answer.finish.ToTimedelta(), datetime.timedelta(hours=6.5), "the finish")
    check(answer.tasks[1].earliest_start, hours(2), "the start of the second task")
    check(answer.tasks[2].slack, hours(5.5), "the slack of the task beside the critical path")
    return "critical path of 2 h and 4.5 h, slack 5.5 h"


def history(scenario: Scenario) -> str:
    task = scenario.create_task("History")
    update(scenario, task_pb2.Task(id=task.id, title="History 2"))
    update(scenario, task_pb2.Task(id=task.id, priority=task_pb2.TASK_PRIORITY_URGENT, description="now"))
    request = event_pb2.ListTaskHistoryRequest(task_id=task.id)
    events = scenario.user.tasks.ListTaskHistory(request, timeout=TIMEOUT).events
    changes = [(event.change.kind, set(event.change.changed_fields)) for event in reversed(events)]
    check(len(changes), 3, "the number of changes")
    check(changes[0][0], change_pb2.CHANGE_KIND_CREATED, "the first change")
    # When it changed and its new etag are part of a change, too.
    said = [kind_and_fields[1] - {"updated_at", "etag"} for kind_and_fields in changes[1:]]
    check(said, [{"title"}, {"priority", "description"}], "the changed fields")
    check({event.change.actor_id for event in events}, {scenario.user.id}, "the actors")
    check(events[1].task.before.title, "History", "the title before the second change")
    check(events[1].task.after.title, "History 2", "the title after the second change")
    sequences = [event.change.sequence for event in events]
    check_that(sequences == sorted(sequences, reverse=True), "the sequences do not descend")
    return "created, title, priority and description, each by the caller"


def time_entries(scenario: Scenario) -> str:
    stub = scenario.user.time_entries
    task = scenario.create_task("Track")

    def creation(**fields) -> time_entry_pb2.CreateTimeEntryRequest:
        entry = time_entry_pb2.TimeEntry(task_id=task.id, **fields)
        return time_entry_pb2.CreateTimeEntryRequest(request_id=new_id(), time_entry=entry)

    running = stub.CreateTimeEntry(creation(), timeout=TIMEOUT)
    check(running.user_id, scenario.user.id, "the user")
    second = partial(stub.CreateTimeEntry, creation(), timeout=TIMEOUT)
    refused(second, grpc.StatusCode.FAILED_PRECONDITION, "TIME_ENTRY_RUNNING")
    request = time_entry_pb2.StopTimeEntryRequest(time_entry_id=running.id)
    stopped = stub.StopTimeEntry(request, timeout=TIMEOUT)
    check_that(stopped.duration.ToNanoseconds() > 0, "the stopped time entry has no duration")

    start, end = Timestamp(seconds=1_700_000_000), Timestamp(seconds=1_700_005_400)
    given = stub.CreateTimeEntry(creation(started_at=start, ended_at=end), timeout=TIMEOUT)
    wanted = time_entry_pb2.TimeEntryFilter(task_ids=[task.id])
    request = time_entry_pb2.ListTimeEntriesRequest(filter=wanted)
    listed = stub.ListTimeEntries(request, timeout=TIMEOUT).time_entries
    check([entry.id for entry in listed], [running.id, given.id], "the list")
    by_user = time_entry_pb2.TIME_REPORT_GROUP_USER
    request = time_entry_pb2.GetTimeReportRequest(filter=wanted, groups=[by_user])
    rows = stub.GetTimeReport(request, timeout=TIMEOUT).rows
    check([(row.user_id, row.count) for row in rows], [(scenario.user.id, 2)], "the report")
    tracked = scenario.user.tasks.GetTask(task_pb2.GetTaskRequest(task_id=task.id), timeout=TIMEOUT)
    check_that(tracked.actual_duration.seconds > 5_400, "the task has less work than its time entries")
    return "one running at a time; 2 time entries in the list, the report and the task"


def milestones(scenario: Scenario) -> str:
    project = scenario.create_project("Milestones")
    due = Timestamp()
    due.FromDatetime(datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1))
    new = milestone_pb2.Milestone(project_id=project.id, name="Landed", due_at=due)
    request = milestone_pb2.CreateMilestoneRequest(request_id=new_id(), milestone=new)
    milestone = scenario.user.milestones.CreateMilestone(request, timeout=TIMEOUT)

    def create(**fields) -> task_pb2.Task:
        request = task_pb2.CreateTaskRequest(
            request_id=new_id(), task=task_pb2.Task(project_id=project.id, **fields)
        )
        return scenario.user.tasks.CreateTask(request, timeout=TIMEOUT)

    task = create(title="Land", milestone_id=milestone.id, estimated_duration=Duration(seconds=360_000))
    create(title="Rest")
    wanted = list_pb2.TaskFilter(project_ids=[project.id], milestone_ids=[milestone.id])
    listed = scenario.user.tasks.ListTasks(list_pb2.ListTasksRequest(filter=wanted), timeout=TIMEOUT).tasks
    check([task.id for task in listed], [task.id], "the tasks of the milestone")
    request = count_pb2.GetProjectProgressRequest(project_id=project.id, milestone_id=milestone.id)
    check(scenario.user.plans.GetProjectProgress(request, timeout=TIMEOUT).total_count, 1, "the number of its tasks")
    request = plan_pb2.GetPlanRequest(project_id=project.id)
    planned = scenario.user.plans.GetPlan(request, timeout=TIMEOUT).milestones
    shown = [(one.milestone_id, one.finish.seconds, one.late) for one in planned]
    check(shown, [(milestone.id, 360_000, True)], "the planned milestones")
    return "one task of two; 100 h of work until the milestone, which slips"
