package com.dafnck.conformance;

import com.dafnck.client.ApiError;
import io.grpc.Status;
import io.grpc.StatusException;
import java.util.List;
import java.util.Objects;

/** Checks what a step saw. */
final class Check {
  private Check() {}

  /** Something that may be refused. */
  @FunctionalInterface
  interface Call {
    Object run() throws Exception;
  }

  static void equal(Object actual, Object expected, String what) {
    that(Objects.equals(actual, expected), what + " is " + actual + ", not " + expected);
  }

  static void that(boolean condition, String message) {
    if (!condition) {
      throw new AssertionError(message);
    }
  }

  /** The error of a call that must fail like this. */
  static ApiError refused(Call call, Status.Code code, String reason) throws Exception {
    Object answer;
    try {
      answer = call.run();
    } catch (StatusException exception) {
      var error = ApiError.of(exception);
      equal(List.of(error.code(), error.reason()), List.of(code, reason), "the error");
      return error;
    }
    throw new AssertionError("not refused with " + reason + ": " + answer);
  }
}
