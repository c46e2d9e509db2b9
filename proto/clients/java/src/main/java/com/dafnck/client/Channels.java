package com.dafnck.client;

import com.google.gson.Gson;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Opens channels with retries, deadlines and keepalive. */
public final class Channels {
  private static final Duration DEADLINE = Duration.ofSeconds(5);
  /** Life of a stream on the server. */
  private static final Duration STREAM_DEADLINE = Duration.ofHours(1);
  /** An open stream whose connection is dead is noticed after this time. */
  private static final long KEEPALIVE_SECONDS = 30;

  private Channels() {}

  /**
   * Connects to {@code host:port}. The credentials are {@code TlsChannelCredentials.create()} for the certificate
   * authorities of the JVM, or {@code InsecureChannelCredentials.create()} for a local suite without TLS.
   */
  public static ManagedChannel connect(String target, ChannelCredentials credentials) {
    return connect(target, credentials, DEADLINE);
  }

  /** {@code deadline} is that of unary calls, for all of their attempts together: at most 30 s. */
  public static ManagedChannel connect(String target, ChannelCredentials credentials, Duration deadline) {
    return Grpc.newChannelBuilder(target, credentials)
        .defaultServiceConfig(serviceConfig())
        .enableRetry()
        .keepAliveTime(KEEPALIVE_SECONDS, TimeUnit.SECONDS)
        .intercept(new DeadlineInterceptor(deadline))
        .build();
  }

  /** The policy of ../service_config.json, which the build puts among the resources. */
  private static Map<String, ?> serviceConfig() {
    try (var resource = Channels.class.getResourceAsStream("/service_config.json")) {
      return new Gson().<Map<String, ?>>fromJson(new InputStreamReader(resource, StandardCharsets.UTF_8), Map.class);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** Gives a deadline to calls that have none. */
  private record DeadlineInterceptor(Duration deadline) implements ClientInterceptor {
    @Override
    public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
      var isUnary = method.getType() == MethodDescriptor.MethodType.UNARY;
      var millis = (isUnary ? deadline : STREAM_DEADLINE).toMillis();
      var hasDeadline = options.getDeadline() != null;
      return next.newCall(method, hasDeadline ? options : options.withDeadlineAfter(millis, TimeUnit.MILLISECONDS));
    }
  }
}
