package com.dafnck.client;

import com.dafnck.task.v1.TaskServiceGrpc.TaskServiceBlockingV2Stub;
import com.dafnck.task.v1.WatchTasksRequest;
import com.dafnck.task.v1.WatchTasksResponse;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * Follows the tasks of a project. It gives each event once and in order, across broken connections, restarts, refreshed
 * sessions and the end of streams. To continue in another process, store the resume token of the last response whose
 * events were applied.
 */
public final class TaskWatch implements AutoCloseable {
  private static final long FIRST_RETRY_DELAY_MILLISECONDS = 100;
  private static final long MAX_RETRY_DELAY_MILLISECONDS = 30_000;
  /** After OUT_OF_RANGE the token is too old: read everything again and watch without it. */
  private static final Set<Status.Code> FINAL_CODES = Set.of(
      Status.Code.NOT_FOUND,
      Status.Code.PERMISSION_DENIED,
      Status.Code.INVALID_ARGUMENT,
      Status.Code.OUT_OF_RANGE,
      Status.Code.UNIMPLEMENTED,
      Status.Code.CANCELLED);

  private final TaskServiceBlockingV2Stub tasks;
  private WatchTasksRequest request;
  private BlockingClientCall<?, WatchTasksResponse> call;
  private long delay = FIRST_RETRY_DELAY_MILLISECONDS;
  private boolean hasResponded;

  public TaskWatch(TaskServiceBlockingV2Stub tasks, WatchTasksRequest request) {
    this.tasks = tasks;
    this.request = request;
  }

  /** Waits for the next response; one without events comes at least every 5 s. */
  public WatchTasksResponse next() throws StatusException, InterruptedException {
    while (true) {
      var response = read();
      if (response != null) {
        request = request.toBuilder().setResumeToken(response.getResumeToken()).build();
        delay = FIRST_RETRY_DELAY_MILLISECONDS;
        hasResponded = true;
        return response;
      }
      call = null;
      TimeUnit.MILLISECONDS.sleep(delay);
      delay = Math.min(2 * delay, MAX_RETRY_DELAY_MILLISECONDS);
    }
  }

  /** Null when the stream has ended and another one may continue. */
  private WatchTasksResponse read() throws StatusException, InterruptedException {
    try {
      if (call == null) {
        hasResponded = false;
        call = tasks.watchTasks(request);
      }
      return call.read();
    } catch (StatusException error) {
      var code = error.getStatus().getCode();
      // A stream ends with the token that opened it; the next one uses the refreshed token.
      if (code == Status.Code.UNAUTHENTICATED ? !hasResponded : FINAL_CODES.contains(code)) {
        throw error;
      }
      return null;
    }
  }

  @Override
  public void close() {
    if (call != null) {
      call.cancel("closed", null);
    }
  }
}
