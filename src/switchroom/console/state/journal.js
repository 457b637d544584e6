// Texts and referrals, and how far they got: what was asked for, then each event.

import { Store, bound } from "./store.js";

/** Texts and referrals that are kept; the oldest go. */
const MOST_MESSAGES = 5_000;
const MOST_REFERRALS = 500;
/** Texts of the first question. */
const PAGE = 200;

export const ENDED = new Set(["delivered", "failed", "expired", "cancelled"]);

/** What a device may tell of a text it took, the least first. */
const TOLD = ["failed", "delivered", "displayed"];

class Kept extends Store {
  #byId = new Map();

  constructor(most) {
    super();
    this.most = most;
  }

  get(id) {
    return this.#byId.get(id);
  }

  put(item) {
    const known = this.#byId.get(item.id);
    if (known && known.updated > item.updated) return;
    this.#byId.set(item.id, item);
    bound(this.#byId, this.most);
    this.changed();
  }

  delete(id) {
    this.#byId.delete(id);
    this.changed();
  }

  /** The newest first. */
  newest() {
    return [...this.#byId.values()].sort((a, b) => (a.created < b.created ? 1 : a.created > b.created ? -1 : 0));
  }
}

export class Messages extends Kept {
  constructor() {
    super(MOST_MESSAGES);
  }

  /** Reads the newest texts, of one endpoint when it is named. */
  async load(ari, { endpoint, limit = PAGE } = {}) {
    const found = await ari.get("messages", { endpoint, limit });
    for (const message of found.reverse()) this.put(message);
  }

  hear(event) {
    if (event.type === "TextMessageStatusChange") this.put(event.message);
  }
}

/** The delivery of which a device told the most, undefined when none told anything. */
export function toldOf({ deliveries }) {
  return (deliveries ?? [])
    .filter(({ notification }) => notification)
    .sort((a, b) => TOLD.indexOf(b.notification) - TOLD.indexOf(a.notification))[0];
}

export class Referrals extends Kept {
  constructor() {
    super(MOST_REFERRALS);
  }

  hear(event) {
    if (event.type === "ReferStatusChange") this.put(event.referral);
  }
}
