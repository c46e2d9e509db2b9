package com.dafnck.client;

import com.dafnck.identity.v1.AuthServiceGrpc;
import com.dafnck.identity.v1.CompleteLoginRequest;
import com.dafnck.identity.v1.LoginRequest;
import com.dafnck.identity.v1.RefreshSessionRequest;
import com.dafnck.identity.v1.SecondFactorProof;
import com.dafnck.identity.v1.SessionGrant;
import io.grpc.Channel;
import io.grpc.StatusException;
import java.time.Instant;
import java.util.function.Supplier;

/** A session of a user. It refreshes its tokens by itself. Threads may share it. */
public final class Session implements Authorization {
  /** Tokens are refreshed this long before they end, so that none ends on its way. */
  private static final long REFRESH_MARGIN_SECONDS = 60;

  private final AuthServiceGrpc.AuthServiceBlockingV2Stub auth;
  private SessionGrant grant;

  /** {@code identity} is a channel to the identity service. */
  public Session(Channel identity, SessionGrant grant) {
    this.auth = AuthServiceGrpc.newBlockingV2Stub(identity);
    this.grant = grant;
  }

  /** Signs in. {@code code} is asked for a code of the authenticator app if the account has a second factor. */
  public static Session signIn(Channel identity, String login, String password, Supplier<String> code)
      throws StatusException {
    var auth = AuthServiceGrpc.newBlockingV2Stub(identity);
    var response = auth.login(LoginRequest.newBuilder().setLogin(login).setPassword(password).build());
    if (response.hasSessionGrant()) {
      return new Session(identity, response.getSessionGrant());
    }
    var request = CompleteLoginRequest.newBuilder()
        .setChallengeToken(response.getSecondFactorChallenge().getChallengeToken())
        .setProof(SecondFactorProof.newBuilder().setCode(code.get()))
        .build();
    return new Session(identity, auth.completeLogin(request));
  }

  /** The account, the session and its present tokens. */
  public synchronized SessionGrant grant() {
    return grant;
  }

  @Override
  public synchronized String header(String path) throws StatusException {
    var end = grant.getTokens().getExpiresAt().getSeconds();
    if (end - Instant.now().getEpochSecond() < REFRESH_MARGIN_SECONDS) {
      refresh();
    }
    return "Bearer " + grant.getTokens().getSessionToken();
  }

  /** Exchanges the tokens. Open streams end and have to be opened again. */
  public synchronized void refresh() throws StatusException {
    var token = grant.getTokens().getRefreshToken();
    grant = auth.refreshSession(RefreshSessionRequest.newBuilder().setRefreshToken(token).build());
  }
}
