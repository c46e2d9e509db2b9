"""A client in another language: goes through the flows of identity over plain reflection, with no generated stub.

Arguments: the address of identity, and of project.
Prints the name of each flow that held, and ends with the first that does not.
"""

import sys
import time
import uuid

from google.protobuf import json_format

from client_wire import Service, current_step, totp

FIRST, LAST, PLACE = "Ольга", "Δημητρίου-李 🚀", "Gdańsk, Główne Miasto"


class Olga:
    """Goes through the flows, one after another."""

    password = "pass-фраза long enough"

    def __init__(self, identity, project):
        self.identity, self.project = identity, project

    def login(self, password=None):
        return self.identity.call("AuthService/Login", login="olga", password=password or self.password)

    def works(self, token):
        self.identity.call("AuthService/WhoAmI", token=token)
        self.project.call("ProjectService/ListProjects", token=token)

    def register(self):
        request = dict(request_id=str(uuid.uuid4()), email="Olga@Example.org", username="olga")
        request.update(password=self.password, first_name=FIRST, last_name=LAST)
        first = self.identity.call("AuthService/Register", **request)
        again = self.identity.call("AuthService/Register", **request)
        assert first.user.id == again.user.id and first.user.email == "olga@example.org"
        assert (first.user.first_name, first.user.last_name) == (FIRST, LAST)
        self.id, self.token = first.user.id, first.tokens.session_token
        self.works(self.token)
        self.identity.refused("AuthService/Register", "INVALID_ARGUMENT", email="x", username="ö", password="")

    def sign_up(self):
        self.identity.call("AuthService/BeginSignUp", email="nobody@example.org")
        self.identity.call("AuthService/BeginSignUp", email="olga@example.org")
        code = self.code("SignUp", email="Ina@Example.org")
        request = dict(request_id=str(uuid.uuid4()), code=code, username="ina", password=self.password)
        self.identity.refused("AuthService/CompleteSignUp", "ALREADY_EXISTS", **dict(request, username="olga"))
        first = self.identity.call("AuthService/CompleteSignUp", **request)
        again = self.identity.call("AuthService/CompleteSignUp", **request)
        assert first.user.id == again.user.id and first.user.email_verified
        self.works(first.tokens.session_token)
        other = dict(request, request_id=str(uuid.uuid4()))
        self.identity.refused("AuthService/CompleteSignUp", "FAILED_PRECONDITION", **other)

    def profile(self):
        profile = dict(user_id=self.id, location=PLACE, bio="мост 🌉")
        answer = self.identity.call(
            "AccountService/UpdateUserProfile", token=self.token, profile=profile, update_mask="location,bio"
        )
        assert (answer.location, answer.bio) == (PLACE, "мост 🌉")
        stale = dict(id=self.id, etag=answer.etag + "x", first_name="Ola")
        update = dict(token=self.token, user=stale, update_mask="firstName")
        self.identity.refused("AccountService/UpdateUser", "ABORTED", **update)
        update["user"]["etag"] = self.identity.call("AccountService/GetUser", token=self.token, user_id=self.id).etag
        update["user"]["first_name"] = FIRST
        assert self.identity.call("AccountService/UpdateUser", **update).first_name == FIRST
        read = self.identity.call("AccountService/GetUserProfile", token=self.token, user_id=self.id)
        assert (read.location, read.etag) == (PLACE, answer.etag)
        named = self.identity.call("UserService/BatchGetUsers", token=self.token, user_ids=[self.id, str(uuid.uuid4())])
        assert [user.username for user in named.users] == ["olga"]
        found = self.identity.call("UserService/LookupUser", token=self.token, username="olga")
        assert (found.first_name, found.last_name) == (FIRST, LAST)

    def sign_in_and_out(self):
        self.identity.refused("AuthService/Login", "UNAUTHENTICATED", login="olga", password="wrong password")
        other = self.identity.call("AuthService/Login", login="OLGA@example.org", password=self.password)
        self.works(other.tokens.session_token)
        self.identity.call("AuthService/Logout", token=other.tokens.session_token)
        self.identity.refused("AuthService/WhoAmI", "UNAUTHENTICATED", token=other.tokens.session_token)

    def refresh(self):
        former = self.login().tokens
        first, second = (
            self.identity.call("AuthService/RefreshSession", refresh_token=former.refresh_token).tokens
            for _ in range(2)
        )
        assert first.session_token == second.session_token != former.session_token
        self.works(first.session_token)
        self.identity.refused("AuthService/WhoAmI", "UNAUTHENTICATED", token=former.session_token)

    def sessions(self):
        other = self.login()
        listed = self.identity.call("AccountService/ListSessions", token=self.token, page_size=1)
        assert len(listed.sessions) == 1 and listed.next_page_token
        assert listed.sessions[0].id == other.session.id
        assert listed.sessions[0].user_agent.startswith("grpc-python")
        self.identity.call("AccountService/RevokeSession", token=self.token, session_id=other.session.id)
        self.identity.refused("AuthService/WhoAmI", "UNAUTHENTICATED", token=other.tokens.session_token)
        self.login()
        others = self.identity.call("AccountService/RevokeOtherSessions", token=self.token)
        assert others.revoked_count >= 1
        self.works(self.token)
        everything = self.identity.call("AccountService/RevokeAllSessions", token=self.token)
        assert everything.revoked_count == 1
        self.identity.refused("AuthService/WhoAmI", "UNAUTHENTICATED", token=self.token)
        self.token = self.login().tokens.session_token

    def api_tokens(self):
        end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86400))
        wish = dict(request_id=str(uuid.uuid4()), name="сборка", scopes=["identity:read", "project:*"], expires_at=end)
        made, again = (self.identity.call("AccountService/CreateApiToken", token=self.token, **wish) for _ in range(2))
        assert made.token == again.token and made.token.startswith("dfa_")
        self.works(made.token)
        who = self.identity.call("AuthService/WhoAmI", token=made.token)
        assert who.api_token.id == made.api_token.id and not who.HasField("session")
        self.project.call("ProjectService/CreateProject", token=made.token, name="мост")
        self.identity.refused("AccountService/ListSessions", "PERMISSION_DENIED", token=made.token)
        reader = dict(wish, request_id=str(uuid.uuid4()), name="читатель", scopes=["project:read"])
        reader = self.identity.call("AccountService/CreateApiToken", token=self.token, **reader)
        self.project.call("ProjectService/ListProjects", token=reader.token)
        self.project.refused("ProjectService/CreateProject", "PERMISSION_DENIED", token=reader.token, name="мост")
        self.identity.refused("AuthService/WhoAmI", "PERMISSION_DENIED", token=reader.token)
        which = dict(token=self.token, api_token_id=made.api_token.id)
        assert self.identity.call("AccountService/GetApiToken", **which).name == "сборка"
        listed = self.identity.call("AccountService/ListApiTokens", token=self.token).api_tokens
        assert [token.id for token in listed] == [reader.api_token.id, made.api_token.id]
        assert self.identity.call("AccountService/RevokeApiToken", **which).HasField("revoked_at")
        self.identity.refused("AuthService/WhoAmI", "UNAUTHENTICATED", token=made.token)

    def second_factor(self):
        begun = self.identity.call("AccountService/BeginSecondFactor", token=self.token, password=self.password)
        assert begun.otpauth_uri.startswith("otpauth://totp/") and begun.secret in begun.otpauth_uri
        step = current_step()
        confirm = dict(token=self.token, code=totp(begun.secret, step), request_id=str(uuid.uuid4()))
        codes, again = (self.identity.call("AccountService/ConfirmSecondFactor", **confirm).codes for _ in range(2))
        assert len(codes) == 10 and codes == again

        challenge = self.login().second_factor_challenge.challenge_token
        complete = dict(challenge_token=challenge, proof=dict(code=totp(begun.secret, step)))
        self.identity.refused("AuthService/CompleteLogin", "UNAUTHENTICATED", **complete)
        complete["proof"] = dict(code=totp(begun.secret, step + 1))
        self.works(self.identity.call("AuthService/CompleteLogin", **complete).tokens.session_token)

        challenge = self.login().second_factor_challenge.challenge_token
        complete = dict(challenge_token=challenge, proof=dict(recovery_code=codes[0]))
        self.works(self.identity.call("AuthService/CompleteLogin", **complete).tokens.session_token)
        state = self.identity.call("AccountService/GetSecondFactor", token=self.token)
        assert state.enabled and state.remaining_recovery_codes == 9
        renew = dict(token=self.token, proof=dict(recovery_code=codes[1]))
        codes = self.identity.call("AccountService/CreateRecoveryCodes", **renew).codes
        remove = dict(token=self.token, proof=dict(recovery_code=codes[1]))
        self.identity.call("AccountService/RemoveSecondFactor", **remove)
        assert self.login().tokens.session_token

    def code(self, kind, **fields):
        """As a backend that mails codes itself gets them."""
        method = f"AccountCodeService/Create{kind}Code"
        return self.identity.call(method, principal="backend", return_code={}, **fields).code

    def verify_address(self):
        self.identity.call("AccountService/RequestEmailVerification", token=self.token)
        code = self.code("EmailVerification", user_id=self.id)
        redeem = dict(request_id=str(uuid.uuid4()), code=code)
        for _ in range(2):
            assert self.identity.call("AccountService/VerifyEmail", **redeem).email == "olga@example.org"
        redeem["request_id"] = str(uuid.uuid4())
        self.identity.refused("AccountService/VerifyEmail", "FAILED_PRECONDITION", **redeem)
        assert self.identity.call("AuthService/WhoAmI", token=self.token).user.email_verified

    def change_address(self):
        ask = dict(token=self.token, new_email="ola@example.org")
        self.identity.refused("AccountService/RequestEmailChange", "PERMISSION_DENIED", password="wrong", **ask)
        self.identity.call("AccountService/RequestEmailChange", password=self.password, **ask)
        code = self.code("EmailChange", user_id=self.id, new_email="Ola@Example.org")
        redeem = dict(request_id=str(uuid.uuid4()), code=code)
        assert self.identity.call("AccountService/ConfirmEmailChange", **redeem).email == "ola@example.org"
        self.identity.refused("AuthService/Login", "UNAUTHENTICATED", login="olga@example.org", password=self.password)

    def change_password(self):
        other, former, self.password = self.login().tokens, self.password, "新しい長いパスワード"
        change = dict(token=self.token, old_password=former, new_password=self.password)
        assert self.identity.call("AccountService/ChangePassword", **change).revoked_session_count >= 1
        self.identity.refused("AuthService/WhoAmI", "UNAUTHENTICATED", token=other.session_token)
        self.identity.refused("AccountService/ChangePassword", "PERMISSION_DENIED", **change)
        self.works(self.token)

    def reset_password(self):
        self.identity.call("AuthService/RequestPasswordReset", email="nobody@example.org")
        code, self.password = self.code("PasswordReset", email="ola@example.org"), "ещё один длинный пароль"
        reset = dict(request_id=str(uuid.uuid4()), code=code, new_password=self.password)
        self.identity.call("AuthService/ResetPassword", **reset)
        self.identity.refused("AuthService/WhoAmI", "UNAUTHENTICATED", token=self.token)
        self.token = self.login().tokens.session_token
        self.works(self.token)

    def export(self):
        records = list(self.identity.call("AccountService/ExportAccount", token=self.token))
        kinds = {record.WhichOneof("record") for record in records}
        assert {"user", "profile"} <= kinds, kinds
        told = " ".join(json_format.MessageToJson(record, ensure_ascii=False) for record in records)
        assert all(text in told for text in [FIRST, LAST, PLACE]), told

    def operate(self, method, **fields):
        """As an operator."""
        return self.identity.call(method, principal="operator-eva", **fields)

    def operators(self):
        register = dict(email="Gus@ПОЧТА.рф", username="gus", password=self.password)
        gus = self.identity.call("AuthService/Register", **register)
        who, sign_in = dict(user_id=gus.user.id), dict(login="gus@почта.рф", password=self.password)
        status = lambda act: json_format.MessageToDict(self.operate(f"UserAdministrationService/{act}", **who))["status"]

        self.identity.refused("UserAdminService/SuspendUser", "PERMISSION_DENIED", principal="backend", **who)
        wish = dict(email_prefix="GUS@почта", statuses=["USER_STATUS_ACTIVE"], email_verified=False)
        found = self.operate("UserAdminService/ListUsers", **wish).users
        assert [user.email for user in found] == ["gus@xn--80a1acny.xn--p1ai"], found
        assert status("SuspendUser") == "USER_STATUS_SUSPENDED"
        self.identity.refused("AuthService/WhoAmI", "UNAUTHENTICATED", token=gus.tokens.session_token)
        self.identity.refused("AuthService/Login", "UNAUTHENTICATED", **sign_in)
        assert status("ReactivateUser") == "USER_STATUS_ACTIVE"
        self.identity.refused("AuthService/WhoAmI", "UNAUTHENTICATED", token=gus.tokens.session_token)
        token = self.identity.call("AuthService/Login", **sign_in).tokens.session_token

        begun = self.identity.call("AccountService/BeginSecondFactor", token=token, password=self.password)
        code = totp(begun.secret, current_step())
        self.identity.call("AccountService/ConfirmSecondFactor", token=token, code=code)
        assert self.identity.call("AuthService/Login", **sign_in).HasField("second_factor_challenge")
        assert self.operate("UserAdminService/RemoveUserSecondFactor", **who).was_enabled
        assert self.identity.call("AuthService/Login", **sign_in).tokens.session_token
        list(self.operate("SecurityAdminService/RotateKeys"))

        told = list(self.operate("UserAdminService/ExportUser", **who))
        assert told[0].user.username == "gus" and len(told) > 5
        assert status("DeleteUser") == "USER_STATUS_DELETED"
        self.identity.refused("AuthService/WhoAmI", "UNAUTHENTICATED", token=token)
        assert status("EraseUser") == "USER_STATUS_DELETED"
        again = dict(principal="operator-eva", **who)
        self.identity.refused("UserAdminService/ReactivateUser", "FAILED_PRECONDITION", **again)
        events = self.operate("SecurityAdminService/ListSecurityEvents", **who).events
        acts = {json_format.MessageToDict(event)["kind"] for event in events if event.actor_principal == "operator-eva"}
        for act in ["SUSPENDED", "REACTIVATED", "EXPORTED", "DELETED", "ERASED"]:
            assert f"SECURITY_EVENT_KIND_ACCOUNT_{act}" in acts, acts

    def delete(self):
        self.identity.refused("AccountService/DeleteAccount", "PERMISSION_DENIED", token=self.token, password="wrong")
        self.identity.call("AccountService/DeleteAccount", token=self.token, password=self.password)
        self.identity.refused("AuthService/WhoAmI", "UNAUTHENTICATED", token=self.token)
        self.identity.refused("AuthService/Login", "UNAUTHENTICATED", login="olga", password=self.password)

    def security_events(self):
        events = self.identity.call("AccountService/ListSecurityEvents", token=self.token, page_size=1000)
        kinds = [json_format.MessageToDict(event)["kind"] for event in events.events]
        for kind in ["REGISTERED", "LOGIN", "SECOND_FACTOR_ADDED", "SECOND_FACTOR_REMOVED", "RECOVERY_CODE_USED"]:
            assert f"SECURITY_EVENT_KIND_{kind}" in kinds, f"{kind} is not in {kinds}"


FLOWS = [
    Olga.register,
    Olga.sign_up,
    Olga.profile,
    Olga.sign_in_and_out,
    Olga.refresh,
    Olga.sessions,
    Olga.api_tokens,
    Olga.second_factor,
    Olga.verify_address,
    Olga.change_address,
    Olga.change_password,
    Olga.reset_password,
    Olga.security_events,
    Olga.export,
    Olga.operators,
    Olga.delete,
]


def main():
    identity, project = sys.argv[1:]
    olga = Olga(Service(identity, "dafnck.identity"), Service(project, "dafnck.project"))
    for flow in FLOWS:
        flow(olga)
        print(flow.__name__, flush=True)


main()
