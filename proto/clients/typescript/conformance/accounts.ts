import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";

import { Code, createClient } from "@connectrpc/connect";

import { ServerInfoService } from "../gen/dafnck/common/v1/server_info_service_pb.js";
import { AuthService } from "../gen/dafnck/identity/v1/auth_service_pb.js";
import { bearer } from "../src/calls.js";
import { Session, signIn } from "../src/session.js";
import { refused, type ServiceName, type Step } from "./context.js";

const TOTP_STEP_SECONDS = 30;

export const signUp: Step = async (context) => {
  const auth = createClient(AuthService, context.identity);
  const { username, email, password } = context;
  const request = { requestId: randomUUID(), username, email, password };
  const { result } = await auth.register(request);
  assert(result.case === "sessionGrant");
  assert.equal(result.value.user?.username, username);
  const retried = (await auth.register(request)).result;
  assert(retried.case === "sessionGrant");
  assert.equal(retried.value.user?.id, result.value.user.id);

  await refused(auth.login({ login: username, password: "wrong" }), Code.Unauthenticated, "INVALID_CREDENTIALS");
  context.session = await signIn(context.identity, email, password, () => assert.fail("there is no second factor"));
  assert.equal(context.userId, result.value.user.id);
  return `registered ${username}, signed in`;
};

export const secondFactor: Step = async (context) => {
  const { username, password } = context;
  const { secret } = await context.account.beginSecondFactor({ requestId: randomUUID(), password });
  // Each code works once. The server accepts the code of the next time step, too.
  const step = Math.floor(Date.now() / 1_000 / TOTP_STEP_SECONDS);
  const code = totp(secret, step);
  const { codes } = await context.account.confirmSecondFactor({ requestId: randomUUID(), code });
  assert.equal(new Set(codes).size, 10);
  const used = signIn(context.identity, username, password, () => code);
  await refused(used, Code.Unauthenticated, "SECOND_FACTOR_INVALID");

  let challenged = false;
  context.session = await signIn(context.identity, username, password, () => {
    challenged = true;
    return totp(secret, step + 1);
  });
  assert(challenged);
  const { enabled } = await context.account.getSecondFactor({});
  assert(enabled);
  return "enrolled with 10 recovery codes, signed in with a challenge";
};

/** RFC 6238 with HMAC-SHA-1 and six digits. */
function totp(secret: string, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const code = createHmac("sha1", decodeBase32(secret)).update(counter).digest();
  const offset = code.readUInt8(code.length - 1) & 0xf;
  return String((code.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** RFC 4648, section 6. */
function decodeBase32(text: string): Buffer {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...text].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0")).join("");
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

export const refresh: Step = async (context) => {
  const whoAmI = (token: string) => createClient(AuthService, context.connect("identity", bearer(token))).whoAmI({});
  const { session } = context;
  const old = session.grant.tokens?.sessionToken ?? "";
  assert.equal((await whoAmI(old)).user?.id, context.userId);

  await Promise.all([session.refresh(), session.refresh()]);
  await refused(whoAmI(old), Code.Unauthenticated, "SESSION_INVALID");
  const renewed = session.grant.tokens?.sessionToken ?? "";
  assert.notEqual(renewed, old);
  assert.equal((await whoAmI(renewed)).credential.case, "session");

  // A session whose token is about to end refreshes it before a call.
  const ending = structuredClone(session.grant);
  assert(ending.tokens?.expiresAt);
  ending.tokens.expiresAt.seconds = BigInt(Math.floor(Date.now() / 1_000) + 10);
  context.session = new Session(context.identity, ending);
  assert.equal((await context.auth.whoAmI({})).user?.id, context.userId);
  assert.notEqual(context.session.grant.tokens?.sessionToken, renewed);
  return "the old token is refused with SESSION_INVALID";
};

export const serverInfo: Step = async (context) => {
  const versions = new Set<string>();
  for (const name of Object.keys(context.targets) as ServiceName[]) {
    const info = await createClient(ServerInfoService, context.connect(name)).getServerInfo({});
    assert(info.limits);
    assert(info.limits.maxPageSize > 0);
    assert(info.limits.maxMessageBytes > 0n);
    assert(info.apiPackages.includes("dafnck.common.v1"), `packages: ${info.apiPackages.join()}`);
    versions.add(info.version);
  }
  assert.equal(versions.size, 1);
  return `version ${[...versions].join()}`;
};
