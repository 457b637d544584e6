// What surrounds every view: the way to the others, the state of the connection, and what is wrong.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact.js";
import { phone } from "../state/line.js";
import { useStores } from "../state/store.js";
import { S } from "../strings.js";
import { Icon } from "../parts/icon.js";
import { Endpoint } from "./endpoint.js";
import { Endpoints } from "./endpoints.js";

/** Views that are loaded when they are opened first. */
const LATER = {
  messages: () => import("./messages.js"),
  referrals: () => import("./referrals.js"),
  events: () => import("./events.js"),
  activity: () => import("./activity.js"),
  phone: () => import("./phone.js"),
};
const NAMES = ["endpoints", ...Object.keys(LATER)];

/** `#/endpoints/PJSIP/alice?x=y` as { name, parts, query }. */
function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...parts] = path.split("/").map(decoded);
  return { name: NAMES.includes(name) ? name : "endpoints", parts, query: new URLSearchParams(query) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function Shell({ session, leave }) {
  const [where, setWhere] = useState(route);
  const main = useRef(null);
  const shown = useRef(null);

  useEffect(() => {
    const moved = () => setWhere(route());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);

  const title = where.parts.length === 2 ? where.parts[1] : S.views[where.name];
  useLayoutEffect(() => {
    document.title = `${title} · ${S.name}`;
    // Whoever hears the page instead of seeing it is told that it is another one.
    if (shown.current !== null && shown.current !== title) main.current?.focus();
    shown.current = title;
  }, [title]);

  const endpoint = where.name === "endpoints" && where.parts.length === 2;
  return html`
    <div class="shell">
      <a class="skip" href="#main" onClick=${(event) => (event.preventDefault(), main.current.focus())}>${S.skip}</a>
      <header class="side">
        <a class="brand" href="#/endpoints"><${Icon} name="mark" /> <span>${S.name}</span></a>
        <nav aria-label=${S.navigation}>
          ${NAMES.map(
            (name) => html`
              <a key=${name} href=${`#/${name}`} class=${name === where.name ? "here" : ""}
                aria-current=${name === where.name ? "page" : undefined}>
                <${Icon} name=${name} /> <span>${S.views[name]}</span>
                ${name === "phone" && html`<${PhoneLamp} />`}
              </a>
            `,
          )}
        </nav>
        <div class="foot">
          <${Connection} session=${session} />
          <button class="quiet" onClick=${() => leave()} title=${S.leaveHint}>
            <${Icon} name="leave" /> <span>${S.leave(session.ari.user)}</span>
          </button>
        </div>
      </header>
      <main id="main" tabindex="-1" ref=${main}>
        <${Problem} session=${session} />
        ${where.name !== "phone" && html`<${Ringing} />`}
        ${where.name !== "endpoints"
          ? html`<${Later} key=${where.name} name=${where.name} session=${session} where=${where} />`
          : endpoint
            ? html`<${Endpoint} key=${where.parts.join("/")} session=${session} technology=${where.parts[0]}
                resource=${where.parts[1]} />`
            : html`<${Endpoints} session=${session} />`}
      </main>
    </div>
  `;
}

function Later({ name, session, where }) {
  const [View, setView] = useState(null);
  const [lost, setLost] = useState(false);
  useEffect(() => {
    LATER[name]().then(
      (module) => setView(() => module.default),
      () => setLost(true),
    );
  }, [name]);
  if (lost) return html`<p class="notice bad" role="alert">${S.connection.lost}</p>`;
  return View && html`<${View} session=${session} where=${where} />`;
}

function PhoneLamp() {
  useStores(phone);
  const line = phone.value;
  return line && html`<${Registered} line=${line} />`;
}

function Registered({ line }) {
  useStores(line);
  const waits = line.call?.state === "incoming";
  return html`<i class=${`lamp ${waits ? "busy" : line.state === "registered" ? "online" : "offline"}`}></i>`;
}

/** Somebody calls while another view is looked at. */
function Ringing() {
  useStores(phone);
  return phone.value && html`<${Caller} line=${phone.value} />`;
}

function Caller({ line }) {
  useStores(line);
  if (line.call?.state !== "incoming") return null;
  return html`<p class="notice" role="alert"><b>${S.phone.ringing(line.call.peer)}</b> <a href="#/phone">${S.views.phone}</a></p>`;
}

/** The connection in a word; the seconds until the next try while it is lost. */
function Connection({ session }) {
  const { state } = session.stream;
  useStores(state, session.readOnly);
  const { name, retryAt } = state.value;
  const [, tick] = useState(0);
  useEffect(() => {
    if (name !== "waiting") return undefined;
    const timer = setInterval(() => tick((count) => count + 1), 500);
    return () => clearInterval(timer);
  }, [name]);
  const seconds = Math.max(1, Math.ceil((retryAt - Date.now()) / 1000));
  const lamp = { open: "online", connecting: "busy", waiting: "failed" }[name];
  return html`
    <div class="connection" role="status" data-state=${name} title=${S.connection.hint[name]}>
      <i class=${`lamp ${lamp}`}></i>
      <span aria-live="off">${name === "waiting" ? S.connection.waiting(seconds) : S.connection[name]}</span>
      ${session.readOnly.value && html`<span class="tag" title=${S.readOnly}>${S.readOnlyTag}</span>`}
    </div>
  `;
}

function Problem({ session }) {
  useStores(session.problem);
  const problem = session.problem.value;
  return problem && html`<p class="notice bad" role="alert" data-kind=${problem.kind}>${problem.text}</p>`;
}
