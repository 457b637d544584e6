// The WebSocket of events. It comes back by itself: after pauses that double, at once when the network is back, and
// when the tab is looked at again.

import { Value } from "../state/store.js";

/** Milliseconds: the first pause, the longest, and how long an opening may take. */
const FIRST = 500;
const LONGEST = 30_000;
const OPENING = 10_000;

export class Stream {
  #socket = null;
  #timer = 0;
  #pause = FIRST;
  #stopped = false;

  /**
   * `url` makes the address of the next try; `opened()` and `closed()` are told; `heard(event)` gets each event.
   * `state.value` is { name: connecting | open | waiting, retryAt, code }.
   */
  constructor({ url, opened, closed, heard }) {
    this.url = url;
    this.opened = opened;
    this.closed = closed;
    this.heard = heard;
    this.state = new Value({ name: "connecting" });
    this.hurry = () => this.#hurry();
    this.shown = () => document.visibilityState === "visible" && this.#hurry();
  }

  start() {
    addEventListener("online", this.hurry);
    document.addEventListener("visibilitychange", this.shown);
    this.#open();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    removeEventListener("online", this.hurry);
    document.removeEventListener("visibilitychange", this.shown);
    this.#socket?.close();
  }

  #open() {
    clearTimeout(this.#timer);
    this.state.set({ name: "connecting" });
    const socket = (this.#socket = new WebSocket(this.url(), "ari"));
    let open = false;
    const deadline = setTimeout(() => socket.close(), OPENING);
    socket.onopen = () => {
      clearTimeout(deadline);
      open = true;
      this.#pause = FIRST;
      this.state.set({ name: "open" });
      this.opened();
    };
    socket.onmessage = ({ data }) => {
      let event;
      try {
        event = JSON.parse(data);
      } catch {
        return;
      }
      this.heard(event);
    };
    socket.onclose = ({ code }) => {
      clearTimeout(deadline);
      if (this.#stopped || socket !== this.#socket) return;
      // Many tabs that lose one server must not come back in the same moment.
      const pause = this.#pause * (0.75 + Math.random() / 2);
      this.#pause = Math.min(2 * this.#pause, LONGEST);
      this.state.set({ name: "waiting", retryAt: Date.now() + pause, code });
      this.#timer = setTimeout(() => this.#open(), pause);
      this.closed({ wasOpen: open });
    };
  }

  #hurry() {
    if (this.state.value.name !== "waiting" || this.#stopped) return;
    this.#pause = FIRST;
    this.#open();
  }
}
