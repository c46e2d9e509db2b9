// How the suite is: what `dafnck doctor` finds, looked at by the console's server.

import { loadJson } from "./api.js";
import { useEffect, useState } from "./libraries.js";
import { ErrorBox, Field, html, time, useLoad } from "./ui.js";

const REFRESH_MS = 15_000;
/** The worst first. */
const LEVELS = ["critical", "warning", "note", "ok"];

export function Health() {
  const { value: report, error, reload } = useLoad(() => loadJson("/status.json"), []);
  const [isRefreshed, setRefreshed] = useState(true);
  useEffect(() => {
    if (!isRefreshed) return;
    const timer = setInterval(reload, REFRESH_MS);
    return () => clearInterval(timer);
  }, [isRefreshed, reload]);
  const services = report?.findings.filter(({ check }) => check === "service");
  const others = report?.findings.filter(({ check }) => check !== "service");
  return html`
    <div class="row">
      <button type="button" onClick=${reload}>Look again</button>
      <${Field}
        label=${`Every ${REFRESH_MS / 1000} seconds`}
        type="checkbox"
        checked=${isRefreshed}
        onChange=${(event) => setRefreshed(event.target.checked)}
      />
    </div>
    <${ErrorBox} error=${error} />
    ${!report && !error && html`<p>Looking at the suite…</p>`}
    ${report &&
    html`<p role="status">Overall: <${Level} level=${report.level} />, looked at ${time(report.checked_at)}</p>
      <h2>Services</h2>
      <${Findings} findings=${services} />
      <h2>Everything else</h2>
      <${Findings} findings=${others} />`}
  `;
}

const Level = ({ level }) => html`<span class=${`level ${level}`}>${level}</span>`;

function Findings({ findings }) {
  const sorted = [...findings].sort((one, other) => LEVELS.indexOf(one.level) - LEVELS.indexOf(other.level));
  return html`<div class="scroll" tabindex="0" role="group" aria-label="Findings">
    <table class="findings">
      <thead><tr><th scope="col">Level</th><th scope="col">Check</th><th scope="col">Finding</th></tr></thead>
      <tbody>
        ${sorted.map(
          ({ level, check, message, hint }) => html`<tr>
            <td><${Level} level=${level} /></td>
            <th scope="row">${check}</th>
            <td>${message}${hint && html`<br /><small>→ ${hint}</small>`}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
