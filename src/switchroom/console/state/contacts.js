// Contacts of the endpoints somebody looks at, asked for one endpoint at a time and again when an event says that
// they changed.

import { endpointPath } from "../net/ari.js";
import { Store, bound } from "./store.js";

/** Requests at a time, endpoints remembered, and milliseconds between two questions about one of them. */
const AT_A_TIME = 4;
const MOST = 3_000;
const AT_MOST_EVERY = 400;

export class Contacts extends Store {
  #known = new Map();
  #wanted = new Map();
  #asking = 0;
  /** What was asked for a moment ago or is being asked for; `stale` when an event came meanwhile. */
  #asked = new Map();

  constructor(ari) {
    super();
    this.ari = ari;
  }

  /** The contacts of an endpoint as last known, undefined before that. */
  of(id) {
    return this.#known.get(id)?.contacts;
  }

  /** Words of contacts that are known, for a search. */
  words(id) {
    return this.#known.get(id)?.words ?? "";
  }

  /** These endpoints are looked at, no others are. */
  want(endpoints) {
    this.#wanted = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]));
    this.#next();
  }

  hear(event) {
    if (!event.endpoint) return;
    if (!["EndpointStateChange", "PeerStatusChange", "ContactStatusChange"].includes(event.type)) return;
    const id = `${event.endpoint.technology}/${event.endpoint.resource}`;
    for (const found of [this.#known.get(id), this.#asked.get(id)]) if (found) found.stale = true;
    this.#next();
  }

  /** All of them may have changed. */
  forget() {
    for (const found of [...this.#known.values(), ...this.#asked.values()]) found.stale = true;
    this.#next();
  }

  #next() {
    for (const [id, endpoint] of this.#wanted) {
      if (this.#asking >= AT_A_TIME) return;
      const known = this.#known.get(id);
      if ((known && !known.stale) || this.#asked.has(id)) continue;
      this.#ask(id, endpoint);
    }
  }

  async #ask(id, endpoint) {
    this.#asking += 1;
    const asked = { stale: false };
    this.#asked.set(id, asked);
    const found = { contacts: [], words: "", stale: false };
    try {
      found.contacts = await this.ari.get(endpointPath(endpoint, "/contacts"));
      found.words = found.contacts.map(({ uri, user_agent }) => `${uri} ${user_agent}`.toLowerCase()).join(" ");
    } catch {
      // A lost server is told elsewhere, and an endpoint that is gone has no contacts.
    }
    found.stale = asked.stale;
    this.#known.delete(id);
    this.#known.set(id, found);
    bound(this.#known, MOST);
    this.#asking -= 1;
    this.changed();
    setTimeout(() => {
      this.#asked.delete(id);
      this.#next();
    }, AT_MOST_EVERY);
    this.#next();
  }
}
