// States: always a word, and a lamp whose form tells it too.

import { html } from "../vendor/preact.js";
import { S } from "../strings.js";
import { clock } from "./time.js";

export function State({ state }) {
  return html`<span class="state"><i class=${`lamp ${lampOf(state)}`}></i>${S.states[state] ?? state}</span>`;
}

function lampOf(state) {
  return ["online", "offline"].includes(state) ? state : "unknown";
}

const GOOD = new Set(["delivered", "answered"]);
const BAD = new Set(["failed", "expired"]);

/** The state of a text or a referral. */
export function Pill({ state, title }) {
  const kind = GOOD.has(state) ? "good" : BAD.has(state) ? "bad" : state === "cancelled" ? "" : "wait";
  return html`<span class=${`pill ${kind}`} title=${title}>${S.progress[state] ?? state}</span>`;
}

/** What a device told of a text after it took it, and when; nothing when it told nothing. */
export function Told({ notification, notified }) {
  if (!notification) return null;
  const kind = BAD.has(notification) ? "bad" : "told";
  const title = S.toldHint(clock(notified));
  return html`<span class=${`pill ${kind}`} title=${title}>${S.told[notification] ?? notification}</span>`;
}

/**
 * How far something got: `steps` are its states in order. What ends badly ends the track where it was, with `reason`.
 */
export function Track({ steps, state, reason, label }) {
  const bad = BAD.has(state) || state === "cancelled";
  const reached = steps.indexOf(state);
  const shown = bad ? [...steps.slice(0, -1), state] : steps;
  const at = bad ? shown.length - 1 : reached;
  return html`
    <ol class="track" aria-label=${label}>
      ${shown.map((step, index) => {
        const passed = index < at || (index === at && at === shown.length - 1);
        const kind = index === at && bad ? "bad" : passed ? "done" : index === at ? "now" : "ahead";
        return html`
          <li key=${index} class=${kind} aria-current=${index === at ? "step" : undefined}>
            <span>${S.progress[step] ?? step}</span>
          </li>
        `;
      })}
    </ol>
    ${reason && html`<p class=${bad ? "reason bad-text" : "reason"}>${reason}</p>`}
  `;
}

/** `404 Not Found`, or nothing. */
export function reasonOf({ status_code, reason }) {
  return [status_code || "", reason || ""].join(" ").trim();
}

export function Time({ at }) {
  return html`<time class="time" title=${String(at)}>${clock(at)}</time>`;
}

export function Empty({ children, title }) {
  return html`<div class="empty"><p class="empty-title">${title}</p>${children && html`<p>${children}</p>`}</div>`;
}
