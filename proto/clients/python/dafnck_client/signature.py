"""The signature of calls of trusted back ends and operators."""

import secrets
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from dafnck_client.connection import Authorization


def private_key(pem: str) -> Ed25519PrivateKey:
    """The key of a principal, as `openssl genpkey -algorithm ed25519` writes it."""
    key = load_pem_private_key(pem.encode(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("the key is not one of Ed25519")
    return key


def signature(name: str, key: Ed25519PrivateKey, path: str, unix_seconds: int, nonce: bytes) -> str:
    """The `authorization` header of one call; `path` is `/package.Service/Method`, `nonce` 16 random bytes."""
    text = f"dafnck-call|{name}|{unix_seconds}|{nonce.hex()}|{path}"
    return f"Service {name}.{unix_seconds}.{nonce.hex()}.{key.sign(text.encode()).hex()}"


def service(name: str, key: Ed25519PrivateKey) -> Authorization:
    """Authorizes as a service principal, as `backend`."""
    return lambda path: signature(name, key, path, int(time.time()), secrets.token_bytes(16))
