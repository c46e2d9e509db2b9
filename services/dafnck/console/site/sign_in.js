// Signing in, with the second factor where the account has one, and making an account where the suite permits it.

import { call } from "./api.js";
import { useEffect, useState } from "./libraries.js";
import * as session from "./session.js";
import { ErrorBox, Field, Form, html, useAction, useLoad } from "./ui.js";

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
  const signing = useAction((credentials) => call(`${AUTH}/Login`, credentials).then(onGrant));
  return html`<section aria-labelledby="sign-in">
    <h2 id="sign-in">Sign in</h2>
    <${Form} class="stack" onSubmit=${signing.run}>
      <${Field} label="Username or address" name="login" required autocomplete="username" />
      <${Field} label="Password" name="password" type="password" required autocomplete="current-password" />
      <button disabled=${signing.busy}>Sign in</button>
    <//>
    <${ErrorBox} error=${signing.error} />
  </section>`;
}

function SecondFactor({ challengeToken, onCancel }) {
  const proving = useAction(({ code }) => {
    // A code of an app has six digits; anything else is a recovery code.
    const proof = /^[\d ]+$/.test(code) ? { code } : { recoveryCode: code };
    return call(`${AUTH}/CompleteLogin`, { challengeToken, proof }).then(session.store);
  });
  useEffect(() => document.querySelector("input[name=code]").focus(), []);
  return html`<section aria-labelledby="second-factor">
    <h2 id="second-factor">Second factor</h2>
    <${Form} class="stack" onSubmit=${proving.run}>
      <${Field} label="Code of the app, or a recovery code" name="code" required autocomplete="one-time-code" />
      <div class="row"><button disabled=${proving.busy}>Continue</button><button type="button" onClick=${onCancel}>Back</button></div>
    <//>
    <${ErrorBox} error=${proving.error} />
  </section>`;
}

function Register({ onGrant }) {
  const registering = useAction((account) =>
    call(`${AUTH}/Register`, { requestId: crypto.randomUUID(), ...account }).then(onGrant),
  );
  return html`<section aria-labelledby="register">
    <h2 id="register">Create an account</h2>
    <${Form} class="stack" onSubmit=${registering.run}>
      <${Field} label="Email address" name="email" type="email" required autocomplete="email" />
      <${Field} label="Username" name="username" required autocomplete="username" />
      <${Field} label="New password" name="password" type="password" required minlength="10" autocomplete="new-password" />
      <button disabled=${registering.busy}>Create account</button>
    <//>
    <${ErrorBox} error=${registering.error} />
  </section>`;
}
