// One endpoint: where it is reached, what was sent to it, what happens to it.

import { html, useEffect, useMemo, useState } from "../vendor/preact.js";
import { Refused, endpointPath } from "../net/ari.js";
import { useStores } from "../state/store.js";
import { S } from "../strings.js";
import { addressOf } from "../parts/form.js";
import { Icon } from "../parts/icon.js";
import { EventItem } from "../parts/event.js";
import { MessageItem } from "../parts/message.js";
import { Empty, State } from "../parts/status.js";
import { clock, duration, instant, roundtrip } from "../parts/time.js";

/** Events and messages that are shown; the views of their own have more. */
const SHOWN = 50;

export function Endpoint({ session, technology, resource }) {
  const { endpoints, contacts, messages, events } = session;
  const versions = useStores(endpoints, contacts, messages, events, session.stream.state);
  const id = `${technology}/${resource}`;
  const endpoint = endpoints.get(id);
  const [missing, setMissing] = useState(false);
  const address = addressOf({ technology, resource });
  const open = session.stream.state.value.name === "open";

  useEffect(() => {
    const wanted = { id, technology, resource };
    contacts.want([wanted]);
    session.ari.get(endpointPath(wanted)).then(
      (found) => endpoints.hear({ type: "EndpointStateChange", endpoint: found }),
      (error) => setMissing(error instanceof Refused && error.status === 404),
    );
    messages.load(session.ari, { endpoint: id, limit: SHOWN }).catch(() => {});
    return () => contacts.want([]);
  }, [id, open]);

  const sent = useMemo(
    () => messages.newest().filter(({ to }) => sameAddress(to, address)).slice(0, SHOWN),
    [versions, id],
  );
  const heard = useMemo(() => events.select({ about: id }).slice(0, SHOWN), [versions, id]);

  if (missing && !endpoint) {
    return html`
      <section class="view">
        <${Back} />
        <${Empty} title=${S.endpoint.missing}>${S.endpoint.missingHint(id)}<//>
      </section>
    `;
  }
  return html`
    <section class="view endpoint">
      <${Back} />
      <div class="view-head">
        <h1 class="wrap">${resource}</h1>
        <span class="tag">${technology}</span>
        ${endpoint && html`<${State} state=${endpoint.state} />`}
        <div class="actions">
          <a class="button primary" href=${`#/messages?to=${encodeURIComponent(address)}`}>${S.endpoint.send}</a>
          ${technology === "PJSIP" &&
          html`<a class="button" href=${`#/referrals?to=${encodeURIComponent(address)}`}>${S.endpoint.refer}</a>`}
        </div>
      </div>
      <div class="columns">
        <div class="column">
          <${ContactList} contacts=${contacts.of(id)} />
          <${Channels} channels=${endpoint?.channels ?? []} />
          <article class="card">
            <h2>${S.endpoint.events}</h2>
            ${heard.length
              ? html`<ul class="items">${heard.map(({ number, event }) => html`<${EventItem} key=${number} event=${event} />`)}</ul>`
              : html`<p class="hint">${S.endpoint.noEvents}</p>`}
          </article>
        </div>
        <article class="card column">
          <h2>${S.endpoint.messages}</h2>
          ${sent.length
            ? html`<ul class="items">
                ${sent.map((message) => html`<${MessageItem} key=${message.id} message=${message} session=${session} about=${id} />`)}
              </ul>`
            : html`<p class="hint">${S.endpoint.noMessages}</p>`}
        </article>
      </div>
    </section>
  `;
}

function Back() {
  return html`<a class="back" href="#/endpoints"><${Icon} name="back" /> ${S.endpoint.back}</a>`;
}

/** The technology in any case, with or without what stands behind the name (`alice/sip:...`). */
function sameAddress(to, address) {
  const [technology, rest = ""] = split(to);
  const [own, name] = split(address);
  return technology.toLowerCase() === own && (rest === name || rest.startsWith(`${name}/`));
}

function split(address) {
  const at = String(address).indexOf(":");
  return [address.slice(0, at), address.slice(at + 1)];
}

function ContactList({ contacts }) {
  return html`
    <article class="card">
      <h2>${S.endpoint.contacts} ${contacts?.length > 1 && html`<b class="count">${contacts.length}</b>`}</h2>
      ${contacts && !contacts.length
        ? html`<${Empty} title=${S.endpoint.noContacts}>${S.endpoint.noContactsHint}<//>`
        : (contacts ?? []).map((contact) => html`<${Contact} key=${contact.uri} contact=${contact} />`)}
    </article>
  `;
}

const LAMPS = { Reachable: "online", NonQualified: "online", Unreachable: "failed", Unknown: "unknown" };

function Contact({ contact }) {
  const F = S.endpoint.facts;
  const left = (instant(contact.expires) - Date.now()) / 1000;
  const facts = [
    [F.agent, contact.user_agent],
    [F.roundtrip, roundtrip([contact])],
    [F.transport, contact.transport],
    [F.address, contact.address],
    [F.registered, contact.registered ? clock(contact.registered) : S.endpoint.configured],
    [F.expires, contact.expires ? `${clock(contact.expires)} (${duration(left)})` : ""],
    [F.aor, contact.aor],
  ];
  return html`
    <div class="contact">
      <p class="uri"><i class=${`lamp ${LAMPS[contact.status] ?? "unknown"}`}></i><code>${contact.uri}</code></p>
      <dl class="facts">
        <div><dt>${F.status}</dt><dd>${contact.status}</dd></div>
        ${facts.map(([name, value]) => value && html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
      </dl>
    </div>
  `;
}

function Channels({ channels }) {
  if (!channels.length) return null;
  return html`
    <article class="card">
      <h2>${S.endpoint.channels} <b class="count">${channels.length}</b></h2>
      <ul class="items">${channels.map((channel) => html`<li key=${channel}><code>${channel}</code></li>`)}</ul>
    </article>
  `;
}
