"""Steps about accounts and the server."""

import base64
import hashlib
import hmac
import struct
import time

import grpc

from conformance.scenario import TIMEOUT, Scenario, User, check, check_that, new_id, refused
from dafnck.common.v1 import server_info_service_pb2
from dafnck.identity.v1 import auth_service_pb2, auth_service_pb2_grpc, second_factor_pb2
from dafnck_client.connection import api_token
from dafnck_client.session import Session

TOTP_PERIOD_SECONDS = 30


def sign_up(scenario: Scenario) -> str:
    user = scenario.register("olga")
    request = auth_service_pb2.LoginRequest(login=user.name, password=scenario.password)
    grant = scenario.auth.Login(request, timeout=TIMEOUT).session_grant
    check(grant.user.id, user.id, "the user who signed in")
    scenario.user = User(scenario, user.name, grant)
    who = scenario.user.auth.WhoAmI(auth_service_pb2.WhoAmIRequest(), timeout=TIMEOUT)
    check(who.user.username, user.name, "the username of the session")
    return f"signed in as {who.user.username}"


def totp(secret: str, unix_seconds: float) -> str:
    """RFC 6238 with SHA-1, 6 digits and 30 s."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    code = hmac.new(key, struct.pack(">Q", int(unix_seconds) // TOTP_PERIOD_SECONDS), hashlib.sha1).digest()
    (number,) = struct.unpack_from(">I", code, code[-1] & 15)
    return f"{(number & 0x7FFFFFFF) % 10**6:06}"


def second_factor(scenario: Scenario) -> str:
    account = scenario.user.account
    begin = second_factor_pb2.BeginSecondFactorRequest(request_id=new_id(), password=scenario.password)
    secret = account.BeginSecondFactor(begin, timeout=TIMEOUT).secret
    confirm = second_factor_pb2.ConfirmSecondFactorRequest(request_id=new_id(), code=totp(secret, time.time()))
    codes = account.ConfirmSecondFactor(confirm, timeout=TIMEOUT).codes
    check(len(codes), 10, "the number of recovery codes")
    login = auth_service_pb2.LoginRequest(login=scenario.user.name, password=scenario.password)
    response = scenario.auth.Login(login, timeout=TIMEOUT)
    check(response.WhichOneof("result"), "second_factor_challenge", "the result of a password alone")

    def complete(proof: second_factor_pb2.SecondFactorProof) -> auth_service_pb2.SessionGrant:
        challenge = response.second_factor_challenge.challenge_token
        request = auth_service_pb2.CompleteLoginRequest(challenge_token=challenge, proof=proof)
        return scenario.auth.CompleteLogin(request, timeout=TIMEOUT)

    used = second_factor_pb2.SecondFactorProof(code=confirm.code)
    refused(lambda: complete(used), grpc.StatusCode.UNAUTHENTICATED, "SECOND_FACTOR_INVALID")
    # A code works once; the server also takes that of the next period.
    grant = complete(second_factor_pb2.SecondFactorProof(code=totp(secret, time.time() + TOTP_PERIOD_SECONDS)))
    check(grant.user.id, scenario.user.id, "the user who signed in")
    return f"signed in with a code; {len(codes)} recovery codes"


def refresh(scenario: Scenario) -> str:
    session = scenario.user.session
    old = session.tokens
    session.refresh()
    check_that(session.tokens.session_token != old.session_token, "the token is still the same")
    request = auth_service_pb2.WhoAmIRequest()
    with scenario.connect("identity", api_token(old.session_token)) as channel:
        auth = auth_service_pb2_grpc.AuthServiceStub(channel)
        refused(lambda: auth.WhoAmI(request, timeout=TIMEOUT), grpc.StatusCode.UNAUTHENTICATED, "SESSION_INVALID")
    check(scenario.user.auth.WhoAmI(request, timeout=TIMEOUT).user.id, scenario.user.id, "the user of the new token")

    other = scenario.register("nina").session.tokens
    other.expires_at.GetCurrentTime()
    expiring = Session(scenario.connect("identity"), other)
    with scenario.connect("identity", expiring.authorization) as channel:
        auth_service_pb2_grpc.AuthServiceStub(channel).WhoAmI(request, timeout=TIMEOUT)
    check_that(expiring.tokens.session_token != other.session_token, "an expiring token was not refreshed by itself")
    return "the old token is SESSION_INVALID, the new one works; an expiring one is refreshed before a call"


def server_info(scenario: Scenario) -> str:
    request = server_info_service_pb2.GetServerInfoRequest()
    info = scenario.server_info.GetServerInfo(request, timeout=TIMEOUT)
    limits = info.limits
    check_that(limits.max_page_size > 0, "max_page_size is not positive")
    check_that(limits.max_message_bytes > 0, "max_message_bytes is not positive")
    check_that(limits.max_deadline.ToTimedelta() >= limits.default_deadline.ToTimedelta(), "deadlines contradict")
    check_that("dafnck.task.v1" in info.api_packages, f"no dafnck.task.v1 among {list(info.api_packages)}")
    return f"version {info.version}, pages of {limits.max_page_size}, messages of {limits.max_message_bytes} bytes"
