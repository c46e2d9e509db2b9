package com.dafnck.conformance;

import com.dafnck.client.AttachmentFiles;
import com.dafnck.client.TaskWatch;
import com.dafnck.content.v1.Comment;
import com.dafnck.content.v1.CommentEventFilter;
import com.dafnck.content.v1.ContentTarget;
import com.dafnck.content.v1.CreateCommentRequest;
import com.dafnck.content.v1.CreateUploadRequest;
import com.dafnck.content.v1.DownloadAttachmentRequest;
import com.dafnck.content.v1.GetUploadRequest;
import com.dafnck.content.v1.ListCommentsRequest;
import com.dafnck.content.v1.Upload;
import com.dafnck.content.v1.UploadChunksHeader;
import com.dafnck.content.v1.UploadChunksRequest;
import com.dafnck.content.v1.UploadState;
import com.dafnck.content.v1.WatchCommentsRequest;
import com.dafnck.project.v1.GetProjectRequest;
import com.dafnck.task.v1.DeleteTaskRequest;
import com.dafnck.task.v1.Task;
import com.dafnck.task.v1.TaskEvent;
import com.dafnck.task.v1.UpdateTaskRequest;
import com.dafnck.task.v1.WatchTasksRequest;
import com.google.protobuf.ByteString;
import io.grpc.Status;
import io.grpc.StatusException;
import java.io.ByteArrayOutputStream;
import java.nio.file.Files;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;

/** Steps about streams. */
final class StreamSteps {
  private static final int ROUNDS = 5;
  private static final int FILE_BYTES = 3_000_000;
  private static final int CHUNK_BYTES = 100_000;
  private static final long POLL_INTERVAL_MILLISECONDS = 10;
  private static final long STORE_TIMEOUT_SECONDS = 30;

  private StreamSteps() {}

  static String watchResume(Suite suite) throws Exception {
    var projectId = suite.createProject("Watch");
    var request = WatchTasksRequest.newBuilder().setProjectId(projectId).build();
    var seen = new ArrayList<String>();
    var expected = new ArrayList<String>();
    try (var proxy = new Proxy(Suite.address("task"));
        var watch = new TaskWatch(suite.tasksAt(proxy.target()), request)) {
      // The first response comes at once; the changes begin after it.
      Check.equal(watch.next().getEventsCount(), 0, "the events of the first response");
      for (var round = 0; round < ROUNDS; round++) {
        var id = suite.createTask(Task.newBuilder().setProjectId(projectId).setTitle("Watched")).getId();
        if (round % 2 == 0) {
          follow(watch, seen, expected.size() + 1);
        }
        if (round == 2) {
          suite.session().refresh();
        } else {
          proxy.cut();
        }
        var change = Task.newBuilder().setId(id).setTitle("Changed");
        suite.tasks.updateTask(UpdateTaskRequest.newBuilder().setTask(change).build());
        suite.tasks.deleteTask(DeleteTaskRequest.newBuilder().setTaskId(id).build());
        proxy.restore();
        for (var kind : List.of("CREATED", "UPDATED", "DELETED")) {
          expected.add(id + " CHANGE_KIND_" + kind);
        }
        follow(watch, seen, expected.size());
      }
      Check.equal(seen, expected, "what the watch saw");
      Check.equal(proxy.connections.get(), ROUNDS, "the number of connections");
    }
    return seen.size() + " events over " + ROUNDS + " connections and a refresh";
  }

  private static void follow(TaskWatch watch, List<String> seen, int count) throws Exception {
    while (seen.size() < count) {
      watch.next().getEventsList().stream().map(StreamSteps::describe).forEach(seen::add);
    }
  }

  private static String describe(TaskEvent event) {
    return event.getChange().getResourceId() + " " + event.getChange().getKind();
  }

  static String uploadResume(Suite suite) throws Exception {
    var bytes = new byte[FILE_BYTES];
    new Random().nextBytes(bytes);
    var target = ContentTarget.newBuilder().setTaskId(suite.createTask("Film").getId()).build();
    var path = Files.createTempFile("film", ".bin");
    try {
      Files.write(path, bytes);
      var requestId = Suite.newId();
      var wanted = Upload.newBuilder()
          .setTarget(target)
          .setFilename(path.getFileName().toString())
          .setSize(FILE_BYTES);
      var upload = suite.attachments.createUpload(
          CreateUploadRequest.newBuilder().setRequestId(requestId).setUpload(wanted).build());

      var stored = sendHalf(suite, upload.getId(), bytes);
      var attachment = AttachmentFiles.upload(suite.attachments, requestId, target, path);
      var completed = get(suite, upload.getId());
      Check.equal(completed.getState(), UploadState.UPLOAD_STATE_COMPLETED, "the state");
      Check.equal(completed.getAttachmentId(), attachment.getId(), "the attachment");
      Check.equal(attachment.getFileSize(), (long) FILE_BYTES, "the size");
      Check.equal(attachment.getSha256(), sha256(bytes), "the SHA-256");
      suite.setFilm(new Suite.Film(attachment.getId(), bytes));
      return "cut with " + stored + " of " + FILE_BYTES + " bytes stored";
    } finally {
      Files.delete(path);
    }
  }

  private static Upload get(Suite suite, String uploadId) throws StatusException {
    return suite.attachments.getUpload(GetUploadRequest.newBuilder().setUploadId(uploadId).build());
  }

  /** Sends half of the bytes over a connection that is cut then; returns how many are stored. */
  private static long sendHalf(Suite suite, String uploadId, byte[] bytes) throws Exception {
    try (var proxy = new Proxy(Suite.address("content"))) {
      var call = suite.attachmentsAt(proxy.target()).uploadChunks();
      var header = UploadChunksHeader.newBuilder().setUploadId(uploadId);
      call.write(UploadChunksRequest.newBuilder().setHeader(header).build());
      for (var at = 0; at < FILE_BYTES / 2; at += CHUNK_BYTES) {
        var chunk = ByteString.copyFrom(bytes, at, CHUNK_BYTES);
        Check.that(call.write(UploadChunksRequest.newBuilder().setChunk(chunk).build()), "the stream has ended");
      }
      while (proxy.sentBytes.get() < FILE_BYTES / 2) {
        Thread.sleep(POLL_INTERVAL_MILLISECONDS);
      }
      proxy.cut();
      Check.refused(call::read, Status.Code.UNAVAILABLE, "");
    }
    // The server stores what it has when it notices the cut.
    for (var deadline = Instant.now().plusSeconds(STORE_TIMEOUT_SECONDS); ; ) {
      var stored = get(suite, uploadId).getCommittedOffset();
      Check.that(stored <= FILE_BYTES / 2, "more is stored than was sent: " + stored);
      if (stored > 0) {
        return stored;
      }
      Check.that(Instant.now().isBefore(deadline), "no bytes are stored");
      Thread.sleep(POLL_INTERVAL_MILLISECONDS);
    }
  }

  private static String sha256(byte[] bytes) throws Exception {
    return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
  }

  static String downloadChecksum(Suite suite) throws Exception {
    var path = Files.createTempFile("film", ".bin");
    try {
      var attachment = AttachmentFiles.download(suite.attachments, suite.film().id(), path);
      Check.equal(attachment.getSha256(), sha256(suite.film().bytes()), "the SHA-256");
      Check.that(Arrays.equals(Files.readAllBytes(path), suite.film().bytes()), "other bytes were downloaded");
    } finally {
      Files.delete(path);
    }

    var offset = 1_234_567;
    var length = 654_321;
    var call = suite.attachments.downloadAttachment(DownloadAttachmentRequest.newBuilder()
        .setAttachmentId(suite.film().id())
        .setOffset(offset)
        .setLength(length)
        .build());
    var range = new ByteArrayOutputStream();
    while (call.hasNext()) {
      call.read().getChunk().writeTo(range);
    }
    var expected = Arrays.copyOfRange(suite.film().bytes(), offset, offset + length);
    Check.that(Arrays.equals(range.toByteArray(), expected), "the range has other bytes");
    return FILE_BYTES + " bytes, and " + length + " from " + offset + " on";
  }

  static String comments(Suite suite) throws Exception {
    var target = ContentTarget.newBuilder().setTaskId(suite.createTask("Discuss").getId()).build();
    var watch = suite.comments.watchComments(WatchCommentsRequest.newBuilder()
        .setProjectId(suite.projectId())
        .setFilter(CommentEventFilter.newBuilder().addTargets(target))
        .build());
    // The first response comes at once; the comments are written after it.
    Check.equal(watch.read().getEventsCount(), 0, "the events of the first response");

    var asked = write(suite, Comment.newBuilder().setTarget(target).setContent("Why?"));
    var text = "Because, @" + suite.username + ".";
    var answer = write(suite, Comment.newBuilder().setParentId(asked.getId()).setContent(text));
    Check.equal(List.copyOf(answer.getMentionedUserIdsList()), List.of(suite.userId()), "the mentioned users");
    var listed = suite.comments.listComments(ListCommentsRequest.newBuilder().setTarget(target).build());
    var contents = listed.getCommentsList().stream().map(Comment::getContent).toList();
    Check.equal(contents, List.of("Why?", text), "the list");
    var seen = new ArrayList<String>();
    while (seen.size() < 2) {
      watch.read().getEventsList().forEach(event -> seen.add(event.getChange().getResourceId()));
    }
    watch.cancel("enough", null);
    Check.equal(seen, List.of(asked.getId(), answer.getId()), "what the watch saw");
    return "a comment and a reply, listed and watched";
  }

  private static Comment write(Suite suite, Comment.Builder comment) throws StatusException {
    return suite.comments.createComment(
        CreateCommentRequest.newBuilder().setRequestId(Suite.newId()).setComment(comment).build());
  }

  static String cancellation(Suite suite) throws Exception {
    var call = suite.tasks.watchTasks(WatchTasksRequest.newBuilder().setProjectId(suite.projectId()).build());
    Check.that(!call.read().getResumeToken().isEmpty(), "the first response has no token");
    call.cancel("enough", null);
    Check.refused(call::read, Status.Code.CANCELLED, "");
    var project = suite.projects.getProject(GetProjectRequest.newBuilder().setProjectId(suite.projectId()).build());
    Check.equal(project.getId(), suite.projectId(), "the project");
    var listed = suite.tasks.listTasks(TaskSteps.listOf(suite.projectId()));
    Check.that(listed.getTasksCount() > 0, "there are no tasks");
    return "CANCELLED, then another call";
  }
}
