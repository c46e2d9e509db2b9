// The session of this tab. It is in the tab's own storage, which ends with the tab; never in a URL.

const KEY = "dafnck-session";
/** Tokens are exchanged this long before they end, so that none ends on its way. */
const MARGIN_MS = 60_000;

let listener = () => {};
let value = JSON.parse(sessionStorage.getItem(KEY) ?? "null");

/** Tokens and user, if somebody is signed in. */
export const current = () => value;

export const isAboutToEnd = () => value !== null && Date.parse(value.expiresAt) - Date.now() < MARGIN_MS;

/** Calls back when somebody signs in or out. */
export function onChange(callback) {
  listener = callback;
}

/** Keeps a SessionGrant. */
export function store({ tokens, user }) {
  set({ ...tokens, user: user.username });
}

export function end() {
  set(null);
}

function set(next) {
  const isOther = value?.user !== next?.user;
  value = next;
  if (next) sessionStorage.setItem(KEY, JSON.stringify(next));
  else sessionStorage.removeItem(KEY);
  if (isOther) listener();
}
