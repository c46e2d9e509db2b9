"""A signed-in user."""

import threading
import time

import grpc

from dafnck.identity.v1 import auth_service_pb2, auth_service_pb2_grpc

REFRESH_BEFORE_EXPIRY_SECONDS = 60
REFRESH_TIMEOUT_SECONDS = 10


class Session:
    """The tokens of a session, which are exchanged before they expire. Threads may share it."""

    def __init__(self, identity: grpc.Channel, tokens: auth_service_pb2.SessionTokens):
        """`identity` is a channel without authorization."""
        self._auth = auth_service_pb2_grpc.AuthServiceStub(identity)
        self._lock = threading.Lock()
        self._tokens = tokens

    @property
    def tokens(self) -> auth_service_pb2.SessionTokens:
        with self._lock:
            return self._tokens

    def authorization(self, path: str) -> str:
        """The `authorization` header of a call now; see `connect`."""
        with self._lock:
            if self._tokens.expires_at.seconds - time.time() < REFRESH_BEFORE_EXPIRY_SECONDS:
                self._refresh()
            return f"Bearer {self._tokens.session_token}"

    def refresh(self) -> None:
        """Exchanges the tokens. Streams that the former token opened end; `watch` opens them again."""
        with self._lock:
            self._refresh()

    def _refresh(self) -> None:
        request = auth_service_pb2.RefreshSessionRequest(refresh_token=self._tokens.refresh_token)
        self._tokens = self._auth.RefreshSession(request, timeout=REFRESH_TIMEOUT_SECONDS).tokens
