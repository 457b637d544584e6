// A text that was sent, and how far it got.

import { html, useState } from "../vendor/preact.js";
import { S } from "../strings.js";
import { toldOf } from "../state/journal.js";
import { causeOf } from "../state/statistics.js";
import { Pill, Time, Told, Track, reasonOf } from "./status.js";

const STEPS = ["queued", "sending", "delivered"];

/** One in a list; `about` is the endpoint whose page it is, which need not be named again. */
export function MessageItem({ message, session, about }) {
  const failed = ["failed", "expired"].includes(message.state);
  return html`
    <li class="message" data-id=${message.id} data-state=${message.state}>
      <details>
        <summary>
          <span class="message-text">${message.body || S.messages.noBody}</span>
          <span class="pills"><${Pill} state=${message.state} /> <${Told} ...${toldOf(message)} /></span>
          <span class="message-meta">
            <${Time} at=${message.created} />
            ${!about && html`${S.messages.to} <b>${message.to}</b>`} ${S.messages.from} <b>${message.from}</b>
            ${failed && html`<span class="bad-text">${causeOf(message)}</span>`}
          </span>
        </summary>
        <${Deliveries} message=${message} />
        ${message.state === "queued" && html`<${TakeBack} message=${message} session=${session} />`}
      </details>
    </li>
  `;
}

/** The message that was just sent, moving. */
export function MessageProgress({ message }) {
  const reason = ["failed", "expired"].includes(message.state) ? causeOf(message) : "";
  return html`
    <div class="progress" role="status" data-id=${message.id} data-state=${message.state}>
      <p><b>${S.compose.sent(message.to)}</b> <${Time} at=${message.created} /></p>
      <p class="message-text">${message.body}</p>
      <${Track} steps=${STEPS} state=${message.state} reason=${reason} label=${S.compose.progress} />
      <${Deliveries} message=${message} />
    </div>
  `;
}

function Deliveries({ message }) {
  if (!message.deliveries?.length) return null;
  return html`
    <ul class="deliveries">
      ${message.deliveries.map(
        (delivery) => html`
          <li key=${delivery.contact} data-contact=${delivery.contact}>
            <code>${delivery.contact}</code>
            <span class="pills"><${Pill} state=${delivery.state} /> <${Told} ...${delivery} /></span>
            <span class="hint small">${reasonOf(delivery)} · ${S.messages.attempts(delivery.attempts)}</span>
          </li>
        `,
      )}
    </ul>
  `;
}

function TakeBack({ message, session }) {
  const [problem, setProblem] = useState("");
  async function takeBack() {
    try {
      await session.ari.ask("DELETE", `messages/${encodeURIComponent(message.id)}`);
      session.messages.put(await session.ari.get(`messages/${encodeURIComponent(message.id)}`));
    } catch (error) {
      setProblem(session.explain(error));
    }
  }
  return html`
    <button onClick=${takeBack}>${S.messages.takeBack}</button>
    ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
  `;
}
