package com.dafnck.conformance;

import com.dafnck.common.v1.ChangeKind;
import com.dafnck.common.v1.ResourceType;
import com.dafnck.project.v1.GetProjectRequest;
import com.dafnck.task.v1.BatchCreateTasksRequest;
import com.dafnck.task.v1.BatchGetTasksRequest;
import com.dafnck.task.v1.BatchUpdateTasksRequest;
import com.dafnck.task.v1.CompleteTaskRequest;
import com.dafnck.task.v1.CreateTaskRequest;
import com.dafnck.task.v1.CreateTimeEntryRequest;
import com.dafnck.task.v1.GetTaskRequest;
import com.dafnck.task.v1.GetTimeReportRequest;
import com.dafnck.task.v1.IndividualTaskUpdates;
import com.dafnck.task.v1.ListTaskHistoryRequest;
import com.dafnck.task.v1.ListTasksRequest;
import com.dafnck.task.v1.ListTimeEntriesRequest;
import com.dafnck.task.v1.StopTimeEntryRequest;
import com.dafnck.task.v1.Task;
import com.dafnck.task.v1.TaskEvent;
import com.dafnck.task.v1.TaskFilter;
import com.dafnck.task.v1.TaskOrder;
import com.dafnck.task.v1.TaskPriority;
import com.dafnck.task.v1.TaskStatus;
import com.dafnck.task.v1.TimeEntry;
import com.dafnck.task.v1.TimeEntryFilter;
import com.dafnck.task.v1.TimeReportGroup;
import com.dafnck.task.v1.UpdateTaskRequest;
import com.google.protobuf.Duration;
import com.google.protobuf.FieldMask;
import com.google.protobuf.Struct;
import com.google.protobuf.Timestamp;
import com.google.protobuf.Value;
import com.google.rpc.ResourceInfo;
import io.grpc.Status;
import io.grpc.StatusException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;

/** Steps about tasks. */
final class TaskSteps {
  private TaskSteps() {}

  static List<String> ids(List<Task> tasks) {
    return tasks.stream().map(Task::getId).toList();
  }

  private static List<String> titles(List<Task> tasks) {
    return tasks.stream().map(Task::getTitle).toList();
  }

  static ListTasksRequest listOf(String projectId) {
    return ListTasksRequest.newBuilder().setFilter(TaskFilter.newBuilder().addProjectIds(projectId)).build();
  }

  private static Task get(Suite suite, String taskId) throws StatusException {
    return suite.tasks.getTask(GetTaskRequest.newBuilder().setTaskId(taskId).build());
  }

  private static Task update(Suite suite, Task.Builder task, String... paths) throws StatusException {
    var request = UpdateTaskRequest.newBuilder().setTask(task);
    if (paths.length > 0) {
      request.setUpdateMask(FieldMask.newBuilder().addAllPaths(List.of(paths)));
    }
    return suite.tasks.updateTask(request.build());
  }

  static String create(Suite suite) throws Exception {
    suite.setProjectId(suite.createProject("Apollo"));
    var project = suite.projects.getProject(GetProjectRequest.newBuilder().setProjectId(suite.projectId()).build());
    Check.equal(project.getOwnerId(), suite.userId(), "the owner");

    var metadata = Struct.newBuilder()
        .putFields("stages", Value.newBuilder().setNumberValue(3).build())
        .putFields("reusable", Value.newBuilder().setBoolValue(false).build())
        .build();
    var wanted = Task.newBuilder()
        .setProjectId(suite.projectId())
        .setTitle("Build the rocket")
        .setPriority(TaskPriority.TASK_PRIORITY_HIGH)
        .addTags("rocket")
        .setMetadata(metadata);
    var request = CreateTaskRequest.newBuilder().setRequestId(Suite.newId()).setTask(wanted).build();
    var task = suite.tasks.createTask(request);
    Check.equal(task.getTitle(), "Build the rocket", "the title");
    Check.equal(task.getStatus(), TaskStatus.TASK_STATUS_PENDING, "the status");
    Check.equal(task.getMetadata(), metadata, "the metadata");
    Check.equal(suite.tasks.createTask(request), task, "the task of the retry");
    var listed = suite.tasks.listTasks(listOf(suite.projectId())).getTasksList();
    Check.equal(ids(listed), List.of(task.getId()), "the list");
    return task.getKey() + ", the retry returned the same task";
  }

  static String requestIdConflict(Suite suite) throws Exception {
    var task = Task.newBuilder().setProjectId(suite.projectId()).setTitle("Once");
    var request = CreateTaskRequest.newBuilder().setRequestId(Suite.newId()).setTask(task);
    suite.tasks.createTask(request.build());
    var other = request.setTask(task.setTitle("Twice")).build();
    return Check.refused(
            () -> suite.tasks.createTask(other), Status.Code.FAILED_PRECONDITION, "REQUEST_ID_REUSED")
        .reason();
  }

  static String pages(Suite suite) throws Exception {
    var projectId = suite.createProject("Pages");
    var wanted = IntStream.range(0, 25).mapToObj(index -> Task.newBuilder().setTitle("Task " + index).build()).toList();
    var created = suite.tasks.batchCreateTasks(BatchCreateTasksRequest.newBuilder()
            .setRequestId(Suite.newId())
            .setProjectId(projectId)
            .addAllTasks(wanted)
            .build())
        .getTasksList();
    Check.equal(titles(created), titles(wanted), "the batch");

    var sizes = new ArrayList<Integer>();
    var listed = new ArrayList<Task>();
    var request = listOf(projectId).toBuilder().setOrder(TaskOrder.TASK_ORDER_NUMBER_ASC).setPageSize(10);
    do {
      var page = suite.tasks.listTasks(request.build());
      sizes.add(page.getTasksCount());
      listed.addAll(page.getTasksList());
      request.setPageToken(page.getNextPageToken());
    } while (!request.getPageToken().isEmpty());
    Check.equal(sizes, List.of(10, 10, 5), "the sizes of the pages");
    Check.equal(ids(listed), ids(created), "the list");
    return "pages of " + sizes;
  }

  static String masks(Suite suite) throws Exception {
    var id = suite.createTask(Task.newBuilder().setTitle("Train the crew").setDescription("Long").addTags("crew"))
        .getId();
    var titled = Task.newBuilder().setId(id).setTitle("Train two crews").setDescription("Ignored");
    var masked = update(suite, titled, "title");
    Check.equal(masked.getTitle(), "Train two crews", "the title under a mask");
    Check.equal(masked.getDescription(), "Long", "the description under a mask");

    var populated = update(suite, Task.newBuilder().setId(id).setPriority(TaskPriority.TASK_PRIORITY_URGENT));
    Check.equal(populated.getPriority(), TaskPriority.TASK_PRIORITY_URGENT, "the priority without a mask");
    Check.equal(populated.getTitle(), "Train two crews", "the title without a mask");
    Check.equal(populated.getTagsList(), List.of("crew"), "the tags without a mask");

    var cleared = update(suite, Task.newBuilder().setId(id), "description", "tags");
    Check.that(!cleared.hasDescription(), "the description is not cleared");
    Check.equal(cleared.getTagsList(), List.of(), "the cleared tags");

    var estimate = Duration.newBuilder().setSeconds(7_200).build();
    var spelled = update(suite, Task.newBuilder().setId(id).setEstimatedDuration(estimate), "estimatedDuration");
    Check.equal(spelled.getEstimatedDuration(), estimate, "the field in JSON spelling");
    var unknown = Task.newBuilder().setId(id);
    var error = Check.refused(
        () -> update(suite, unknown, "no_such_field"), Status.Code.INVALID_ARGUMENT, "INVALID_FIELDS");
    Check.equal(error.violations().size(), 1, "the number of violations");
    return "mask, populated fields, cleared fields, both spellings, unknown path";
  }

  static String etagConflict(Suite suite) throws Exception {
    var read = suite.createTask("Fuel");
    var change = Task.newBuilder().setId(read.getId()).setEtag(read.getEtag());
    var other = update(suite, change.clone().setTitle("Fuel and oxygen"));
    var stale = change.clone().setTitle("Kerosene");
    var error = Check.refused(() -> update(suite, stale), Status.Code.ABORTED, "ETAG_MISMATCH");
    Check.equal(error.metadata().get("etag"), other.getEtag(), "the etag of the error");

    var again = get(suite, read.getId());
    Check.equal(again.getTitle(), "Fuel and oxygen", "the title after the conflict");
    var updated = update(suite, change.setEtag(again.getEtag()).setTitle("Kerosene"));
    Check.equal(updated.getTitle(), "Kerosene", "the title");
    return "the error has the current etag";
  }

  static String batch(Suite suite) throws Exception {
    var one = suite.createTask("One").getId();
    var two = suite.createTask("Two").getId();
    var three = suite.createTask("Three").getId();
    var missing = Suite.newId();
    var unknown = titles(one, "1", missing, "?");
    var error = Check.refused(
        () -> suite.tasks.batchUpdateTasks(unknown), Status.Code.NOT_FOUND, "RESOURCE_NOT_FOUND");
    Check.equal(error.metadata().get("index"), "1", "the index");
    var resource = error.detail(ResourceInfo.class).map(ResourceInfo::getResourceName).orElse("");
    Check.equal(resource, missing, "the resource");

    var tooLong = titles(one, "1", two, "2", three, "3".repeat(256));
    var violations = Check.refused(
            () -> suite.tasks.batchUpdateTasks(tooLong), Status.Code.INVALID_ARGUMENT, "INVALID_FIELDS")
        .violations();
    var field = violations.get(0).getField();
    Check.that(field.matches(".*\\[2\\].*title"), "the field is " + field);
    var unchanged = suite.tasks.batchGetTasks(
        BatchGetTasksRequest.newBuilder().addAllTaskIds(List.of(one, two, three)).build());
    Check.equal(titles(unchanged.getTasksList()), List.of("One", "Two", "Three"), "the unchanged titles");

    var good = suite.tasks.batchUpdateTasks(titles(three, "III", one, "I", two, "II")).getTasksList();
    Check.equal(ids(good), List.of(three, one, two), "the order of the batch");
    Check.equal(titles(good), List.of("III", "I", "II"), "the titles of the batch");
    return "index 1, " + field;
  }

  /** A batch that gives titles to tasks: ids and titles in turn. */
  private static BatchUpdateTasksRequest titles(String... idsAndTitles) {
    var updates = IndividualTaskUpdates.newBuilder();
    for (var at = 0; at < idsAndTitles.length; at += 2) {
      updates.addRequestsBuilder().getTaskBuilder().setId(idsAndTitles[at]).setTitle(idsAndTitles[at + 1]);
    }
    return BatchUpdateTasksRequest.newBuilder().setRequestId(Suite.newId()).setIndividual(updates).build();
  }

  static String history(Suite suite) throws Exception {
    var id = suite.createTask("Draft").getId();
    update(suite, Task.newBuilder().setId(id).setTitle("Final").setPriority(TaskPriority.TASK_PRIORITY_LOW));
    suite.tasks.completeTask(CompleteTaskRequest.newBuilder().setTaskId(id).build());
    var request = ListTaskHistoryRequest.newBuilder().setTaskId(id).build();
    var events = new ArrayList<>(suite.tasks.listTaskHistory(request).getEventsList());
    Collections.reverse(events);
    for (var event : events) {
      var change = event.getChange();
      Check.equal(change.getResourceType(), ResourceType.RESOURCE_TYPE_TASK, "the type");
      Check.equal(change.getResourceId(), id, "the task");
      Check.equal(change.getActorId(), suite.userId(), "the actor");
    }
    var expected = List.of(
        List.of(ChangeKind.CHANGE_KIND_CREATED, "Draft", List.of()),
        List.of(ChangeKind.CHANGE_KIND_UPDATED, "Final", List.of("priority", "title")),
        List.of(ChangeKind.CHANGE_KIND_UPDATED, "Final", List.of("completed_at", "status")));
    Check.equal(events.stream().map(TaskSteps::describe).toList(), expected, "the history");
    return events.size() + " events with actor and fields";
  }

  static String timeEntries(Suite suite) throws Exception {
    var taskId = suite.createTask("Track").getId();
    var running = track(suite, TimeEntry.newBuilder().setTaskId(taskId));
    Check.equal(running.getUserId(), suite.userId(), "the user");
    Check.refused(
        () -> track(suite, TimeEntry.newBuilder().setTaskId(taskId)),
        Status.Code.FAILED_PRECONDITION,
        "TIME_ENTRY_RUNNING");
    var stop = StopTimeEntryRequest.newBuilder().setTimeEntryId(running.getId()).build();
    var length = suite.timeEntries.stopTimeEntry(stop).getDuration();
    Check.that(length.getSeconds() > 0 || length.getNanos() > 0, "the stopped time entry has no duration");

    var start = Timestamp.newBuilder().setSeconds(1_700_000_000);
    var end = Timestamp.newBuilder().setSeconds(1_700_005_400);
    var given = track(suite, TimeEntry.newBuilder().setTaskId(taskId).setStartedAt(start).setEndedAt(end));
    var filter = TimeEntryFilter.newBuilder().addTaskIds(taskId);
    var list = suite.timeEntries.listTimeEntries(ListTimeEntriesRequest.newBuilder().setFilter(filter).build());
    var listed = list.getTimeEntriesList().stream().map(TimeEntry::getId).toList();
    Check.equal(listed, List.of(running.getId(), given.getId()), "the list");
    var request = GetTimeReportRequest.newBuilder()
        .setFilter(filter)
        .addGroups(TimeReportGroup.TIME_REPORT_GROUP_USER)
        .build();
    var rows = suite.timeEntries.getTimeReport(request).getRowsList();
    Check.equal(rows.size(), 1, "the rows");
    Check.equal(rows.get(0).getUserId(), suite.userId(), "the user of the row");
    Check.equal(rows.get(0).getCount(), 2L, "the time entries of the row");
    Check.that(get(suite, taskId).getActualDuration().getSeconds() > 5_400, "the task has less work than its time");
    return "one running at a time; 2 time entries in the list, the report and the task";
  }

  private static TimeEntry track(Suite suite, TimeEntry.Builder entry) throws StatusException {
    return suite.timeEntries.createTimeEntry(
        CreateTimeEntryRequest.newBuilder().setRequestId(Suite.newId()).setTimeEntry(entry).build());
  }

  private static List<Object> describe(TaskEvent event) {
    var fields = event.getChange().getChangedFieldsList().stream().filter(field -> !field.equals("updated_at"));
    return List.of(event.getChange().getKind(), event.getTask().getAfter().getTitle(), fields.sorted().toList());
  }
}
