package com.dafnck.client;

import io.grpc.CallCredentials;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusException;
import java.util.concurrent.Executor;

/** The value of the {@code authorization} header of a call. */
@FunctionalInterface
public interface Authorization {
  Metadata.Key<String> HEADER = Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  /** {@code path} is {@code /package.Service/Method}. */
  String header(String path) throws StatusException;

  /** Sends an API token. A session is a {@link Session}, a service a {@link ServiceSignature}. */
  static Authorization bearer(String token) {
    return path -> "Bearer " + token;
  }

  /** For the {@code withCallCredentials} of a stub. Each attempt of a call asks for its header. */
  default CallCredentials credentials() {
    return new CallCredentials() {
      @Override
      public void applyRequestMetadata(RequestInfo info, Executor executor, MetadataApplier applier) {
        executor.execute(() -> {
          try {
            var headers = new Metadata();
            headers.put(HEADER, header("/" + info.getMethodDescriptor().getFullMethodName()));
            applier.apply(headers);
          } catch (StatusException error) {
            applier.fail(error.getStatus());
          } catch (RuntimeException error) {
            applier.fail(Status.UNAUTHENTICATED.withCause(error));
          }
        });
      }
    };
  }
}
