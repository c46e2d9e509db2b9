import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Client, createClient, type Transport } from "@connectrpc/connect";

import { AuthService, type SessionGrant } from "../gen/dafnck/identity/v1/auth_service_pb.js";
import type { Authorization } from "./calls.js";

/** Tokens are refreshed this long before they end, so that none ends on its way. */
const REFRESH_MARGIN_MS = 60_000;

/** A session of a user. It refreshes its tokens by itself. */
export class Session {
  readonly #auth: Client<typeof AuthService>;
  #grant: SessionGrant;
  #refreshing: Promise<void> | undefined;

  /** `transport` is one without authorization, to the identity service. */
  constructor(transport: Transport, grant: SessionGrant) {
    this.#auth = createClient(AuthService, transport);
    this.#grant = grant;
  }

  /** The account, the session and its present tokens. */
  get grant(): SessionGrant {
    return this.#grant;
  }

  /** For `connect`. */
  readonly authorization: Authorization = async () => {
    const expiresAt = this.#grant.tokens?.expiresAt;
    if (expiresAt && timestampMs(expiresAt) - Date.now() < REFRESH_MARGIN_MS) await this.refresh();
    return `Bearer ${this.#grant.tokens?.sessionToken}`;
  };

  /** Exchanges the tokens. Open streams end and have to be opened again. */
  refresh(): Promise<void> {
    // A refresh token works once: concurrent callers share one exchange.
    this.#refreshing ??= this.#exchange().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #exchange(): Promise<void> {
    this.#grant = await this.#auth.refreshSession({ refreshToken: this.#grant.tokens?.refreshToken ?? "" });
  }
}

/** Signs in. `code` returns the code of the authenticator app; it is called only if the account has a second factor. */
export async function signIn(
  transport: Transport,
  login: string,
  password: string,
  code: () => string | Promise<string>,
): Promise<Session> {
  const auth = createClient(AuthService, transport);
  const { result } = await auth.login({ login, password });
  switch (result.case) {
    case "sessionGrant":
      return new Session(transport, result.value);
    case "secondFactorChallenge": {
      const { challengeToken } = result.value;
      const grant = await auth.completeLogin({
        challengeToken,
        proof: { proof: { case: "code", value: await code() } },
      });
      return new Session(transport, grant);
    }
    default:
      throw new Error("the server is newer than this client");
  }
}
