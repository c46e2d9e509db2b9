"""The signature of calls of trusted back ends and operators."""

import hashlib
import hmac
import time

from dafnck_client.connection import Authorization


def signature(name: str, secret: str, path: str, unix_seconds: int) -> str:
    """The `authorization` header of one call; `path` is `/package.Service/Method`."""
    text = f"{name}|{unix_seconds}|{path}"
    code = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"Service {name}.{unix_seconds}.{code}"


def service(name: str, secret: str) -> Authorization:
    """Authorizes as a service principal, as `backend`."""
    return lambda path: signature(name, secret, path, int(time.time()))
