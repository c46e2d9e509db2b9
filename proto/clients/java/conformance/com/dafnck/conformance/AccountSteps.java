package com.dafnck.conformance;

import com.dafnck.client.Authorization;
import com.dafnck.client.Session;
import com.dafnck.common.v1.GetServerInfoRequest;
import com.dafnck.common.v1.ServerInfoServiceGrpc;
import com.dafnck.identity.v1.AuthServiceGrpc;
import com.dafnck.identity.v1.BeginSecondFactorRequest;
import com.dafnck.identity.v1.ConfirmSecondFactorRequest;
import com.dafnck.identity.v1.GetSecondFactorRequest;
import com.dafnck.identity.v1.LoginRequest;
import com.dafnck.identity.v1.RegisterRequest;
import com.dafnck.identity.v1.WhoAmIRequest;
import com.dafnck.identity.v1.WhoAmIResponse;
import com.google.common.io.BaseEncoding;
import io.grpc.Status;
import io.grpc.StatusException;
import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** Steps about accounts, sessions and the server. */
final class AccountSteps {
  private static final long TOTP_STEP_SECONDS = 30;

  private AccountSteps() {}

  static String signUp(Suite suite) throws Exception {
    var auth = AuthServiceGrpc.newBlockingV2Stub(suite.identity);
    var request = RegisterRequest.newBuilder()
        .setRequestId(Suite.newId())
        .setUsername(suite.username)
        .setEmail(suite.email)
        .setPassword(suite.password)
        .build();
    var user = auth.register(request).getSessionGrant().getUser();
    Check.equal(user.getUsername(), suite.username, "the username");
    Check.equal(auth.register(request).getSessionGrant().getUser().getId(), user.getId(), "the user of the retry");

    var wrong = LoginRequest.newBuilder().setLogin(suite.username).setPassword("wrong").build();
    Check.refused(() -> auth.login(wrong), Status.Code.UNAUTHENTICATED, "INVALID_CREDENTIALS");
    suite.setSession(Session.signIn(suite.identity, suite.email, suite.password, () -> {
      throw new AssertionError("there is no second factor");
    }));
    Check.equal(suite.userId(), user.getId(), "the user who signed in");
    return "registered " + suite.username + ", signed in";
  }

  static String secondFactor(Suite suite) throws Exception {
    var secret = suite.account.beginSecondFactor(BeginSecondFactorRequest.newBuilder()
            .setRequestId(Suite.newId())
            .setPassword(suite.password)
            .build())
        .getSecret();
    // Each code works once. The server accepts the code of the next time step, too.
    var step = Instant.now().getEpochSecond() / TOTP_STEP_SECONDS;
    var code = totp(secret, step);
    var confirm = ConfirmSecondFactorRequest.newBuilder().setRequestId(Suite.newId()).setCode(code).build();
    var recovery = suite.account.confirmSecondFactor(confirm).getCodesList();
    Check.equal(new HashSet<>(recovery).size(), 10, "the number of recovery codes");
    Check.refused(
        () -> Session.signIn(suite.identity, suite.username, suite.password, () -> code),
        Status.Code.UNAUTHENTICATED,
        "SECOND_FACTOR_INVALID");

    var isChallenged = new AtomicBoolean();
    suite.setSession(Session.signIn(suite.identity, suite.username, suite.password, () -> {
      isChallenged.set(true);
      return totp(secret, step + 1);
    }));
    Check.that(isChallenged.get(), "there is no challenge");
    var factor = suite.account.getSecondFactor(GetSecondFactorRequest.getDefaultInstance());
    Check.that(factor.getEnabled(), "the second factor is not enabled");
    return "enrolled with 10 recovery codes, signed in with a challenge";
  }

  /** RFC 6238 with HMAC-SHA-1 and six digits. */
  private static String totp(String secret, long step) {
    try {
      var mac = Mac.getInstance("HmacSHA1");
      mac.init(new SecretKeySpec(BaseEncoding.base32().decode(secret), "HmacSHA1"));
      var code = ByteBuffer.wrap(mac.doFinal(ByteBuffer.allocate(Long.BYTES).putLong(step).array()));
      var offset = code.get(code.limit() - 1) & 0xf;
      return "%06d".formatted((code.getInt(offset) & Integer.MAX_VALUE) % 1_000_000);
    } catch (GeneralSecurityException error) {
      throw new IllegalStateException(error);
    }
  }

  static String refresh(Suite suite) throws Exception {
    var session = suite.session();
    var old = session.grant().getTokens().getSessionToken();
    Check.equal(whoAmI(suite, old).getUser().getId(), suite.userId(), "the caller");

    session.refresh();
    Check.refused(() -> whoAmI(suite, old), Status.Code.UNAUTHENTICATED, "SESSION_INVALID");
    var renewed = session.grant().getTokens().getSessionToken();
    Check.that(whoAmI(suite, renewed).hasSession(), "the caller has no session");

    // A session whose token is about to end refreshes it before a call.
    var ending = session.grant().toBuilder();
    ending.getTokensBuilder().getExpiresAtBuilder().setSeconds(Instant.now().getEpochSecond() + 10);
    suite.setSession(new Session(suite.identity, ending.build()));
    suite.auth.whoAmI(WhoAmIRequest.getDefaultInstance());
    var tokens = List.of(old, renewed, suite.session().grant().getTokens().getSessionToken());
    Check.equal(new HashSet<>(tokens).size(), 3, "the number of tokens");
    return "the old token is refused with SESSION_INVALID";
  }

  private static WhoAmIResponse whoAmI(Suite suite, String token) throws StatusException {
    return AuthServiceGrpc.newBlockingV2Stub(suite.identity)
        .withCallCredentials(Authorization.bearer(token).credentials())
        .whoAmI(WhoAmIRequest.getDefaultInstance());
  }

  static String serverInfo(Suite suite) throws Exception {
    var versions = new HashSet<String>();
    for (var service : List.of("identity", "project", "task", "content")) {
      var info = ServerInfoServiceGrpc.newBlockingV2Stub(suite.connect(Suite.address(service)))
          .getServerInfo(GetServerInfoRequest.getDefaultInstance());
      Check.that(info.getLimits().getMaxPageSize() > 0, "there is no max_page_size");
      Check.that(info.getLimits().getMaxMessageBytes() > 0, "there is no max_message_bytes");
      Check.that(info.getApiPackagesList().contains("dafnck.common.v1"), "packages: " + info.getApiPackagesList());
      versions.add(info.getVersion());
    }
    Check.equal(versions.size(), 1, "the number of versions");
    return "version " + String.join(", ", versions);
  }
}
