// State that views look at: a store tells those who watch it that it changed, at most once a frame however
// often it did. In a tab that is not shown nobody is told until it is.

import { useEffect, useState } from "../vendor/preact.js";

export class Store {
  #watchers = new Set();
  #told = true;
  /** How often it changed: what is computed from a store is good for one version. */
  version = 0;

  changed() {
    this.version += 1;
    if (!this.#told) return;
    this.#told = false;
    requestAnimationFrame(() => {
      this.#told = true;
      for (const watcher of [...this.#watchers]) watcher(this.version);
    });
  }

  /** Calls `watcher` after each change; returns what ends that. */
  watch(watcher) {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}

/** A store that holds one value. */
export class Value extends Store {
  constructor(value) {
    super();
    this.value = value;
  }

  set(value) {
    this.value = value;
    this.changed();
  }
}

/** Renders the component again whenever one of the stores changes; their versions, for the dependencies of a memo. */
export function useStores(...stores) {
  const [, setVersion] = useState(0);
  useEffect(() => {
    const stops = stores.map((store) => store.watch(() => setVersion((count) => count + 1)));
    // What changed between the first rendering and this moment was told to nobody.
    setVersion((count) => count + 1);
    return () => stops.forEach((stop) => stop());
  }, stores);
  return stores.map((store) => store.version).join();
}

/** Keeps a Map at `most` entries; the ones that were put in first go. */
export function bound(map, most) {
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}
