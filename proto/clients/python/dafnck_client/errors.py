"""The details of errors."""

from typing import TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

Detail = TypeVar("Detail", bound=Message)


def find_detail(error: grpc.RpcError, kind: type[Detail]) -> Detail | None:
    """The error's detail of this type, as `google.rpc.BadRequest`."""
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        if detail.Is(kind.DESCRIPTOR):
            message = kind()
            detail.Unpack(message)
            return message
    return None


def reason_of(error: grpc.RpcError) -> str:
    """The name of a `dafnck.common.v1.ErrorReason` without its prefix; empty if the error is not from the suite."""
    info = find_detail(error, error_details_pb2.ErrorInfo)
    return info.reason if info else ""


def explain(error: grpc.RpcError) -> str:
    """The error as text, with its reason and all violations."""
    lines = [f"{error.code().name}: {error.details()}"]
    if info := find_detail(error, error_details_pb2.ErrorInfo):
        lines.append(f"{info.reason} {dict(info.metadata)}")
    if bad := find_detail(error, error_details_pb2.BadRequest):
        lines += [f"{violation.field}: {violation.description}" for violation in bad.field_violations]
    return "\n".join(lines)
