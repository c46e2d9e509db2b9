package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"buf.build/go/protovalidate"
	"github.com/dafnck/dafnckmachine/proto/clients/go/client"
	commonv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/common/v1"
	backendv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/identity/backend/v1"
	identityv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/identity/v1"
	projectv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/project/v1"
	taskv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/task/v1"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func watchResume(ctx context.Context, s *scenario) string {
	project := s.createProject(ctx, "Watch")
	proxy := newProxy(s.address("task"))
	connection := s.connectTo(proxy.address, s.user.session.Authorization)
	defer connection.Close()
	var titles, seen []string
	for number := range 20 {
		titles = append(titles, fmt.Sprintf("task %d", number))
	}
	titles = append(titles, "last")
	began, ended, complete := make(chan struct{}, 1), make(chan error, 1), errors.New("complete")
	go func() {
		request := &taskv1.WatchTasksRequest{ProjectId: project.Id}
		tasks := taskv1.NewTaskServiceClient(connection)
		ended <- client.WatchTasks(ctx, tasks, request, func(response *taskv1.WatchTasksResponse) error {
			select {
			case began <- struct{}{}:
			default:
			}
			for _, event := range response.Events {
				seen = append(seen, event.GetTask().GetAfter().GetTitle())
			}
			if slices.Contains(seen, "last") {
				return complete
			}
			return nil
		})
	}()
	select {
	case <-began:
	case err := <-ended:
		panic(err)
	}
	for number, title := range titles {
		switch number {
		case 4, 12:
			proxy.cut()
		case 8, 16:
			proxy.restore()
		case 10:
			must(0, s.user.session.Refresh(ctx))
		}
		s.createTask(ctx, &taskv1.Task{ProjectId: project.Id, Title: title})
	}
	if err := <-ended; err != complete {
		panic(err)
	}
	check(seen, titles, "what the watch saw")
	return fmt.Sprintf("%d events in order across two cuts and a refresh", len(seen))
}

func validationErrors(ctx context.Context, s *scenario) string {
	fields := []string{"request_id", "task.project_id", "task.title"}
	request := &taskv1.CreateTaskRequest{
		RequestId: "not a UUID",
		Task:      &taskv1.Task{ProjectId: "neither", Title: strings.Repeat("x", 256)},
	}
	err := refused(s.user.tasks.CreateTask(ctx, request))(codes.InvalidArgument, "INVALID_FIELDS")
	violations := client.FindDetail[*errdetails.BadRequest](err).GetFieldViolations()
	server := each(violations, (*errdetails.BadRequest_FieldViolation).GetField)
	slices.Sort(server)
	check(server, fields, "the violations of the server")
	var invalid *protovalidate.ValidationError
	checkThat(errors.As(protovalidate.Validate(request), &invalid), "protovalidate does not refuse it")
	local := each(invalid.Violations, func(violation *protovalidate.Violation) string {
		return protovalidate.FieldPathString(violation.Proto.GetField())
	})
	slices.Sort(local)
	check(local, fields, "the violations of protovalidate")
	return strings.Join(fields, ", ") + ": from the server and from protovalidate"
}

func notFoundAndDenied(ctx context.Context, s *scenario) string {
	stranger := s.register(ctx, "gus")
	request := &projectv1.GetProjectRequest{ProjectId: s.project.Id}
	err := refused(stranger.projects.GetProject(ctx, request))(codes.NotFound, "RESOURCE_NOT_FOUND")
	resource := client.FindDetail[*errdetails.ResourceInfo](err)
	check(resource.GetResourceName(), s.project.Id, "the name in ResourceInfo")
	connection := s.connect("task", nil)
	defer connection.Close()
	anonymous := taskv1.NewTaskServiceClient(connection)
	refused(anonymous.CreateTask(ctx, s.request))(codes.Unauthenticated, "SESSION_REQUIRED")
	return "NOT_FOUND RESOURCE_NOT_FOUND, UNAUTHENTICATED SESSION_REQUIRED"
}

func (s *scenario) checkThatCallsWork(ctx context.Context, tasks taskv1.TaskServiceClient) {
	filter := &taskv1.TaskFilter{ProjectIds: []string{s.project.Id}}
	response := must(tasks.ListTasks(ctx, &taskv1.ListTasksRequest{Filter: filter, PageSize: 1}))
	check(len(response.Tasks), 1, "the number of tasks on a page")
}

func deadline(ctx context.Context, s *scenario) string {
	proxy := newProxy(s.address("task"))
	connection := s.connectTo(proxy.address, s.user.session.Authorization)
	defer connection.Close()
	tasks := taskv1.NewTaskServiceClient(connection)
	s.checkThatCallsWork(ctx, tasks)
	proxy.holdAnswers()
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	_, err := tasks.GetTask(short, &taskv1.GetTaskRequest{TaskId: uuid.NewString()})
	check(status.Code(err), codes.DeadlineExceeded, "the code of the call")
	connections := proxy.connections.Load()
	proxy.releaseAnswers()
	s.checkThatCallsWork(ctx, tasks)
	check(proxy.connections.Load(), connections, "the number of connections after another call")
	return "DEADLINE_EXCEEDED, then another call on the same connection"
}

func cancellation(ctx context.Context, s *scenario) string {
	cancellable, cancel := context.WithCancel(ctx)
	defer cancel()
	stream := must(s.user.tasks.WatchTasks(cancellable, &taskv1.WatchTasksRequest{ProjectId: s.project.Id}))
	checkThat(must(stream.Recv()).ResumeToken != "", "the first response has no token")
	cancel()
	var err error
	for err == nil {
		_, err = stream.Recv()
	}
	check(status.Code(err), codes.Canceled, "the code of the stream's end")
	s.checkThatCallsWork(ctx, s.user.tasks)
	return "CANCELLED, then another call"
}

func retryAfterUnavailable(ctx context.Context, s *scenario) string {
	project := s.createProject(ctx, "Retry")
	list := &taskv1.ListTasksRequest{Filter: &taskv1.TaskFilter{ProjectIds: []string{project.Id}}}
	listed := func() []*taskv1.Task { return must(s.user.tasks.ListTasks(ctx, list)).Tasks }
	proxy := newProxy(s.address("task"))
	connection := s.connectTo(proxy.address, s.user.session.Authorization)
	defer connection.Close()
	tasks := taskv1.NewTaskServiceClient(connection)
	// The connection is there before answers are held.
	check(len(must(tasks.ListTasks(ctx, list)).Tasks), 0, "the number of tasks")
	proxy.holdAnswers()
	type result struct {
		task *taskv1.Task
		err  error
	}
	results := make(chan result, 1)
	go func() {
		task, err := tasks.CreateTask(ctx, &taskv1.CreateTaskRequest{
			RequestId: uuid.NewString(),
			Task:      &taskv1.Task{ProjectId: project.Id, Title: "Once"},
		})
		results <- result{task, err}
	}()
	eventually(ctx, "the task is not created", func() bool { return len(listed()) > 0 })
	check(len(results), 0, "the answers that arrived although they were held")
	proxy.cut()
	proxy.restore()
	got := <-results
	check(each(listed(), (*taskv1.Task).GetId), []string{must(got.task, got.err).Id}, "the tasks after the retry")
	return "the answer was lost, the retry got the same task"
}

func serviceSignature(ctx context.Context, s *scenario) string {
	var vectors []struct {
		Name, Nonce, Path, Authorization string
		PrivateKey                       string `json:"private_key"`
		UnixSeconds                      int64  `json:"unix_seconds"`
	}
	must(0, json.Unmarshal(must(os.ReadFile(clients+"/signature_vectors.json")), &vectors))
	checkThat(len(vectors) > 0, "no vectors")
	for _, vector := range vectors {
		key := must(client.PrivateKey(vector.PrivateKey))
		nonce := [16]byte(must(hex.DecodeString(vector.Nonce)))
		value := client.Signature(vector.Name, key, vector.Path, vector.UnixSeconds, nonce)
		check(value, vector.Authorization, "the signature of "+vector.Name)
	}
	if s.backendKey == "" {
		return fmt.Sprintf("%d vectors; no key for a call", len(vectors))
	}
	createCode := func(authorization client.Authorization) (*backendv1.AccountCode, error) {
		connection := s.connect("identity", authorization)
		defer connection.Close()
		codes := backendv1.NewAccountCodeServiceClient(connection)
		return codes.CreateEmailVerificationCode(ctx, &backendv1.CreateEmailVerificationCodeRequest{
			UserId:   s.user.id,
			Delivery: commonv1.CodeDelivery_CODE_DELIVERY_RESPONSE,
		})
	}
	refused(createCode(s.user.session.Authorization))(codes.PermissionDenied, "AUDIENCE_REFUSED")
	code := must(createCode(client.Service("backend", must(client.PrivateKey(s.backendKey))))).GetCode()
	must(s.user.account.VerifyEmail(ctx, &identityv1.VerifyEmailRequest{RequestId: uuid.NewString(), Code: code}))
	who := must(s.user.auth.WhoAmI(ctx, &identityv1.WhoAmIRequest{}))
	checkThat(who.User.EmailVerified, "the address is not verified")
	return fmt.Sprintf("%d vectors, and a code from a signed call", len(vectors))
}
