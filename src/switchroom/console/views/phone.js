// The browser as a phone: registers, writes, is called.

import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { keptAccount, phone, phoneUrl, register, unregister } from "../state/line.js";
import { useStores } from "../state/store.js";
import { S } from "../strings.js";
import { Field } from "../parts/form.js";
import { Icon } from "../parts/icon.js";
import { Empty, Time } from "../parts/status.js";

const P = S.phone;

export default function Phone({ session }) {
  useStores(phone);
  const line = phone.value;
  useEffect(() => {
    const account = keptAccount();
    if (account && !phone.value) register(account.user, account.password);
  }, []);
  return html`
    <section class="view">
      <div class="view-head"><h1>${P.title}</h1></div>
      ${line ? html`<${Device} line=${line} session=${session} />` : html`<${Account} />`}
    </section>
  `;
}

function Account({ problem = "", user = "" }) {
  const [busy, setBusy] = useState(false);
  function submit(event) {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    setBusy(true);
    register(given.get("user").trim(), given.get("password"));
  }
  return html`
    <form class="card form account" onSubmit=${submit} aria-label=${P.account}>
      <h2>${P.account}</h2>
      <p class="hint">${P.hint}</p>
      ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
      <${Field} label=${P.user} name="user" required autocomplete="off" spellcheck=${false} autocapitalize="off" defaultValue=${user} />
      <${Field} label=${P.password} name="password" type="password" required autocomplete="off" hint=${P.server(phoneUrl())} />
      <button class="primary" disabled=${busy}>${busy ? P.registering : P.register}</button>
    </form>
  `;
}

const LAMPS = { connecting: "busy", registered: "online", lost: "failed", failed: "failed" };

function Device({ line, session }) {
  useStores(line);
  const [peer, setPeer] = useState("");
  if (line.state === "failed") {
    return html`<${Account} key=${line.problem} problem=${line.problem} user=${keptAccount()?.user} />`;
  }
  const ready = line.state === "registered";
  return html`
    <div class="columns with-form">
      <div class="column">
        <article class="card device">
          <p class="line" role="status" data-state=${line.state}>
            <i class=${`lamp ${LAMPS[line.state]}`}></i> <b>${P.states[line.state]}</b>
          </p>
          <p class="wrap">${P.as(line.uri)}</p>
          <button onClick=${unregister}>${P.unregister}</button>
        </article>
        <${Call} line=${line} />
        <${Write} line=${line} peer=${peer} setPeer=${setPeer} ready=${ready} session=${session} />
      </div>
      <${Texts} line=${line} choose=${setPeer} />
    </div>
  `;
}

function Write({ line, peer, setPeer, ready }) {
  const busy = line.call && line.call.state !== "ended";
  function submit(event) {
    event.preventDefault();
    const { text } = event.currentTarget.elements;
    line.send(peer, text.value);
    text.value = "";
  }
  return html`
    <form class="card form" onSubmit=${submit} aria-label=${P.title}>
      <${Field} label=${P.peer} hint=${P.peerHint} name="peer" required value=${peer} autocomplete="off" spellcheck=${false}
        autocapitalize="off" onInput=${(event) => setPeer(event.currentTarget.value.trim())} />
      <button type="button" class="call" disabled=${!ready || busy || !peer} onClick=${() => line.dial(peer)}>
        <${Icon} name="phone" /> ${P.call}
      </button>
      <${Field} area label=${P.text} name="text" rows="2" required
        onKeyDown=${(event) => event.key === "Enter" && !event.shiftKey && (event.preventDefault(), event.currentTarget.form.requestSubmit())} />
      <button class="primary" disabled=${!ready}>${P.send}</button>
    </form>
  `;
}

function Call({ line }) {
  const { call } = line;
  if (!call) return null;
  const words = {
    incoming: P.ringing(call.peer),
    calling: P.calling(call.peer),
    ringing: P.rings(call.peer),
    talking: P.talking(call.peer),
    ended: P.ended(call.peer, call.cause),
  }[call.state];
  return html`
    <article class=${`card call-card ${call.state}`} data-call=${call.state}>
      <p role=${call.state === "incoming" ? "alert" : "status"}><b>${words}</b> ${call.muted && html`<span class="tag">${P.muted}</span>`}</p>
      <div class="actions">
        ${call.state === "incoming" &&
        html`<button class="primary" onClick=${() => line.answer()}><${Icon} name="phone" /> ${P.answer}</button>`}
        ${call.state === "talking" &&
        html`<button aria-pressed=${call.muted} onClick=${() => line.mute(!call.muted)}>${call.muted ? P.unmute : P.mute}</button>`}
        ${call.state !== "ended" &&
        html`<button class="danger" onClick=${() => line.hangUp()}>
          <${Icon} name="hangup" /> ${call.state === "incoming" ? P.decline : P.hangUp}
        </button>`}
      </div>
    </article>
  `;
}

function Texts({ line, choose }) {
  const end = useRef(null);
  useEffect(() => end.current?.scrollIntoView({ block: "nearest" }), [line.texts.length]);
  return html`
    <article class="card column">
      <h2>${P.conversations}</h2>
      ${line.texts.length
        ? html`<ol class="bubbles" role="log">
            ${line.texts.map(
              (item, index) => html`
                <li key=${index} class=${item.mine ? "mine" : "theirs"} data-state=${item.state}>
                  <p class="bubble">${item.text}</p>
                  <p class="hint small">
                    ${item.mine
                      ? html`${S.messages.to} <b>${item.peer}</b>`
                      : html`<button class="link" onClick=${() => choose(item.peer)}>${item.peer}</button>`}
                    ${" "}<${Time} at=${item.at} />${" "}
                    ${item.mine && html`<span class=${item.state === "failed" ? "bad-text" : ""}>${sentWords(item)}</span>`}
                  </p>
                </li>
              `,
            )}
            <li ref=${end} class="end" aria-hidden="true"></li>
          </ol>`
        : html`<${Empty} title=${P.noTexts}>${P.noTextsHint}<//>`}
    </article>
  `;
}

function sentWords({ state, cause }) {
  return state === "failed" ? P.sent.failed(cause) : P.sent[state];
}
