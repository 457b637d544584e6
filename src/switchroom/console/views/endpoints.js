// All endpoints, live.

import { html, useEffect, useMemo, useRef, useState } from "../vendor/preact.js";
import { Value, useStores } from "../state/store.js";
import { S } from "../strings.js";
import { Icon } from "../parts/icon.js";
import { Rows, useMedia } from "../parts/rows.js";
import { Empty, State } from "../parts/status.js";
import { roundtrip } from "../parts/time.js";

const STATES = ["online", "offline", "unknown"];
const COLUMNS = ["state", "name", "contacts", "roundtrip", "agent", "channels"].map((name) => ({
  name,
  label: S.endpoints.columns[name],
}));

/** What is searched for stays while other views are looked at. */
const filter = new Value({ text: "", technology: "", state: "" });

export function Endpoints({ session }) {
  const { endpoints, contacts } = session;
  const versions = useStores(endpoints, contacts, filter);
  const search = useRef(null);
  const small = useMedia("(max-width: 720px)");
  const chosen = filter.value;
  const counts = useMemo(() => endpoints.counts(), [versions]);
  const found = useMemo(() => endpoints.select(chosen, (id) => contacts.words(id)), [versions, chosen]);
  const set = (change) => filter.set({ ...filter.value, ...change });

  useEffect(() => {
    const press = (event) => {
      if (event.key !== "/" || /INPUT|TEXTAREA|SELECT/.test(event.target.tagName)) return;
      event.preventDefault();
      search.current.focus();
    };
    addEventListener("keydown", press);
    return () => {
      removeEventListener("keydown", press);
      contacts.want([]);
    };
  }, []);

  const technologies = Object.keys(counts.technology).sort();
  return html`
    <section class="view fixed endpoints">
      <div class="view-head">
        <h1>${S.endpoints.title}</h1>
        <p class="hint" role="status">
          ${S.endpoints.shown(found.length, endpoints.size)} ${endpoints.loaded === "all" ? "" : S.endpoints.loading}
        </p>
        <label class="search">
          <${Icon} name="search" />
          <input type="search" ref=${search} value=${chosen.text} placeholder=${S.endpoints.search} autocomplete="off"
            spellcheck=${false} aria-label=${S.endpoints.searchLabel} aria-keyshortcuts="/"
            onInput=${(event) => set({ text: event.currentTarget.value })} />
          <kbd aria-hidden="true">/</kbd>
        </label>
      </div>
      <div class="filters">
        <${Choice} label=${S.endpoints.byState} chosen=${chosen.state} choose=${(state) => set({ state })}
          choices=${STATES} counts=${counts.state} all=${endpoints.size} lamps />
        ${technologies.length > 1 &&
        html`<${Choice} label=${S.endpoints.byTechnology} chosen=${chosen.technology} choices=${technologies}
          choose=${(technology) => set({ technology })} counts=${counts.technology} />`}
      </div>
      <div class="card grow">
        ${found.length || endpoints.loaded !== "all"
          ? html`<${Rows} items=${found} height=${small ? 62 : 42} columns=${COLUMNS} label=${S.endpoints.list} kind="endpoint-rows"
              cell=${(endpoint, name) => html`<${Cell} endpoint=${endpoint} name=${name} contacts=${contacts.of(endpoint.id)} small=${small} />`}
              seen=${(shown) => contacts.want(shown)}
              open=${(endpoint) => (location.hash = hashOf(endpoint))} />`
          : endpoints.size
            ? html`<${Empty} title=${S.endpoints.noMatch}>${S.endpoints.noMatchHint}<//>`
            : html`<${Empty} title=${S.endpoints.none}>${S.endpoints.noneHint}<//>`}
      </div>
    </section>
  `;
}

/** One of several, as buttons; pressed again it is all of them. */
function Choice({ label, choices, chosen, choose, counts, all, lamps }) {
  return html`
    <div class="choice" role="group" aria-label=${label}>
      ${["", ...choices].map(
        (choice) => html`
          <button key=${choice} aria-pressed=${choice === chosen} onClick=${() => choose(choice === chosen ? "" : choice)}>
            ${lamps && choice && html`<i class=${`lamp ${choice}`}></i>`}
            ${choice ? (S.states[choice] ?? choice) : S.endpoints.all}
            ${choice ? html`<b>${S.number(counts[choice] ?? 0)}</b>` : all !== undefined && html`<b>${S.number(all)}</b>`}
          </button>
        `,
      )}
    </div>
  `;
}

function Cell({ endpoint, name, contacts, small }) {
  switch (name) {
    case "state":
      return html`<${State} state=${endpoint.state} />`;
    case "name":
      return html`<a class="name" href=${hashOf(endpoint)} tabindex="-1">${endpoint.resource}</a>
        <span class="tag">${endpoint.technology}</span>`;
    case "contacts":
      if (!contacts?.length) return "";
      return small ? S.endpoints.contacts(contacts.length) : contacts.length;
    case "roundtrip":
      return roundtrip(contacts);
    case "agent":
      return contacts?.[0]?.user_agent ?? "";
    default:
      return endpoint.channels.length ? html`<b class="calls">${endpoint.channels.length}</b>` : "";
  }
}

/** The address of an endpoint's page. */
export function hashOf({ technology, resource }) {
  return `#/endpoints/${encodeURIComponent(technology)}/${encodeURIComponent(resource)}`;
}
