package com.dafnck.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** An error of a call, with its google.rpc details. */
public record ApiError(Status.Code code, String message, List<Any> details) {
  /** {@code error} is a StatusException or StatusRuntimeException. */
  public static ApiError of(Throwable error) {
    var status = Status.fromThrowable(error);
    var decoded = StatusProto.fromThrowable(error);
    var details = decoded == null ? List.<Any>of() : decoded.getDetailsList();
    return new ApiError(status.getCode(), status.getDescription(), details);
  }

  /** Of dafnck.common.v1.ErrorReason, without its prefix. Empty if the error does not come from the server. */
  public String reason() {
    return detail(ErrorInfo.class).map(ErrorInfo::getReason).orElse("");
  }

  public Map<String, String> metadata() {
    return detail(ErrorInfo.class).map(ErrorInfo::getMetadataMap).orElse(Map.of());
  }

  /** The invalid fields of the request. */
  public List<BadRequest.FieldViolation> violations() {
    return detail(BadRequest.class).map(BadRequest::getFieldViolationsList).orElse(List.of());
  }

  /** A detail of another type, as ResourceInfo, RetryInfo, PreconditionFailure or EditConflict. */
  public <T extends Message> Optional<T> detail(Class<T> type) {
    return details.stream().filter(detail -> detail.is(type)).findFirst().map(detail -> unpack(detail, type));
  }

  private static <T extends Message> T unpack(Any detail, Class<T> type) {
    try {
      return detail.unpack(type);
    } catch (InvalidProtocolBufferException error) {
      throw new IllegalStateException(error);
    }
  }

  /** A text for logs. */
  @Override
  public String toString() {
    var text = new StringBuilder(code + ": " + message);
    if (!reason().isEmpty()) {
      text.append("\n").append(reason()).append(" ").append(metadata());
    }
    for (var violation : violations()) {
      text.append("\n").append(violation.getField()).append(": ").append(violation.getDescription());
    }
    return text.toString();
  }
}
