// Signing in, with the second factor where the account has one, and making an account where the suite permits it.

import { call } from "./api.js";
import { useEffect, useState } from "./libraries.js";
import * as session from "./session.js";
import { ActionForm, Field, html, useLoad } from "./ui.js";

const AUTH = "dafnck.identity.v1.AuthService";

export function SignIn() {
  const [challengeToken, setChallengeToken] = useState();
  const { value: info } = useLoad(() => call("dafnck.common.v1.ServerInfoService/GetServerInfo"), []);
  const proceed = ({ sessionGrant, secondFactorChallenge }) =>
    sessionGrant ? session.store(sessionGrant) : setChallengeToken(secondFactorChallenge.challengeToken);
  if (challengeToken) return html`<${SecondFactor} challengeToken=${challengeToken} onCancel=${() => setChallengeToken()} />`;
  const isOpen = info?.features?.registrationMode === "REGISTRATION_MODE_DIRECT";
  return html`<div class="columns">
    <${Login} onGrant=${proceed} />
    ${isOpen && html`<${Register} onGrant=${proceed} />`}
  </div>`;
}

function Login({ onGrant }) {
  const signIn = (credentials) => call(`${AUTH}/Login`, credentials).then(onGrant);
  return html`<${Panel} title="Sign in" submit="Sign in" action=${signIn}>
    <${Field} label="Username or address" name="login" required autocomplete="username" />
    <${Field} label="Password" name="password" type="password" required autocomplete="current-password" />
  <//>`;
}

function SecondFactor({ challengeToken, onCancel }) {
  const prove = ({ code }) => {
    // A code of an app has six digits; anything else is a recovery code.
    const proof = /^[\d ]+$/.test(code) ? { code } : { recoveryCode: code };
    return call(`${AUTH}/CompleteLogin`, { challengeToken, proof }).then(session.store);
  };
  useEffect(() => document.querySelector("input[name=code]").focus(), []);
  const back = html`<button type="button" onClick=${onCancel}>Back</button>`;
  return html`<${Panel} title="Second factor" submit="Continue" beside=${back} action=${prove}>
    <${Field} label="Code of the app, or a recovery code" name="code" required autocomplete="one-time-code" />
  <//>`;
}

function Register({ onGrant }) {
  const register = (account) => call(`${AUTH}/Register`, { requestId: crypto.randomUUID(), ...account }).then(onGrant);
  return html`<${Panel} title="Create an account" submit="Create account" action=${register}>
    <${Field} label="Email address" name="email" type="email" required autocomplete="email" />
    <${Field} label="Username" name="username" required autocomplete="username" />
    <${Field} label="New password" name="password" type="password" required minlength="10" autocomplete="new-password" />
  <//>`;
}

function Panel({ title, ...form }) {
  return html`<section aria-label=${title}><h2>${title}</h2><${ActionForm} class="stack" ...${form} /></section>`;
}
