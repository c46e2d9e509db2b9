package com.dafnck.conformance;

import build.buf.protovalidate.ValidatorFactory;
import build.buf.validate.FieldPathElement;
import com.dafnck.client.Authorization;
import com.dafnck.client.ServiceSignature;
import com.dafnck.common.v1.CodeDelivery;
import com.dafnck.identity.backend.v1.AccountCode;
import com.dafnck.identity.backend.v1.AccountCodeServiceGrpc;
import com.dafnck.identity.backend.v1.CreateEmailVerificationCodeRequest;
import com.dafnck.identity.v1.VerifyEmailRequest;
import com.dafnck.project.v1.CreateProjectRequest;
import com.dafnck.project.v1.GetProjectRequest;
import com.dafnck.project.v1.Project;
import com.dafnck.project.v1.ProjectServiceGrpc;
import com.dafnck.task.v1.CreateTaskRequest;
import com.dafnck.task.v1.Task;
import com.google.gson.FieldNamingPolicy;
import com.google.gson.GsonBuilder;
import com.google.protobuf.Duration;
import com.google.rpc.BadRequest;
import com.google.rpc.ResourceInfo;
import io.grpc.Status;
import io.grpc.StatusException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** Steps about errors, broken connections and signatures. */
final class FailureSteps {
  private FailureSteps() {}

  static String validationErrors(Suite suite) throws Exception {
    var task = Task.newBuilder()
        .setProjectId(suite.projectId())
        .setTitle("t".repeat(256))
        .setEstimatedDuration(Duration.newBuilder().setSeconds(59));
    var request = CreateTaskRequest.newBuilder().setRequestId("no-uuid").setTask(task).build();
    var fields = List.of("request_id", "task.estimated_duration", "task.title");
    var error = Check.refused(
        () -> suite.tasks.createTask(request), Status.Code.INVALID_ARGUMENT, "INVALID_FIELDS");
    var refused = error.violations().stream().map(BadRequest.FieldViolation::getField).sorted().toList();
    Check.equal(refused, fields, "the fields that the server refuses");

    var violations = ValidatorFactory.newBuilder().build().validate(request).toProto().getViolationsList();
    var invalid = violations.stream()
        .map(violation -> violation.getField().getElementsList().stream()
            .map(FieldPathElement::getFieldName)
            .collect(Collectors.joining(".")))
        .sorted()
        .toList();
    Check.equal(invalid, fields, "the fields that protovalidate refuses");
    return String.join(", ", fields);
  }

  static String notFoundAndDenied(Suite suite) throws Exception {
    var grant = suite.register("mallory");
    var anonymous = ProjectServiceGrpc.newBlockingV2Stub(suite.project);
    var stranger = anonymous.withCallCredentials(
        Authorization.bearer(grant.getTokens().getSessionToken()).credentials());
    var get = GetProjectRequest.newBuilder().setProjectId(suite.projectId()).build();
    var error = Check.refused(() -> stranger.getProject(get), Status.Code.NOT_FOUND, "RESOURCE_NOT_FOUND");
    var resource = error.detail(ResourceInfo.class).map(ResourceInfo::getResourceName).orElse("");
    Check.equal(resource, suite.projectId(), "the resource");

    var create = CreateProjectRequest.newBuilder().setProject(Project.newBuilder().setName("Nobody's")).build();
    Check.refused(() -> anonymous.createProject(create), Status.Code.UNAUTHENTICATED, "SESSION_REQUIRED");
    return "NOT_FOUND for a stranger, SESSION_REQUIRED without a token";
  }

  static String deadline(Suite suite) throws Exception {
    try (var proxy = new Proxy(Suite.address("task"))) {
      var tasks = suite.tasksAt(proxy.target());
      var list = TaskSteps.listOf(suite.projectId());
      var before = tasks.listTasks(list);
      proxy.hold();
      var hasty = tasks.withDeadlineAfter(200, TimeUnit.MILLISECONDS);
      Check.refused(() -> hasty.listTasks(list), Status.Code.DEADLINE_EXCEEDED, "");
      proxy.release();
      Check.equal(tasks.listTasks(list), before, "the tasks afterwards");
      Check.equal(proxy.connections.get(), 1, "the number of connections");
      return "DEADLINE_EXCEEDED after 200 ms, then the same connection answered";
    }
  }

  static String retryAfterUnavailable(Suite suite) throws Exception {
    var projectId = suite.createProject("Retry");
    var list = TaskSteps.listOf(projectId);
    Callable<List<String>> listed = () -> TaskSteps.ids(suite.tasks.listTasks(list).getTasksList());
    try (var proxy = new Proxy(Suite.address("task"))) {
      var tasks = suite.tasksAt(proxy.target());
      // The connection is open before the response is held.
      tasks.listTasks(list);
      proxy.hold();
      var task = Task.newBuilder().setProjectId(projectId).setTitle("Exactly once");
      var request = CreateTaskRequest.newBuilder().setRequestId(Suite.newId()).setTask(task).build();
      var call = new FutureTask<>(() -> tasks.createTask(request));
      new Thread(call).start();
      while (listed.call().isEmpty() && !call.isDone()) {
        Thread.onSpinWait();
      }
      proxy.cut();
      proxy.restore();
      Check.equal(listed.call(), List.of(call.get().getId()), "the tasks after the retry");
      Check.equal(proxy.connections.get(), 2, "the number of connections");
    }
    return "the response was lost, the retry returned the same task";
  }

  private record SignatureVector(
      String name, String privateKey, long unixSeconds, String nonce, String path, String authorization) {}

  static String serviceSignature(Suite suite) throws Exception {
    var gson = new GsonBuilder().setFieldNamingPolicy(FieldNamingPolicy.LOWER_CASE_WITH_UNDERSCORES).create();
    var json = Files.readString(Path.of("../signature_vectors.json"));
    var vectors = gson.fromJson(json, SignatureVector[].class);
    Check.that(vectors.length > 0, "there are no vectors");
    for (var vector : vectors) {
      var signature = ServiceSignature.of(vector.name, vector.privateKey);
      var header = signature.headerAt(vector.path, vector.unixSeconds, HexFormat.of().parseHex(vector.nonce));
      Check.equal(header, vector.authorization, "the signature of " + vector.name);
    }
    var key = System.getenv("DAFNCK_BACKEND_KEY");
    if (key == null) {
      return vectors.length + " vectors; no key, no call";
    }

    var code = createCode(suite, ServiceSignature.of("backend", key));
    var verify = VerifyEmailRequest.newBuilder().setRequestId(Suite.newId()).setCode(code.getCode()).build();
    Check.equal(suite.account.verifyEmail(verify).getEmail(), suite.email, "the verified address");
    var forged = ServiceSignature.of("operator", key);
    Check.refused(() -> createCode(suite, forged), Status.Code.UNAUTHENTICATED, "SESSION_INVALID");
    return vectors.length + " vectors, and a call as the principal backend";
  }

  private static AccountCode createCode(Suite suite, ServiceSignature signature) throws StatusException {
    return AccountCodeServiceGrpc.newBlockingV2Stub(suite.identity)
        .withCallCredentials(signature.credentials())
        .createEmailVerificationCode(CreateEmailVerificationCodeRequest.newBuilder()
            .setUserId(suite.userId())
            .setDelivery(CodeDelivery.CODE_DELIVERY_RESPONSE)
            .build());
  }
}
