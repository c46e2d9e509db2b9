package main

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/dafnck/dafnckmachine/proto/clients/go/client"
	commonv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/common/v1"
	contentv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/content/v1"
	identityv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/identity/v1"
	projectv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/project/v1"
	taskv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/task/v1"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// Relative to the directory of the language.
const clients = ".."

// must returns the value; a failed call fails the step.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func check(actual, expected any, what string) {
	if !reflect.DeepEqual(actual, expected) {
		panic(fmt.Sprintf("%s is %v, not %v", what, actual, expected))
	}
}

func checkThat(condition bool, what string, values ...any) {
	if !condition {
		panic(fmt.Sprintf(what, values...))
	}
}

// refused returns the error of a call that must fail like this.
func refused[T any](answer T, err error) func(codes.Code, string) error {
	return func(code codes.Code, reason string) error {
		if err == nil {
			panic(fmt.Sprintf("not refused: %v", answer))
		}
		if status.Code(err) != code || client.Reason(err) != reason {
			panic(fmt.Sprintf("refused with %s, not with %s %s", client.Explain(err), code, reason))
		}
		return err
	}
}

// user is a signed-in user with the clients of all services.
type user struct {
	name, id      string
	session       *client.Session
	auth          identityv1.AuthServiceClient
	account       identityv1.AccountServiceClient
	projects      projectv1.ProjectServiceClient
	members       projectv1.MemberServiceClient
	notifications projectv1.NotificationServiceClient
	webhooks      projectv1.WebhookServiceClient
	tasks         taskv1.TaskServiceClient
	plans         taskv1.PlanServiceClient
	timeEntries   taskv1.TimeEntryServiceClient
	milestones    taskv1.MilestoneServiceClient
	attachments   contentv1.AttachmentServiceClient
	comments      contentv1.CommentServiceClient
}

// scenario is the suite under test, and what the steps leave for each other.
type scenario struct {
	run, password, backendKey, serviceConfig string
	transport                                credentials.TransportCredentials
	plaintext                                bool
	auth                                     identityv1.AuthServiceClient
	serverInfo                               commonv1.ServerInfoServiceClient

	user       *user
	project    *projectv1.Project
	request    *taskv1.CreateTaskRequest
	file       []byte
	attachment *contentv1.Attachment
}

func newScenario() *scenario {
	s := &scenario{
		run:           os.Getenv("DAFNCK_RUN"),
		password:      "correct horse " + os.Getenv("DAFNCK_RUN"),
		backendKey:    os.Getenv("DAFNCK_BACKEND_KEY"),
		serviceConfig: string(must(os.ReadFile(clients + "/service_config.json"))),
		transport:     insecure.NewCredentials(),
		plaintext:     true,
	}
	if authorities := os.Getenv("DAFNCK_TLS_CA"); authorities != "" {
		s.transport, s.plaintext = must(credentials.NewClientTLSFromFile(authorities, "")), false
	}
	s.auth = identityv1.NewAuthServiceClient(s.connect("identity", nil))
	s.serverInfo = commonv1.NewServerInfoServiceClient(s.connect("task", nil))
	return s
}

func (s *scenario) address(service string) string {
	return os.Getenv("DAFNCK_" + strings.ToUpper(service))
}

func (s *scenario) connect(service string, authorization client.Authorization) *grpc.ClientConn {
	return s.connectTo(s.address(service), authorization)
}

func (s *scenario) connectTo(target string, authorization client.Authorization) *grpc.ClientConn {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(s.transport),
		grpc.WithDefaultServiceConfig(s.serviceConfig),
	}
	if authorization != nil {
		options = append(options, grpc.WithPerRPCCredentials(
			client.Credentials{Authorization: authorization, AllowPlaintext: s.plaintext}))
	}
	return must(grpc.NewClient(target, options...))
}

func (s *scenario) newUser(name string, grant *identityv1.SessionGrant) *user {
	session := client.NewSession(s.connect("identity", nil), grant.Tokens)
	identity := s.connect("identity", session.Authorization)
	projects := s.connect("project", session.Authorization)
	tasks := s.connect("task", session.Authorization)
	content := s.connect("content", session.Authorization)
	return &user{
		name:          name,
		id:            grant.User.Id,
		session:       session,
		auth:          identityv1.NewAuthServiceClient(identity),
		account:       identityv1.NewAccountServiceClient(identity),
		projects:      projectv1.NewProjectServiceClient(projects),
		members:       projectv1.NewMemberServiceClient(projects),
		notifications: projectv1.NewNotificationServiceClient(projects),
		webhooks:      projectv1.NewWebhookServiceClient(projects),
		tasks:         taskv1.NewTaskServiceClient(tasks),
		plans:         taskv1.NewPlanServiceClient(tasks),
		timeEntries:   taskv1.NewTimeEntryServiceClient(tasks),
		milestones:    taskv1.NewMilestoneServiceClient(tasks),
		attachments:   contentv1.NewAttachmentServiceClient(content),
		comments:      contentv1.NewCommentServiceClient(content),
	}
}

func (s *scenario) register(ctx context.Context, name string) *user {
	name += "-" + s.run
	response := must(s.auth.Register(ctx, &identityv1.RegisterRequest{
		RequestId: uuid.NewString(),
		Email:     name + "@example.org",
		Username:  name,
		Password:  s.password,
	}))
	return s.newUser(name, response.GetSessionGrant())
}

func (s *scenario) createProject(ctx context.Context, name string) *projectv1.Project {
	return must(s.user.projects.CreateProject(ctx, &projectv1.CreateProjectRequest{
		RequestId: uuid.NewString(),
		Project:   &projectv1.Project{Name: name + " " + s.run},
	}))
}

// createTask creates it in the scenario's project if it names none.
func (s *scenario) createTask(ctx context.Context, task *taskv1.Task) *taskv1.Task {
	if task.ProjectId == "" {
		task.ProjectId = s.project.Id
	}
	return must(s.user.tasks.CreateTask(ctx, &taskv1.CreateTaskRequest{RequestId: uuid.NewString(), Task: task}))
}
