// Texts that were sent over ARI, and a form to send one.

import { html, useEffect, useMemo, useState } from "../vendor/preact.js";
import { useStores } from "../state/store.js";
import { S } from "../strings.js";
import { AddressField, Check, Field } from "../parts/form.js";
import { MessageItem, MessageProgress } from "../parts/message.js";
import { Empty } from "../parts/status.js";

/** Texts that are listed. */
const SHOWN = 200;
/** Seconds a text is kept for an endpoint that is offline, when that is chosen. */
const DAY = 86_400;
/** RFC 3261 25.1: token, then anything. */
const HEADER = /^([A-Za-z0-9.!%*_+`'~-]+)\s*:\s*(.*)$/;

export default function Messages({ session, where }) {
  const { messages } = session;
  const versions = useStores(messages, session.stream.state);
  const open = session.stream.state.value.name === "open";
  useEffect(() => {
    messages.load(session.ari).catch(() => {});
  }, [open]);
  const shown = useMemo(() => messages.newest().slice(0, SHOWN), [versions]);
  return html`
    <section class="view">
      <div class="view-head"><h1>${S.messages.title}</h1></div>
      <div class="columns with-form">
        <${Composer} session=${session} to=${where.query.get("to") ?? ""} />
        <article class="card column">
          <h2>${S.messages.list}</h2>
          ${shown.length
            ? html`<ul class="items">
                ${shown.map((message) => html`<${MessageItem} key=${message.id} message=${message} session=${session} />`)}
              </ul>`
            : html`<${Empty} title=${S.messages.none}>${S.messages.noneHint}<//>`}
        </article>
      </div>
    </section>
  `;
}

function Composer({ session, to: first }) {
  const [to, setTo] = useState(first);
  const [from, setFrom] = useState("");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const [id, setId] = useState("");
  const sent = session.messages.get(id);
  useEffect(() => setTo(first), [first]);

  async function submit(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const given = new FormData(form);
    const { variables, wrong } = headers(given.get("headers"));
    if (wrong) return setProblem(S.compose.badHeader(wrong));
    setProblem("");
    setBusy(true);
    try {
      const body = { to, from, body: given.get("text"), variables };
      if (given.get("offline")) Object.assign(body, { offline: "store", expires: DAY });
      const { headers: answer } = await session.ari.ask("PUT", "endpoints/sendMessage", { body });
      const made = decodeURIComponent(answer.get("Location").split("/").at(-1));
      setId(made);
      form.elements.text.value = "";
      session.messages.put(await session.ari.get(`messages/${encodeURIComponent(made)}`));
    } catch (error) {
      setProblem(session.explain(error));
    } finally {
      setBusy(false);
    }
    return undefined;
  }

  useStores(session.readOnly);
  const readOnly = session.readOnly.value;
  return html`
    <form class="card column form" onSubmit=${submit} aria-label=${S.compose.title}>
      <h2>${S.compose.title}</h2>
      ${readOnly && html`<p class="notice">${S.readOnly}</p>`}
      <${AddressField} session=${session} label=${S.compose.to} hint=${S.compose.toHint} name="to" required
        value=${to} onInput=${(event) => setTo(event.currentTarget.value)} />
      <${AddressField} session=${session} label=${S.compose.from} hint=${S.compose.fromHint} name="from" required
        value=${from} onInput=${(event) => setFrom(event.currentTarget.value)} />
      <${Field} area label=${S.compose.text} name="text" rows="3" required
        onKeyDown=${(event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.currentTarget.form.requestSubmit()} />
      <${Check} label=${S.compose.offline} hint=${S.compose.offlineHint} name="offline" />
      <details class="more">
        <summary>${S.compose.more}</summary>
        <${Field} area label=${S.compose.headers} hint=${S.compose.headersHint} name="headers" rows="2" class="code" spellcheck=${false} />
      </details>
      ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
      <button class="primary" disabled=${busy || readOnly}>${busy ? S.compose.sending : S.compose.send}</button>
      ${sent && html`<${MessageProgress} message=${sent} />`}
    </form>
  `;
}

/** Lines of headers as `variables`; `wrong` is the first line that is none. */
function headers(text) {
  const variables = {};
  for (const line of String(text ?? "").split("\n")) {
    if (!line.trim()) continue;
    const header = HEADER.exec(line.trim());
    if (!header) return { variables, wrong: line };
    variables[header[1]] = header[2];
  }
  return { variables, wrong: "" };
}
