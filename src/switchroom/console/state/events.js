// The latest events as they came.

import { Store } from "./store.js";

const MOST = 2_000;

export class Events extends Store {
  #all = [];
  #held = null;
  #number = 0;
  since = Date.now();

  hear(event) {
    this.#all.push({ number: ++this.#number, event, text: JSON.stringify(event).toLowerCase() });
    // Cut in pieces: an array that loses its first element at each event is copied at each event.
    if (this.#all.length > MOST + 200) this.#all.splice(0, this.#all.length - MOST);
    this.changed();
  }

  get count() {
    return this.#number;
  }

  get paused() {
    return this.#held !== null;
  }

  /** How many came since it was paused. */
  get waiting() {
    return this.#held ? this.#number - (this.#held.at(-1)?.number ?? 0) : 0;
  }

  pause(paused) {
    this.#held = paused ? this.#all.slice(-MOST) : null;
    this.changed();
  }

  clear() {
    this.#all = [];
    if (this.#held) this.#held = [];
    this.changed();
  }

  /** The newest first: those of a type, with all the words, about an endpoint; as shown while it is paused. */
  select({ type = "", text = "", about = "" } = {}) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    return (about ? this.#all : (this.#held ?? this.#all))
      .filter(
        (item) =>
          (!type || item.event.type === type) &&
          (!about || isAbout(item.event, about)) &&
          words.every((word) => item.text.includes(word)),
      )
      .reverse();
  }

  /** The types there are, sorted. */
  types() {
    return [...new Set(this.#all.map(({ event }) => event.type))].sort();
  }
}

function isAbout({ endpoint, device_state, message, referral }, id) {
  if (endpoint) return `${endpoint.technology}/${endpoint.resource}` === id;
  if (device_state) return device_state.name === id;
  return [message?.to, referral?.to].some((to) => {
    const [technology, ...rest] = String(to ?? "").split(":");
    return `${technology.toUpperCase()}/${rest.join(":")}` === id;
  });
}
