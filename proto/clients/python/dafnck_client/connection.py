"""Channels, with retries, TLS and the `authorization` header."""

import typing
from collections.abc import Callable

import grpc

# Gives the value of the `authorization` header for a call of `/package.Service/Method`.
Authorization = Callable[[str], str]


class _CallDetails(typing.NamedTuple):
    """What an interceptor passes on; grpc asks for these attributes and has no constructor for them."""

    method: str
    timeout: float | None
    metadata: list[tuple[str, str | bytes]]
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class _AuthorizationInterceptor(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    def __init__(self, authorization: Authorization):
        self._authorization = authorization

    def _intercept(self, continuation, details, request):
        header = ("authorization", self._authorization(details.method))
        return continuation(
            _CallDetails(
                details.method,
                details.timeout,
                [*(details.metadata or ()), header],
                details.credentials,
                details.wait_for_ready,
                details.compression,
            ),
            request,
        )

    intercept_unary_unary = intercept_unary_stream = _intercept
    intercept_stream_unary = intercept_stream_stream = _intercept


def connect(
    target: str,
    service_config: str,
    authorization: Authorization | None = None,
    credentials: grpc.ChannelCredentials | None = None,
    plaintext: bool = False,
) -> grpc.Channel:
    """Opens a channel to `host:port`.

    `service_config` is the text of `service_config.json`. Without `credentials`, servers are checked against the
    certificate authorities that grpcio brings along; `plaintext` is for the local suite.
    """
    options = [("grpc.service_config", service_config)]
    if plaintext:
        channel = grpc.insecure_channel(target, options)
    else:
        channel = grpc.secure_channel(target, credentials or grpc.ssl_channel_credentials(), options)
    return grpc.intercept_channel(channel, _AuthorizationInterceptor(authorization)) if authorization else channel


def api_token(token: str) -> Authorization:
    """Authorizes with an API token."""
    return lambda path: f"Bearer {token}"
