package com.dafnck.conformance;

import com.dafnck.task.v1.CompleteTaskRequest;
import com.dafnck.task.v1.CreateMilestoneRequest;
import com.dafnck.task.v1.CreateTaskDependencyRequest;
import com.dafnck.task.v1.GetPlanRequest;
import com.dafnck.task.v1.GetProjectProgressRequest;
import com.dafnck.task.v1.GetTaskRequest;
import com.dafnck.task.v1.ListTasksRequest;
import com.dafnck.task.v1.Milestone;
import com.dafnck.task.v1.PlannedTask;
import com.dafnck.task.v1.Task;
import com.dafnck.task.v1.TaskDependency;
import com.dafnck.task.v1.TaskFilter;
import com.dafnck.task.v1.TaskStatus;
import com.google.protobuf.Duration;
import com.google.protobuf.Timestamp;
import io.grpc.Status;
import io.grpc.StatusException;
import java.util.List;

/** Steps about dependencies and the plan. */
final class PlanSteps {
  private static final long HOUR_SECONDS = 3_600;

  private PlanSteps() {}

  private static TaskDependency depend(Suite suite, Task task, Task dependsOn) throws StatusException {
    return suite.plans.createTaskDependency(CreateTaskDependencyRequest.newBuilder()
        .setRequestId(Suite.newId())
        .setTaskDependency(TaskDependency.newBuilder()
            .setTaskId(task.getId())
            .setDependsOnTaskId(dependsOn.getId()))
        .build());
  }

  static String completeBlocked(Suite suite) throws Exception {
    var rocket = suite.createTask("Rocket");
    var flight = suite.createTask("Flight");
    Check.equal(depend(suite, flight, rocket).getTaskId(), flight.getId(), "the dependent task");
    var status = suite.tasks.getTask(GetTaskRequest.newBuilder().setTaskId(flight.getId()).build()).getStatus();
    Check.equal(status, TaskStatus.TASK_STATUS_BLOCKED, "the status before");

    var complete = CompleteTaskRequest.newBuilder().setTaskId(flight.getId()).build();
    var error = Check.refused(
        () -> suite.tasks.completeTask(complete), Status.Code.FAILED_PRECONDITION, "TASK_BLOCKED");
    Check.equal(error.metadata().get("blockers"), rocket.getId(), "the blockers");
    for (var task : List.of(rocket, flight)) {
      var done = suite.tasks.completeTask(CompleteTaskRequest.newBuilder().setTaskId(task.getId()).build());
      Check.equal(done.getStatus(), TaskStatus.TASK_STATUS_DONE, "the status");
    }
    return "refused with its blocker, then done";
  }

  static String plan(Suite suite) throws Exception {
    var projectId = suite.createProject("Plan");
    var build = suite.createTask(estimated(projectId, "Build", 4));
    var fly = suite.createTask(estimated(projectId, "Fly", 2));
    var party = suite.createTask(estimated(projectId, "Party", 1));
    depend(suite, fly, build);

    var plan = suite.plans.getPlan(GetPlanRequest.newBuilder().setProjectId(projectId).build());
    var planned = plan.getTasksList().stream().map(task -> task.getNode().getTaskId()).toList();
    Check.equal(planned, TaskSteps.ids(List.of(build, fly, party)), "the tasks of the plan");
    var critical = plan.getCriticalPathList().stream().map(planned::get).toList();
    Check.equal(critical, TaskSteps.ids(List.of(build, fly)), "the critical path");
    Check.equal(plan.getWaveCount(), 2, "the number of waves");
    Check.equal(hours(plan.getFinish()), 6L, "the finish in hours");
    var starts = plan.getTasksList().stream().map(PlannedTask::getEarliestStart).map(PlanSteps::hours).toList();
    Check.equal(starts, List.of(0L, 4L, 0L), "the earliest starts in hours");
    var slacks = plan.getTasksList().stream().map(PlannedTask::getSlack).map(PlanSteps::hours).toList();
    Check.equal(slacks, List.of(0L, 0L, 5L), "the slacks in hours");
    return "finish after 6 h, Build and Fly are critical";
  }

  static String milestones(Suite suite) throws Exception {
    var projectId = suite.createProject("Milestones");
    var due = Timestamp.newBuilder().setSeconds(System.currentTimeMillis() / 1_000 + HOUR_SECONDS);
    var milestone = suite.milestones.createMilestone(CreateMilestoneRequest.newBuilder()
        .setRequestId(Suite.newId())
        .setMilestone(Milestone.newBuilder().setProjectId(projectId).setName("Landed").setDueAt(due))
        .build());
    var task = suite.createTask(estimated(projectId, "Land", 100).setMilestoneId(milestone.getId()));
    suite.createTask(estimated(projectId, "Rest", 1));
    var filter = TaskFilter.newBuilder().addProjectIds(projectId).addMilestoneIds(milestone.getId());
    var listed = suite.tasks.listTasks(ListTasksRequest.newBuilder().setFilter(filter).build()).getTasksList();
    Check.equal(TaskSteps.ids(listed), List.of(task.getId()), "the tasks of the milestone");
    var progress = suite.plans.getProjectProgress(GetProjectProgressRequest.newBuilder()
        .setProjectId(projectId)
        .setMilestoneId(milestone.getId())
        .build());
    Check.equal(progress.getTotalCount(), 1L, "the number of its tasks");
    var planned =
        suite.plans.getPlan(GetPlanRequest.newBuilder().setProjectId(projectId).build()).getMilestonesList();
    Check.equal(planned.size(), 1, "the number of planned milestones");
    Check.equal(planned.get(0).getMilestoneId(), milestone.getId(), "the planned milestone");
    Check.equal(hours(planned.get(0).getFinish()), 100L, "its finish in hours");
    Check.that(planned.get(0).getLate(), "100 hours of work are done within an hour");
    return "one task of two; 100 h of work until the milestone, which slips";
  }

  private static Task.Builder estimated(String projectId, String title, long hours) {
    var estimate = Duration.newBuilder().setSeconds(hours * HOUR_SECONDS);
    return Task.newBuilder().setProjectId(projectId).setTitle(title).setEstimatedDuration(estimate);
  }

  private static long hours(Duration duration) {
    return duration.getSeconds() / HOUR_SECONDS;
  }
}
