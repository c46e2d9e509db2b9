package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dafnck/dafnckmachine/proto/clients/go/client"
	commonv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/common/v1"
	taskv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/task/v1"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func create(ctx context.Context, s *scenario) string {
	s.project = s.createProject(ctx, "Apollo")
	check(s.project.OwnerId, s.user.id, "the owner")
	s.request = &taskv1.CreateTaskRequest{
		RequestId: uuid.NewString(),
		Task:      &taskv1.Task{ProjectId: s.project.Id, Title: "Build the rocket"},
	}
	first := must(s.user.tasks.CreateTask(ctx, s.request))
	again := must(s.user.tasks.CreateTask(ctx, s.request))
	checkThat(proto.Equal(first, again), "the retry gave %v, the first call %v", again, first)
	return first.Key + ", the same for a retry"
}

func requestIDConflict(ctx context.Context, s *scenario) string {
	other := proto.CloneOf(s.request)
	other.Task.Title = "Build a boat"
	refused(s.user.tasks.CreateTask(ctx, other))(codes.FailedPrecondition, "REQUEST_ID_REUSED")
	return "FAILED_PRECONDITION REQUEST_ID_REUSED"
}

// each returns what the function makes of each item.
func each[T, R any](items []T, of func(T) R) []R {
	var results []R
	for _, item := range items {
		results = append(results, of(item))
	}
	return results
}

func pages(ctx context.Context, s *scenario) string {
	project := s.createProject(ctx, "Pages")
	var tasks []*taskv1.Task
	for number := range 25 {
		tasks = append(tasks, &taskv1.Task{Title: fmt.Sprintf("Task %d", number)})
	}
	created := must(s.user.tasks.BatchCreateTasks(ctx, &taskv1.BatchCreateTasksRequest{
		RequestId: uuid.NewString(),
		ProjectId: project.Id,
		Tasks:     tasks,
	})).Tasks
	check(each(created, (*taskv1.Task).GetTitle), each(tasks, (*taskv1.Task).GetTitle), "the created tasks")
	request := &taskv1.ListTasksRequest{
		Filter:   &taskv1.TaskFilter{ProjectIds: []string{project.Id}},
		Order:    taskv1.TaskOrder_TASK_ORDER_NUMBER_ASC,
		PageSize: 10,
	}
	var sizes []int
	var listed []string
	for len(sizes) == 0 || request.PageToken != "" {
		response := must(s.user.tasks.ListTasks(ctx, request))
		sizes = append(sizes, len(response.Tasks))
		listed = append(listed, each(response.Tasks, (*taskv1.Task).GetId)...)
		request.PageToken = response.NextPageToken
	}
	check(sizes, []int{10, 10, 5}, "the sizes of the pages")
	check(listed, each(created, (*taskv1.Task).GetId), "the listed ids")
	return "25 tasks on pages of 10, 10 and 5"
}

func (s *scenario) update(ctx context.Context, task *taskv1.Task, paths ...string) (*taskv1.Task, error) {
	request := &taskv1.UpdateTaskRequest{Task: task}
	if len(paths) > 0 {
		request.UpdateMask = &fieldmaskpb.FieldMask{Paths: paths}
	}
	return s.user.tasks.UpdateTask(ctx, request)
}

func (s *scenario) readTask(ctx context.Context, id string) *taskv1.Task {
	return must(s.user.tasks.GetTask(ctx, &taskv1.GetTaskRequest{TaskId: id}))
}

func masks(ctx context.Context, s *scenario) string {
	high := taskv1.TaskPriority_TASK_PRIORITY_HIGH
	task := s.createTask(ctx, &taskv1.Task{Title: "Masks", Description: proto.String("before"), Priority: high})
	populated := must(s.update(ctx, &taskv1.Task{Id: task.Id, Title: "Populated"}))
	seen := []any{populated.Title, populated.GetDescription(), populated.Priority}
	check(seen, []any{"Populated", "before", high}, "the task after an update without a mask")
	change := &taskv1.Task{Id: task.Id, Title: "Not named", Description: proto.String("after")}
	named := must(s.update(ctx, change, "description"))
	seen = []any{named.Title, named.GetDescription()}
	check(seen, []any{"Populated", "after"}, "the task after an update with a mask")
	cleared := must(s.update(ctx, &taskv1.Task{Id: task.Id}, "description"))
	checkThat(cleared.Description == nil, "the cleared field is %v", cleared.GetDescription())
	check([]any{cleared.Title, cleared.Priority}, []any{"Populated", high}, "the rest of the task")
	return "populated fields, named fields, a cleared field"
}

func etagConflict(ctx context.Context, s *scenario) string {
	old := s.createTask(ctx, &taskv1.Task{Title: "Etags"})
	current := must(s.update(ctx, &taskv1.Task{Id: old.Id, Title: "Etags 2", Etag: old.Etag}))
	late := &taskv1.Task{Id: old.Id, Title: "Etags 3", Etag: old.Etag}
	err := refused(s.update(ctx, late))(codes.Aborted, "ETAG_MISMATCH")
	info := client.FindDetail[*errdetails.ErrorInfo](err)
	check(info.Metadata["etag"], current.Etag, "the etag of the error")
	late.Etag = s.readTask(ctx, old.Id).Etag
	check(must(s.update(ctx, late)).Title, "Etags 3", "the title after reading again")
	return "ABORTED ETAG_MISMATCH with the current etag, then updated"
}

func batch(ctx context.Context, s *scenario) string {
	var tasks, good []*taskv1.Task
	for number := range 3 {
		tasks = append(tasks, s.createTask(ctx, &taskv1.Task{Title: fmt.Sprintf("Batch %d", number)}))
	}
	for _, task := range slices.Backward(tasks) {
		good = append(good, &taskv1.Task{Id: task.Id, Title: task.Title + " changed"})
	}
	change := func(changes ...*taskv1.Task) ([]*taskv1.Task, error) {
		requests := each(changes, func(task *taskv1.Task) *taskv1.UpdateTaskRequest {
			return &taskv1.UpdateTaskRequest{Task: task}
		})
		updates := &taskv1.IndividualTaskUpdates{Requests: requests}
		response, err := s.user.tasks.BatchUpdateTasks(ctx, &taskv1.BatchUpdateTasksRequest{
			RequestId: uuid.NewString(),
			Updates:   &taskv1.BatchUpdateTasksRequest_Individual{Individual: updates},
		})
		return response.GetTasks(), err
	}
	invalid := &taskv1.Task{Id: tasks[1].Id, Title: strings.Repeat("x", 256)}
	err := refused(change(good[0], invalid))(codes.InvalidArgument, "INVALID_FIELDS")
	violations := client.FindDetail[*errdetails.BadRequest](err).GetFieldViolations()
	fields := each(violations, (*errdetails.BadRequest_FieldViolation).GetField)
	check(fields, []string{"individual.requests[1].task.title"}, "the violations")
	stale := &taskv1.Task{Id: tasks[0].Id, Title: "Stale", Etag: tasks[1].Etag + "x"}
	err = refused(change(good[0], good[1], stale))(codes.Aborted, "ETAG_MISMATCH")
	info := client.FindDetail[*errdetails.ErrorInfo](err)
	check(info.Metadata["index"], "2", "the index of the failing item")
	check(s.readTask(ctx, good[0].Id).Title, "Batch 2", "the title after the failed batches")
	changed := must(change(good...))
	check(each(changed, (*taskv1.Task).GetId), each(good, (*taskv1.Task).GetId), "the ids of the answer")
	check(each(changed, (*taskv1.Task).GetTitle), each(good, (*taskv1.Task).GetTitle), "the titles of the answer")
	return "violation of item 1, index 2, nothing changed; the good batch in order"
}

func (s *scenario) depend(ctx context.Context, task, on *taskv1.Task) {
	must(s.user.plans.CreateTaskDependency(ctx, &taskv1.CreateTaskDependencyRequest{
		RequestId: uuid.NewString(),
		TaskDependency: &taskv1.TaskDependency{
			TaskId:          task.Id,
			DependsOnTaskId: on.Id,
			DependencyType:  taskv1.DependencyType_DEPENDENCY_TYPE_BLOCKS,
		},
	}))
}

func completeBlocked(ctx context.Context, s *scenario) string {
	blocker := s.createTask(ctx, &taskv1.Task{Title: "Blocker"})
	task := s.createTask(ctx, &taskv1.Task{Title: "Blocked"})
	s.depend(ctx, task, blocker)
	complete := func(task *taskv1.Task) (*taskv1.Task, error) {
		return s.user.tasks.CompleteTask(ctx, &taskv1.CompleteTaskRequest{TaskId: task.Id})
	}
	err := refused(complete(task))(codes.FailedPrecondition, "TASK_BLOCKED")
	check(client.FindDetail[*errdetails.ErrorInfo](err).Metadata["blockers"], blocker.Id, "the blockers")
	must(complete(blocker))
	check(must(complete(task)).Status, taskv1.TaskStatus_TASK_STATUS_DONE, "the status after the blocker is done")
	return "TASK_BLOCKED with the blocker, then done"
}

func plan(ctx context.Context, s *scenario) string {
	project := s.createProject(ctx, "Plan")
	task := func(title string, estimate time.Duration) *taskv1.Task {
		estimated := durationpb.New(estimate)
		return s.createTask(ctx, &taskv1.Task{ProjectId: project.Id, Title: title, EstimatedDuration: estimated})
	}
	first, second, alone := task("First", 2*time.Hour), task("Second", 270*time.Minute), task("Alone", time.Hour)
	s.depend(ctx, second, first)
	answer := must(s.user.plans.GetPlan(ctx, &taskv1.GetPlanRequest{ProjectId: project.Id}))
	planned := each(answer.Tasks, func(task *taskv1.PlannedTask) string { return task.Node.TaskId })
	check(planned, []string{first.Id, second.Id, alone.Id}, "the planned tasks")
	check(answer.CriticalPath, []int32{0, 1}, "the critical path")
	check(answer.Finish.AsDuration(), 390*time.Minute, "the finish")
	check(answer.Tasks[1].EarliestStart.AsDuration(), 2*time.Hour, "the start of the second task")
	check(answer.Tasks[2].Slack.AsDuration(), 330*time.Minute, "the slack of the task beside the critical path")
	return "critical path of 2 h and 4.5 h, slack 5.5 h"
}

func history(ctx context.Context, s *scenario) string {
	task := s.createTask(ctx, &taskv1.Task{Title: "History"})
	must(s.update(ctx, &taskv1.Task{Id: task.Id, Title: "History 2"}))
	urgent := taskv1.TaskPriority_TASK_PRIORITY_URGENT
	must(s.update(ctx, &taskv1.Task{Id: task.Id, Priority: urgent, Description: proto.String("now")}))
	events := must(s.user.tasks.ListTaskHistory(ctx, &taskv1.ListTaskHistoryRequest{TaskId: task.Id})).Events
	slices.Reverse(events)
	check(len(events), 3, "the number of changes")
	check(events[0].Change.Kind, commonv1.ChangeKind_CHANGE_KIND_CREATED, "the first change")
	changed := func(event *taskv1.TaskEvent) []string {
		// When it changed and its new etag are part of a change, too.
		fields := slices.DeleteFunc(slices.Clone(event.Change.ChangedFields), func(field string) bool {
			return field == "updated_at" || field == "etag"
		})
		slices.Sort(fields)
		return fields
	}
	check(changed(events[1]), []string{"title"}, "the fields of the second change")
	check(changed(events[2]), []string{"description", "priority"}, "the fields of the third change")
	for _, event := range events {
		check(event.Change.ActorId, s.user.id, "the actor")
	}
	check(events[1].GetTask().Before.Title, "History", "the title before the second change")
	check(events[1].GetTask().After.Title, "History 2", "the title after the second change")
	ascending := slices.IsSortedFunc(events, func(a, b *taskv1.TaskEvent) int {
		return int(a.Change.Sequence - b.Change.Sequence)
	})
	checkThat(ascending, "the sequences do not descend")
	return "created, title, priority and description, each by the caller"
}

func timeEntries(ctx context.Context, s *scenario) string {
	task := s.createTask(ctx, &taskv1.Task{Title: "Track"})
	track := func(entry *taskv1.TimeEntry) (*taskv1.TimeEntry, error) {
		entry.TaskId = task.Id
		request := &taskv1.CreateTimeEntryRequest{RequestId: uuid.NewString(), TimeEntry: entry}
		return s.user.timeEntries.CreateTimeEntry(ctx, request)
	}
	running := must(track(&taskv1.TimeEntry{}))
	check(running.UserId, s.user.id, "the user")
	refused(track(&taskv1.TimeEntry{}))(codes.FailedPrecondition, "TIME_ENTRY_RUNNING")
	stopped := must(s.user.timeEntries.StopTimeEntry(ctx, &taskv1.StopTimeEntryRequest{TimeEntryId: running.Id}))
	checkThat(stopped.Duration.AsDuration() > 0, "the stopped time entry has no duration")

	start := time.Unix(1_700_000_000, 0)
	given := must(track(&taskv1.TimeEntry{
		StartedAt: timestamppb.New(start),
		EndedAt:   timestamppb.New(start.Add(90 * time.Minute)),
	}))
	filter := &taskv1.TimeEntryFilter{TaskIds: []string{task.Id}}
	list := must(s.user.timeEntries.ListTimeEntries(ctx, &taskv1.ListTimeEntriesRequest{Filter: filter}))
	listed := each(list.TimeEntries, func(entry *taskv1.TimeEntry) string { return entry.Id })
	check(listed, []string{running.Id, given.Id}, "the listed time entries")
	report := must(s.user.timeEntries.GetTimeReport(ctx, &taskv1.GetTimeReportRequest{
		Filter: filter,
		Groups: []taskv1.TimeReportGroup{taskv1.TimeReportGroup_TIME_REPORT_GROUP_USER},
	}))
	check(len(report.Rows), 1, "the number of rows")
	check(report.Rows[0].UserId, s.user.id, "the user of the row")
	check(report.Rows[0].Count, int64(2), "the number of time entries")
	tracked := must(s.user.tasks.GetTask(ctx, &taskv1.GetTaskRequest{TaskId: task.Id}))
	checkThat(tracked.ActualDuration.AsDuration() > 90*time.Minute, "the task has less work than its time entries")
	return "one running at a time; 2 time entries in the list, the report and the task"
}

func milestones(ctx context.Context, s *scenario) string {
	project := s.createProject(ctx, "Milestones")
	due := timestamppb.New(time.Now().Add(time.Hour))
	milestone := must(s.user.milestones.CreateMilestone(ctx, &taskv1.CreateMilestoneRequest{
		RequestId: uuid.NewString(),
		Milestone: &taskv1.Milestone{ProjectId: project.Id, Name: "Landed", DueAt: due},
	}))
	task := s.createTask(ctx, &taskv1.Task{
		ProjectId:         project.Id,
		Title:             "Land",
		MilestoneId:       proto.String(milestone.Id),
		EstimatedDuration: durationpb.New(100 * time.Hour),
	})
	s.createTask(ctx, &taskv1.Task{ProjectId: project.Id, Title: "Rest"})
	filter := &taskv1.TaskFilter{ProjectIds: []string{project.Id}, MilestoneIds: []string{milestone.Id}}
	list := must(s.user.tasks.ListTasks(ctx, &taskv1.ListTasksRequest{Filter: filter}))
	listed := each(list.Tasks, func(task *taskv1.Task) string { return task.Id })
	check(listed, []string{task.Id}, "the tasks of the milestone")
	progress := must(s.user.plans.GetProjectProgress(ctx, &taskv1.GetProjectProgressRequest{
		ProjectId:   project.Id,
		MilestoneId: milestone.Id,
	}))
	check(progress.TotalCount, int64(1), "the number of its tasks")
	planned := must(s.user.plans.GetPlan(ctx, &taskv1.GetPlanRequest{ProjectId: project.Id})).Milestones
	check(len(planned), 1, "the number of planned milestones")
	check(planned[0].MilestoneId, milestone.Id, "the planned milestone")
	check(planned[0].Finish.AsDuration(), 100*time.Hour, "its finish")
	checkThat(planned[0].Late, "100 hours of work are done within an hour")
	return "one task of two; 100 h of work until the milestone, which slips"
}
