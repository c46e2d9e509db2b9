package com.dafnck.conformance;

import com.dafnck.client.Authorization;
import com.dafnck.client.Channels;
import com.dafnck.client.Session;
import com.dafnck.content.v1.AttachmentServiceGrpc;
import com.dafnck.content.v1.AttachmentServiceGrpc.AttachmentServiceBlockingV2Stub;
import com.dafnck.content.v1.CommentServiceGrpc;
import com.dafnck.content.v1.CommentServiceGrpc.CommentServiceBlockingV2Stub;
import com.dafnck.identity.v1.AccountServiceGrpc;
import com.dafnck.identity.v1.AccountServiceGrpc.AccountServiceBlockingV2Stub;
import com.dafnck.identity.v1.AuthServiceGrpc;
import com.dafnck.identity.v1.AuthServiceGrpc.AuthServiceBlockingV2Stub;
import com.dafnck.identity.v1.RegisterRequest;
import com.dafnck.identity.v1.SessionGrant;
import com.dafnck.project.v1.CreateProjectRequest;
import com.dafnck.project.v1.MemberServiceGrpc;
import com.dafnck.project.v1.MemberServiceGrpc.MemberServiceBlockingV2Stub;
import com.dafnck.project.v1.Project;
import com.dafnck.project.v1.ProjectServiceGrpc;
import com.dafnck.project.v1.ProjectServiceGrpc.ProjectServiceBlockingV2Stub;
import com.dafnck.project.v1.WebhookServiceGrpc;
import com.dafnck.project.v1.WebhookServiceGrpc.WebhookServiceBlockingV2Stub;
import com.dafnck.task.v1.CreateTaskRequest;
import com.dafnck.task.v1.MilestoneServiceGrpc;
import com.dafnck.task.v1.MilestoneServiceGrpc.MilestoneServiceBlockingV2Stub;
import com.dafnck.task.v1.PlanServiceGrpc;
import com.dafnck.task.v1.PlanServiceGrpc.PlanServiceBlockingV2Stub;
import com.dafnck.task.v1.Task;
import com.dafnck.task.v1.TaskServiceGrpc;
import com.dafnck.task.v1.TaskServiceGrpc.TaskServiceBlockingV2Stub;
import com.dafnck.task.v1.TimeEntryServiceGrpc;
import com.dafnck.task.v1.TimeEntryServiceGrpc.TimeEntryServiceBlockingV2Stub;
import io.grpc.CallCredentials;
import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.StatusException;
import io.grpc.TlsChannelCredentials;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.UUID;

/** The suite under test, stubs of its signed-in user, and what earlier steps have made. */
final class Suite implements AutoCloseable {
  /** An uploaded file. */
  record Film(String id, byte[] bytes) {}

  /** The longest that the server allows, for machines that are busy with something else. */
  private static final Duration DEADLINE = Duration.ofSeconds(30);

  private final List<ManagedChannel> channels = new ArrayList<>();
  final String run = System.getenv("DAFNCK_RUN");
  final String username = run + "-olga";
  final String email = username + "@example.org";
  final String password = "correct horse battery staple";
  private Session session;
  private String projectId;
  private Film film;

  /** The authorization of the user in the present session. */
  final CallCredentials user = ((Authorization) path -> session().header(path)).credentials();

  final ManagedChannel identity = connect(address("identity"));
  final AuthServiceBlockingV2Stub auth = AuthServiceGrpc.newBlockingV2Stub(identity).withCallCredentials(user);
  final AccountServiceBlockingV2Stub account =
      AccountServiceGrpc.newBlockingV2Stub(identity).withCallCredentials(user);
  final ManagedChannel project = connect(address("project"));
  final ProjectServiceBlockingV2Stub projects =
      ProjectServiceGrpc.newBlockingV2Stub(project).withCallCredentials(user);
  final MemberServiceBlockingV2Stub members =
      MemberServiceGrpc.newBlockingV2Stub(project).withCallCredentials(user);
  final WebhookServiceBlockingV2Stub webhooks =
      WebhookServiceGrpc.newBlockingV2Stub(project).withCallCredentials(user);
  final TaskServiceBlockingV2Stub tasks = tasksAt(address("task"));
  final PlanServiceBlockingV2Stub plans =
      PlanServiceGrpc.newBlockingV2Stub(tasks.getChannel()).withCallCredentials(user);
  final MilestoneServiceBlockingV2Stub milestones =
      MilestoneServiceGrpc.newBlockingV2Stub(tasks.getChannel()).withCallCredentials(user);
  final TimeEntryServiceBlockingV2Stub timeEntries =
      TimeEntryServiceGrpc.newBlockingV2Stub(tasks.getChannel()).withCallCredentials(user);
  final AttachmentServiceBlockingV2Stub attachments = attachmentsAt(address("content"));
  final CommentServiceBlockingV2Stub comments =
      CommentServiceGrpc.newBlockingV2Stub(attachments.getChannel()).withCallCredentials(user);

  static String address(String service) {
    return System.getenv("DAFNCK_" + service.toUpperCase(Locale.ROOT));
  }

  ManagedChannel connect(String address) {
    var channel = Channels.connect(address, credentials(), DEADLINE);
    channels.add(channel);
    return channel;
  }

  @Override
  public void close() {
    channels.forEach(ManagedChannel::shutdownNow);
  }

  private static ChannelCredentials credentials() {
    var authorities = System.getenv("DAFNCK_TLS_CA");
    try {
      return authorities == null
          ? InsecureChannelCredentials.create()
          : TlsChannelCredentials.newBuilder().trustManager(new File(authorities)).build();
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  TaskServiceBlockingV2Stub tasksAt(String address) {
    return TaskServiceGrpc.newBlockingV2Stub(connect(address)).withCallCredentials(user);
  }

  AttachmentServiceBlockingV2Stub attachmentsAt(String address) {
    return AttachmentServiceGrpc.newBlockingV2Stub(connect(address)).withCallCredentials(user);
  }

  String userId() {
    return session().grant().getUser().getId();
  }

  Session session() {
    return made(session, "sign_up");
  }

  void setSession(Session session) {
    this.session = session;
  }

  /** The project of the steps that need no other. */
  String projectId() {
    return made(projectId, "create");
  }

  void setProjectId(String projectId) {
    this.projectId = projectId;
  }

  Film film() {
    return made(film, "upload_resume");
  }

  void setFilm(Film film) {
    this.film = film;
  }

  private static <T> T made(T value, String step) {
    return Objects.requireNonNull(value, () -> "needs what the step " + step + " makes");
  }

  static String newId() {
    return UUID.randomUUID().toString();
  }

  /** Registers another user. */
  SessionGrant register(String name) throws StatusException {
    var username = run + "-" + name;
    return AuthServiceGrpc.newBlockingV2Stub(identity)
        .register(RegisterRequest.newBuilder()
            .setRequestId(newId())
            .setUsername(username)
            .setEmail(username + "@example.org")
            .setPassword(password)
            .build())
        .getSessionGrant();
  }

  /** Creates a project; returns its id. */
  String createProject(String name) throws StatusException {
    var project = Project.newBuilder().setName(name + " " + run);
    return projects.createProject(CreateProjectRequest.newBuilder().setRequestId(newId()).setProject(project).build())
        .getId();
  }

  /** Creates a task, in the project of the scenario unless it names another. */
  Task createTask(Task.Builder task) throws StatusException {
    if (task.getProjectId().isEmpty()) {
      task.setProjectId(projectId());
    }
    return tasks.createTask(CreateTaskRequest.newBuilder().setRequestId(newId()).setTask(task).build());
  }

  Task createTask(String title) throws StatusException {
    return createTask(Task.newBuilder().setTitle(title));
  }
}
