// Asks a phone to call somebody, and shows how that goes.

import { html, useEffect, useMemo, useState } from "../vendor/preact.js";
import { useStores } from "../state/store.js";
import { S } from "../strings.js";
import { AddressField, Check, Field } from "../parts/form.js";
import { Empty, Pill, Time, Track, reasonOf } from "../parts/status.js";

const STEPS = ["sent", "accepted", "trying", "ringing", "answered"];
const SHOWN = 100;

export default function Referrals({ session, where }) {
  const { referrals } = session;
  const versions = useStores(referrals);
  const shown = useMemo(() => referrals.newest().slice(0, SHOWN), [versions]);
  return html`
    <section class="view">
      <div class="view-head"><h1>${S.referrals.title}</h1></div>
      <div class="columns with-form">
        <${ReferForm} session=${session} to=${where.query.get("to") ?? ""} />
        <article class="card column">
          <h2>${S.referrals.list}</h2>
          ${shown.length
            ? html`<ul class="items">${shown.map((referral) => html`<${Referral} key=${referral.id} referral=${referral} />`)}</ul>`
            : html`<${Empty} title=${S.referrals.none}>${S.referrals.noneHint}<//>`}
        </article>
      </div>
    </section>
  `;
}

function ReferForm({ session, to: first }) {
  const [to, setTo] = useState(first);
  const [referTo, setReferTo] = useState("");
  const [from, setFrom] = useState("");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const [id, setId] = useState("");
  const made = session.referrals.get(id);
  useEffect(() => setTo(first), [first]);

  async function submit(event) {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    setProblem("");
    setBusy(true);
    try {
      const body = { to, from, refer_to: referTo, to_self: given.get("to_self") !== null };
      if (given.get("fallback")) body.fallback = "invite";
      if (given.get("name")) body.display_name = given.get("name");
      const { headers } = await session.ari.ask("POST", "endpoints/refer", { body });
      const referral = decodeURIComponent(headers.get("Location").split("/").at(-1));
      setId(referral);
      session.referrals.put(await session.ari.get(`referrals/${encodeURIComponent(referral)}`));
    } catch (error) {
      setProblem(session.explain(error));
    } finally {
      setBusy(false);
    }
  }

  useStores(session.readOnly);
  const readOnly = session.readOnly.value;
  const field = (set) => (event) => set(event.currentTarget.value);
  return html`
    <form class="card column form" onSubmit=${submit} aria-label=${S.referrals.form}>
      <h2>${S.referrals.form}</h2>
      <p class="hint">${S.referrals.hint}</p>
      ${readOnly && html`<p class="notice">${S.readOnly}</p>`}
      <${AddressField} session=${session} label=${S.referrals.to} hint=${S.referrals.toHint} name="to" required
        value=${to} onInput=${field(setTo)} />
      <${AddressField} session=${session} label=${S.referrals.referTo} hint=${S.referrals.referToHint} name="refer_to" required
        value=${referTo} onInput=${field(setReferTo)} />
      <${AddressField} session=${session} label=${S.referrals.from} name="from" required value=${from} onInput=${field(setFrom)} />
      <details class="more">
        <summary>${S.referrals.more}</summary>
        <${Field} label=${S.referrals.name} name="name" autocomplete="off" />
        <${Check} label=${S.referrals.toSelf} hint=${S.referrals.toSelfHint} name="to_self" />
        <${Check} label=${S.referrals.fallback} hint=${S.referrals.fallbackHint} name="fallback" />
      </details>
      ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
      <button class="primary" disabled=${busy || readOnly}>${busy ? S.referrals.sending : S.referrals.send}</button>
      ${made && html`<${ReferralProgress} referral=${made} />`}
    </form>
  `;
}

function ReferralProgress({ referral }) {
  const reason = referral.state === "failed" ? reasonOf(referral) : "";
  return html`
    <div class="progress" role="status" data-id=${referral.id} data-state=${referral.state}>
      <p><b>${referral.to}</b> ${S.referrals.calls} <b>${referral.refer_to}</b></p>
      <${Track} steps=${STEPS} state=${referral.state} reason=${reason} label=${S.referrals.progress} />
    </div>
  `;
}

function Referral({ referral }) {
  return html`
    <li class="message" data-id=${referral.id} data-state=${referral.state}>
      <div class="line">
        <span class="message-text"><b>${referral.to}</b> ${S.referrals.calls} <b>${referral.refer_to}</b></span>
        <${Pill} state=${referral.state} />
        <span class="message-meta">
          <${Time} at=${referral.created} /> ${S.messages.from} <b>${referral.from}</b>
          ${referral.state === "failed" && html`<span class="bad-text">${reasonOf(referral)}</span>`}
        </span>
      </div>
    </li>
  `;
}
