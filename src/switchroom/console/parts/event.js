// An event in a line, and whole when it is opened.

import { html, useState } from "../vendor/preact.js";
import { S } from "../strings.js";
import { toldOf } from "../state/journal.js";
import { Time } from "./status.js";

export function EventItem({ event }) {
  const [open, setOpen] = useState(false);
  return html`
    <li class="event">
      <details onToggle=${(toggled) => setOpen(toggled.currentTarget.open)}>
        <summary>
          <${Time} at=${event.timestamp} /> <span class="tag">${event.type}</span> <span class="what">${summary(event)}</span>
        </summary>
        ${open && html`<pre>${JSON.stringify(event, null, 2)}</pre>`}
      </details>
    </li>
  `;
}

/** What happened, in a few words. */
export function summary(event) {
  const { endpoint } = event;
  const what = endpoint ? `${endpoint.technology}/${endpoint.resource}` : "";
  switch (event.type) {
    case "EndpointStateChange":
      return S.events.is(what, endpoint?.state);
    case "PeerStatusChange":
      return S.events.peer(what, event.peer?.peer_status);
    case "ContactStatusChange":
      return S.events.contact(what, event.contact_info?.contact_status, event.contact_info?.uri);
    case "DeviceStateChanged":
      return S.events.is(event.device_state?.name, event.device_state?.state);
    case "TextMessageReceived":
      return S.events.received(event.message?.from, event.message?.body);
    case "TextMessageStatusChange":
      return S.events.message(event.message?.to, event.message?.state, toldOf(event.message ?? {})?.notification);
    case "ReferStatusChange":
      return S.events.referral(event.referral?.to, event.referral?.refer_to, event.referral?.state);
    case "ChannelUserevent":
      return event.eventname;
    default:
      return what;
  }
}
