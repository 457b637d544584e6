// The events as they come, with a pause and a filter.

import { html, useMemo, useState } from "../vendor/preact.js";
import { useStores } from "../state/store.js";
import { S } from "../strings.js";
import { EventItem } from "../parts/event.js";
import { Icon } from "../parts/icon.js";
import { Empty } from "../parts/status.js";

/** Of those that match, the newest. */
const SHOWN = 300;

export default function Events({ session }) {
  const { events } = session;
  const versions = useStores(events);
  const [text, setText] = useState("");
  const [type, setType] = useState("");
  const shown = useMemo(() => events.select({ type, text }).slice(0, SHOWN), [versions, type, text]);
  return html`
    <section class="view fixed">
      <div class="view-head">
        <h1>${S.events.title}</h1>
        <p class="hint">${S.events.seen(events.count)}</p>
      </div>
      <div class="filters">
        <label class="search">
          <${Icon} name="search" />
          <input type="search" value=${text} placeholder=${S.events.filter} aria-label=${S.events.filter} spellcheck=${false}
            onInput=${(event) => setText(event.currentTarget.value)} />
        </label>
        <select aria-label=${S.events.type} value=${type} onChange=${(event) => setType(event.currentTarget.value)}>
          <option value="">${S.events.allTypes}</option>
          ${events.types().map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
        </select>
        <button aria-pressed=${events.paused} onClick=${() => events.pause(!events.paused)}>
          <${Icon} name=${events.paused ? "play" : "pause"} /> ${events.paused ? S.events.resume : S.events.pause}
        </button>
        <button onClick=${() => events.clear()}>${S.events.clear}</button>
        <span class="hint" role="status">${events.waiting > 0 && S.events.waiting(events.waiting)}</span>
      </div>
      <div class="card grow scroll" tabindex="0" role="log" aria-live="off" aria-label=${S.events.list}>
        ${shown.length
          ? html`<ul class="items event-items">${shown.map(({ number, event }) => html`<${EventItem} key=${number} event=${event} />`)}</ul>`
          : events.count
            ? html`<${Empty} title=${S.events.noMatch} />`
            : html`<${Empty} title=${S.events.none}>${S.events.noneHint}<//>`}
      </div>
    </section>
  `;
}
