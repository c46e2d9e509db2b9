package com.dafnck.conformance;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** A TCP proxy that breaks connections. */
final class Proxy implements AutoCloseable {
  private static final int BUFFER_BYTES = 64 * 1024;

  /** Connections that clients opened. */
  final AtomicInteger connections = new AtomicInteger();
  /** Bytes that clients sent. */
  final AtomicLong sentBytes = new AtomicLong();
  private final String host;
  private final int port;
  private final ServerSocket listener = new ServerSocket(0, 0, InetAddress.getLoopbackAddress());
  private final Set<Socket> sockets = new HashSet<>();
  private boolean isRefusing;
  private boolean isHolding;

  /** {@code target} is a {@code host:port}. */
  Proxy(String target) throws IOException {
    var colon = target.lastIndexOf(':');
    host = target.substring(0, colon);
    port = Integer.parseInt(target.substring(colon + 1));
    start(this::accept);
  }

  /** The {@code host:port} to connect to. */
  String target() {
    return "localhost:" + listener.getLocalPort();
  }

  /** Ends all connections, and refuses new ones until {@code restore}. */
  synchronized void cut() throws IOException {
    isRefusing = true;
    for (var socket : sockets) {
      socket.close();
    }
    sockets.clear();
    release();
  }

  synchronized void restore() {
    isRefusing = false;
  }

  /** Keeps what the server sends until {@code release}. */
  synchronized void hold() {
    isHolding = true;
  }

  synchronized void release() {
    isHolding = false;
    notifyAll();
  }

  @Override
  public void close() throws IOException {
    listener.close();
    cut();
  }

  private void accept() throws IOException {
    while (true) {
      connect(listener.accept());
    }
  }

  private synchronized void connect(Socket client) throws IOException {
    if (isRefusing) {
      client.close();
      return;
    }
    connections.incrementAndGet();
    var server = new Socket(host, port);
    sockets.add(client);
    sockets.add(server);
    start(() -> pass(client, server, true));
    start(() -> pass(server, client, false));
  }

  private void pass(Socket source, Socket sink, boolean isToServer) throws IOException {
    try (source; sink) {
      var buffer = new byte[BUFFER_BYTES];
      for (int count; (count = source.getInputStream().read(buffer)) > 0; ) {
        if (isToServer) {
          sentBytes.addAndGet(count);
        } else {
          waitWhileHolding();
        }
        sink.getOutputStream().write(buffer, 0, count);
      }
    }
  }

  private synchronized void waitWhileHolding() {
    while (isHolding) {
      try {
        wait();
      } catch (InterruptedException error) {
        throw new IllegalStateException(error);
      }
    }
  }

  @FunctionalInterface
  private interface Work {
    void run() throws IOException;
  }

  /** Runs until a socket is closed. */
  private static void start(Work work) {
    var thread = new Thread(() -> {
      try {
        work.run();
      } catch (IOException ignored) {
        // A cut.
      }
    });
    thread.setDaemon(true);
    thread.start();
  }
}
