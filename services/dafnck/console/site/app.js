// The frame of the console: where one is, who is signed in, and how it looks.

import { api, call, version } from "./api.js";
import { Explorer } from "./explorer.js";
import { Health } from "./health.js";
import { render, useEffect, useLayoutEffect, useRef, useState } from "./libraries.js";
import { Project, Projects } from "./projects.js";
import * as session from "./session.js";
import { SignIn } from "./sign_in.js";
import { Announcer, html } from "./ui.js";

const THEME_KEY = "dafnck-theme";
const LINKS = { projects: "Projects", health: "Health", api: "API" };

const route = () => location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);

function App() {
  const [[area = "", ...rest], setRoute] = useState(route());
  const [user, setUser] = useState(session.current()?.user);
  const [projectName, setProjectName] = useState("");
  const heading = useRef();
  const place = rest.length > 0 ? `${area}/${rest[0]}` : area;
  const isFirst = useRef(true);
  useEffect(() => {
    session.onChange(() => setUser(session.current()?.user));
    addEventListener("hashchange", () => setRoute(route()));
  }, []);
  useLayoutEffect(() => {
    // A screen reader goes on from here; the page that has just been opened is read from its top.
    if (!isFirst.current) heading.current.focus();
    isFirst.current = false;
  }, [place, user]);
  const { title, content } = page(area, rest, user, projectName, setProjectName);
  useEffect(() => void (document.title = `${title} – Dafnck console`), [title]);
  return html`
    <a class="skip" href="#main" onClick=${(event) => (event.preventDefault(), heading.current.focus())}>Skip to content</a>
    <header class="top">
      <strong>Dafnck console</strong>
      <nav aria-label="Main">
        ${Object.entries(LINKS).map(
          ([name, text]) => html`<a href=${`#/${name}`} aria-current=${area === name ? "page" : undefined}>${text}</a>`,
        )}
      </nav>
      <${Theme} />
      ${user ? html`<${Account} user=${user} />` : area !== "" && html`<a href="#/projects">Sign in</a>`}
    </header>
    <main id="main"><h1 ref=${heading} tabindex="-1">${title}</h1>${content}</main>
    <footer>Version ${version} at <code>${api}</code></footer>
    <${Announcer} />
  `;
}

function page(area, rest, user, projectName, setProjectName) {
  if (area === "health") return { title: "Health", content: html`<${Health} />` };
  if (area === "api") return { title: "API", content: html`<${Explorer} key=${user} path=${rest.join("/")} />` };
  if (!user) return { title: "Sign in", content: html`<${SignIn} />` };
  const [id, view = "board", detail] = rest;
  if (!id) return { title: "Projects", content: html`<${Projects} />` };
  const content = html`<${Project} key=${id} id=${id} view=${view} detail=${detail} onTitle=${setProjectName} />`;
  return { title: projectName || "Project", content };
}

function Account({ user }) {
  // The session of the tab ends, whether or not the suite can be told.
  const signOut = async () => {
    await call("dafnck.identity.v1.AuthService/Logout").catch(() => {});
    session.end();
    location.hash = "#/projects";
  };
  return html`<span class="account">${user} <button type="button" onClick=${signOut}>Sign out</button></span>`;
}

function Theme() {
  const [theme, setTheme] = useState(localStorage.getItem(THEME_KEY) ?? "system");
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem(THEME_KEY, theme);
  }, [theme]);
  const option = (value, text) => html`<option value=${value} selected=${value === theme}>${text}</option>`;
  return html`<select aria-label="Colours" onChange=${(event) => setTheme(event.target.value)}>
    ${option("system", "System")}${option("light", "Light")}${option("dark", "Dark")}
  </select>`;
}

const root = document.querySelector("#app");
root.replaceChildren();
render(html`<${App} />`, root);
