"""A TCP proxy that breaks connections on purpose."""

import contextlib
import socket
import threading

BUFFER_BYTES = 64 * 1024


class Proxy:
    """Passes bytes between a port of loopback and a server."""

    def __init__(self, target: str):
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._open = True
        # Set while bytes from the server may pass.
        self._answering = threading.Event()
        self._answering.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"localhost:{self._listener.getsockname()[1]}"
        # Bytes to the server, and connections, so far.
        self.sent = 0
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def hold_answers(self) -> None:
        """Keeps back what the server sends."""
        self._answering.clear()

    def release_answers(self) -> None:
        """Passes on what was kept back."""
        self._answering.set()

    def cut(self) -> None:
        """Breaks all connections and accepts no others."""
        with self._lock:
            self._open = False
            pairs, self._pairs = self._pairs, set()
        for end in (end for pair in pairs for end in pair):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        # What was kept back is lost with its connection.
        self.release_answers()

    def restore(self) -> None:
        """Accepts connections again."""
        with self._lock:
            self._open = True

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            with self._lock:
                if not self._open:
                    client.close()
                    continue
                server = socket.create_connection(self._target)
                pair = (client, server)
                self._pairs.add(pair)
                self.connections += 1
            threading.Thread(target=self._pass_on, args=(client, server, pair, True), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, pair, False), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, pair: tuple, to_server: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(BUFFER_BYTES):
                if not to_server:
                    self._answering.wait()
                with self._lock:
                    if pair not in self._pairs:
                        break
                    self.sent += len(data) if to_server else 0
                sink.sendall(data)
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
