"""What a client in another language needs to call the suite: plain reflection, no generated stub.

The private key of each principal that calls is in KEY_<name>, in PEM.
"""

import base64
import hashlib
import hmac
import os
import secrets
import struct
import time

import grpc
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

DEADLINE_SECONDS = 20


def channel_to(address):
    """With the certificate of an operator, where connections are encrypted."""
    folder = os.environ.get("CERTIFICATES")
    if folder is None:
        return grpc.insecure_channel(address)
    ca, key, certificate = (
        open(os.path.join(folder, name), "rb").read() for name in ("ca.pem", "operator.key", "operator.pem")
    )
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(ca, key, certificate))


class Service:
    """Methods of the services at one address, found by reflection."""

    def __init__(self, address, package):
        self.channel = channel_to(address)
        database = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = descriptor_pool.DescriptorPool(database)
        self.names = [name for name in database.get_services() if name.startswith(package)]
        self.package = package

    def call(self, method, /, token=None, principal=None, **fields):
        """Calls `Service/Method` and answers with a message, or several; fields are those of the request as JSON."""
        service, name = method.split("/")
        privileged = ".admin.v1" if "AdminService" in method else ".backend.v1"
        package = self.package + (privileged if principal else ".v1")
        found = self.pool.FindServiceByName(f"{package}.{service}").methods_by_name[name]
        request = json_format.ParseDict(fields, message_factory.GetMessageClass(found.input_type)())
        path = f"/{package}.{service}/{name}"
        invoke = (self.channel.unary_stream if found.server_streaming else self.channel.unary_unary)(
            path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(found.output_type).FromString,
        )
        metadata = [("authorization", f"Bearer {token}")] if token else []
        if principal:
            metadata = [("authorization", signed(principal, path))]
        return invoke(request, metadata=metadata, timeout=DEADLINE_SECONDS)

    def refused(self, method, expected, /, **arguments):
        """Calls and expects this refusal."""
        try:
            self.call(method, **arguments)
        except grpc.RpcError as error:
            assert error.code().name == expected, f"{method}: {error.code().name}: {error.details()}"
            return
        raise AssertionError(f"{method} was not refused")


def signed(name, path):
    """As proto/README.md says services sign their calls."""
    seconds, nonce = int(time.time()), secrets.token_hex(16)
    key = load_pem_private_key(os.environ[f"KEY_{name}"].encode(), None)
    signature = key.sign(f"dafnck-call|{name}|{seconds}|{nonce}|{path}".encode()).hex()
    return f"Service {name}.{seconds}.{nonce}.{signature}"


def totp(secret, step):
    """The code of an authenticator app (RFC 6238)."""
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def current_step():
    return int(time.time()) // 30
