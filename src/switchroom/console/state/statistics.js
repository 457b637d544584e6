// Numbers of the last hour, from the events this tab has seen and the texts the server told of.

import { Store, bound } from "./store.js";
import { instant } from "../parts/time.js";

/** Seconds that can be shown at most, and those of the finest column. */
const HOUR = 3_600;
const FINEST = 5;
/** Texts that are counted one by one. */
const MOST = 20_000;

export class Statistics extends Store {
  #came = new Map();
  #went = new Map();
  #texts = new Map();
  since = Date.now();

  hear(event) {
    if (event.type === "TextMessageStatusChange") {
      this.text(event.message);
      return;
    }
    const status = event.contact_info?.contact_status ?? event.peer?.peer_status;
    if (status === "NonQualified" || status === "Registered") this.#contact(this.#came, event);
    else if (status === "Removed" || status === "Unregistered") this.#contact(this.#went, event);
  }

  #contact(counts, { timestamp }) {
    add(counts, instant(timestamp) / 1000, FINEST);
    bound(counts, (2 * HOUR) / FINEST);
    this.changed();
  }

  text(message) {
    const created = instant(message.created) / 1000;
    if (!(created > Date.now() / 1000 - HOUR)) return;
    const { state } = message;
    this.#texts.set(message.id, {
      created,
      took: state === "delivered" ? took(message, created) : null,
      cause: state === "failed" || state === "expired" ? causeOf(message) : null,
    });
    bound(this.#texts, MOST);
    this.changed();
  }

  /** [times, contacts that came], a column each `step` seconds of the last `span`; and how many came and went. */
  registrations(span, step) {
    const from = Date.now() / 1000 - span;
    const counts = new Map();
    for (const [time, number] of this.#came) add(counts, time, step, number);
    const total = (numbers) => [...numbers].reduce((sum, [time, number]) => (time > from ? sum + number : sum), 0);
    return { data: filled(counts, span, step), came: total(this.#came), went: total(this.#went) };
  }

  /** [times, texts a second on the average of each `step` seconds]. */
  rate(span, step) {
    const counts = new Map();
    for (const { created } of this.#texts.values()) add(counts, created, step, 1 / step);
    return filled(counts, span, step);
  }

  /** [times, seconds] of each text that was delivered. */
  deliveries(span) {
    const from = Date.now() / 1000 - span;
    const found = [...this.#texts.values()]
      .filter(({ took: seconds, created }) => seconds !== null && created > from)
      .sort((a, b) => a.created - b.created);
    return [found.map(({ created }) => created), found.map(({ took: seconds }) => seconds)];
  }

  /** [cause, how many], the most frequent first. */
  failures(span) {
    const from = Date.now() / 1000 - span;
    const counts = new Map();
    for (const { cause, created } of this.#texts.values()) {
      if (cause !== null && created > from) counts.set(cause, (counts.get(cause) ?? 0) + 1);
    }
    return [...counts].sort((a, b) => b[1] - a[1]);
  }
}

function add(counts, seconds, step, number = 1) {
  const column = Math.floor(seconds / step) * step;
  counts.set(column, (counts.get(column) ?? 0) + number);
}

/** Every column of the span, those without anything as 0. */
function filled(counts, span, step) {
  const last = Math.floor(Date.now() / 1000 / step) * step;
  const times = Array.from({ length: span / step }, (_, index) => last - span + step * (index + 1));
  return [times, times.map((time) => counts.get(time) ?? 0)];
}

/** Seconds until the first contact took it; never nothing, for an axis of powers of ten. */
function took(message, created) {
  const times = (message.deliveries ?? [])
    .filter(({ state }) => state === "delivered")
    .map(({ updated }) => instant(updated) / 1000);
  return Math.max(0.001, Math.min(...times, instant(message.updated) / 1000) - created);
}

/** Why it failed, as the last contact said it; its state when nobody said anything. */
export function causeOf({ state, deliveries }) {
  const last = (deliveries ?? []).findLast(({ state: how }) => how === "failed");
  return (last && `${last.status_code || ""} ${last.reason || ""}`.trim()) || state;
}
