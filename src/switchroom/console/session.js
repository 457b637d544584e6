// One login: the REST interface, the events, and everything that is kept of both.

import { Ari, Lost, Refused } from "./net/ari.js";
import { Stream } from "./net/stream.js";
import { Contacts } from "./state/contacts.js";
import { Endpoints } from "./state/endpoints.js";
import { Events } from "./state/events.js";
import { Messages, Referrals } from "./state/journal.js";
import { Statistics } from "./state/statistics.js";
import { Value } from "./state/store.js";
import { S } from "./strings.js";

/** In the tab's own storage: other tabs do not see it, and it goes with the tab. */
const KEPT = "switchroom.session";
const SOURCES = "message:,referral:";

const BASE = new URL("ari/", document.baseURI);

export class Session {
  /** An application of this page alone: two tabs do not take each other's events. */
  #application = `console-${random()}`;

  constructor(user, password, leave) {
    this.ari = new Ari(BASE, user, password);
    this.leave = leave;
    this.endpoints = new Endpoints();
    this.contacts = new Contacts(this.ari);
    this.messages = new Messages();
    this.referrals = new Referrals();
    this.events = new Events();
    this.statistics = new Statistics();
    /** What is wrong and what to do about it, null when nothing is. */
    this.problem = new Value(null);
    /** Whether the user may only read. */
    this.readOnly = new Value(false);
    this.stream = new Stream({
      url: () => this.#address(),
      opened: () => this.#opened(),
      closed: (how) => this.#closed(how),
      heard: (event) => this.#heard(event),
    });
    this.goodbye = () => this.#unsubscribe();
  }

  start() {
    addEventListener("pagehide", this.goodbye);
    this.stream.start();
  }

  stop() {
    removeEventListener("pagehide", this.goodbye);
    this.stream.stop();
    this.#unsubscribe();
  }

  /** The words for a request that failed. */
  explain(error) {
    if (error instanceof Refused && error.status === 401) this.leave(S.login.noLonger);
    return explain(error);
  }

  #address() {
    const url = new URL("events", BASE);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("app", this.#application);
    url.searchParams.set("subscribeAll", "true");
    // Browsers can not set headers of a WebSocket.
    url.searchParams.set("api_key", this.ari.key);
    return url;
  }

  async #opened() {
    this.problem.set(null);
    this.contacts.forget();
    await Promise.all([this.#subscribe(), this.#load()]);
  }

  async #subscribe() {
    try {
      await this.ari.ask("POST", `applications/${this.#application}/subscription`, { query: { eventSource: SOURCES } });
      this.readOnly.set(false);
    } catch (error) {
      if (error instanceof Refused && error.status === 403) this.readOnly.set(true);
      else if (!(error instanceof Lost)) this.problem.set({ kind: "subscription", text: this.explain(error) });
    }
  }

  async #load() {
    try {
      await this.endpoints.load(this.ari);
    } catch (error) {
      this.problem.set({ kind: "list", text: this.explain(error) });
    }
  }

  #unsubscribe() {
    if (this.readOnly.value || this.stream.state.value.name !== "open") return;
    const path = `applications/${this.#application}/subscription`;
    this.ari.ask("DELETE", path, { query: { eventSource: SOURCES }, keepalive: true }).catch(() => {});
  }

  #heard(event) {
    for (const part of [this.endpoints, this.contacts, this.messages, this.referrals, this.statistics, this.events]) {
      part.hear(event);
    }
  }

  /** A WebSocket does not say why it did not open: plain requests find out. */
  async #closed({ wasOpen }) {
    if (wasOpen) return;
    try {
      await this.ari.get("asterisk/ping");
    } catch (error) {
      if (error instanceof Refused && error.status === 401) this.leave(S.login.noLonger);
      else this.problem.set({ kind: "lost", text: error instanceof Lost ? S.connection.lost : this.explain(error) });
      return;
    }
    let kind = "stream";
    try {
      await this.ari.ask("POST", `applications/${this.#application}/subscription`, { query: { eventSource: SOURCES } });
    } catch (error) {
      if (error instanceof Refused && error.status === 403 && /origin/i.test(error.message)) kind = "origin";
    }
    this.problem.set({ kind, text: kind === "origin" ? S.connection.origin(location.origin) : S.connection.stream });
    if (this.endpoints.loaded === "none") await this.#load();
  }
}

/** What to do about a request that failed, in a sentence. */
export function explain(error) {
  if (error instanceof Lost) return S.connection.lost;
  if (!(error instanceof Refused)) throw error;
  if (/origin/i.test(error.message) && error.status === 403) return S.connection.origin(location.origin);
  return S.refused[error.status]?.(error.message) ?? S.refused.other(error.status, error.message);
}

/** Asks the server who it is; rejects as Ari does when the login is wrong. */
export function identify(user, password) {
  return new Ari(BASE, user, password).get("asterisk/info", { only: "system" });
}

export function keep(user, password) {
  sessionStorage.setItem(KEPT, JSON.stringify({ user, password }));
}

export function forget() {
  sessionStorage.removeItem(KEPT);
}

/** The login of this tab, null when there is none. */
export function kept() {
  try {
    const { user, password } = JSON.parse(sessionStorage.getItem(KEPT));
    return typeof user === "string" && typeof password === "string" ? { user, password } : null;
  } catch {
    return null;
  }
}

function random() {
  return Array.from(crypto.getRandomValues(new Uint8Array(6)), (octet) => octet.toString(16).padStart(2, "0")).join("");
}
