// All endpoints: the list by pages, then each event. Ten thousand are a small list.

import { Store } from "./store.js";

/** Endpoints of the first page, which is what is seen, and of the later ones. */
const FIRST_PAGE = 400;
const PAGE = 2_000;
/** More than this are not kept; no browser is asked to. */
const MOST = 200_000;

export const idOf = ({ technology, resource }) => `${technology}/${resource}`;

export class Endpoints extends Store {
  #byId = new Map();
  #sorted = [];
  #inOrder = true;
  #generation = 0;
  /** Ids an event spoke of since the page on its way was asked for: the event is newer. */
  #touched = new Set();
  /** none, some or all of the list is here. */
  loaded = "none";

  get size() {
    return this.#byId.size;
  }

  get(id) {
    return this.#byId.get(id);
  }

  /** Reads the list anew; what is not in it any more goes. Rejects as Ari does. */
  async load(ari) {
    const generation = ++this.#generation;
    const seen = new Set();
    let query = { limit: FIRST_PAGE };
    while (query) {
      this.#touched.clear();
      const pages = ari.pages("endpoints", query);
      const { value } = await pages.next();
      if (generation !== this.#generation) return;
      for (const endpoint of value.items) {
        const id = idOf(endpoint);
        seen.add(id);
        if (!this.#touched.has(id)) this.#put(id, endpoint);
      }
      this.loaded = this.loaded === "all" || value.last ? "all" : "some";
      this.changed();
      const last = value.items.at(-1);
      query = value.last || this.size >= MOST ? null : { limit: PAGE, after: idOf(last) };
    }
    for (const id of this.#byId.keys()) {
      if (!seen.has(id) && !this.#touched.has(id)) this.#byId.delete(id);
    }
    this.#inOrder = false;
    this.loaded = "all";
    this.changed();
  }

  hear(event) {
    if (event.type !== "EndpointStateChange" || !event.endpoint) return;
    const id = idOf(event.endpoint);
    this.#touched.add(id);
    this.#put(id, event.endpoint);
    this.changed();
  }

  #put(id, { technology, resource, state, channel_ids }) {
    const known = this.#byId.get(id);
    if (known) {
      known.state = state;
      known.channels = channel_ids;
      return;
    }
    if (this.#byId.size >= MOST) return;
    this.#byId.set(id, { id, technology, resource, state, channels: channel_ids, search: id.toLowerCase() });
    this.#inOrder = false;
  }

  /** In the order of the server: by technology and name. */
  sorted() {
    if (!this.#inOrder) {
      this.#sorted = [...this.#byId.values()].sort(
        (a, b) => compare(a.technology, b.technology) || compare(a.resource, b.resource),
      );
      this.#inOrder = true;
    }
    return this.#sorted;
  }

  /** What the filters leave; `agents(id)` are further words to search in. */
  select({ text, technology, state }, agents) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    return this.sorted().filter(
      (endpoint) =>
        (!technology || endpoint.technology === technology) &&
        (!state || endpoint.state === state) &&
        words.every((word) => endpoint.search.includes(word) || agents(endpoint.id).includes(word)),
    );
  }

  /** How many there are of each state and technology. */
  counts() {
    const counts = { state: {}, technology: {} };
    for (const { state, technology } of this.#byId.values()) {
      counts.state[state] = (counts.state[state] ?? 0) + 1;
      counts.technology[technology] = (counts.technology[technology] ?? 0) + 1;
    }
    return counts;
  }
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
