// The browser as a phone, on JsSIP over the server's SIP WebSocket. It goes on while other views are looked at.

import { Store, Value } from "./store.js";
import { S } from "../strings.js";

/** Texts that are kept. */
const MOST = 500;
/** Seconds of a registration; it is refreshed before. */
const EXPIRES = 300;
/** Milliseconds after the first address of ours that others are still waited for. */
const GATHERING = 300;
/** In the tab's own storage, as the login is. */
const KEPT = "switchroom.phone";

/** The phone of this tab, null without one. */
export const phone = new Value(null);

/** Where browsers that are phones connect to. */
export function phoneUrl() {
  const url = new URL("ws", document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/** The name and password this tab registered with, null when it did not. */
export function keptAccount() {
  try {
    const { user, password } = JSON.parse(sessionStorage.getItem(KEPT));
    return { user, password };
  } catch {
    return null;
  }
}

/** Registers; what becomes of it shows in `phone.value`. */
export async function register(user, password) {
  const { default: JsSIP } = await import("../vendor/jssip.js");
  phone.value?.stop();
  sessionStorage.setItem(KEPT, JSON.stringify({ user, password }));
  const line = new Line(JsSIP, user, password);
  phone.set(line);
  line.start();
}

export function unregister() {
  sessionStorage.removeItem(KEPT);
  phone.value?.stop();
  phone.set(null);
}

class Line extends Store {
  #phone;
  #session = null;
  #audio = new Audio();
  /** connecting, registered, lost or failed; with `failed`, a sentence that says why. */
  state = "connecting";
  problem = "";
  /** { peer, mine, text, at, state, cause } of each text, the oldest first. */
  texts = [];
  /** { state: incoming | calling | ringing | talking | ended, peer, muted, cause }, null before the first. */
  call = null;

  constructor(JsSIP, user, password) {
    super();
    this.host = location.hostname;
    this.uri = `sip:${user}@${this.host}`;
    this.#audio.autoplay = true;
    this.#phone = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(phoneUrl())],
      uri: this.uri,
      authorization_user: user,
      password,
      register_expires: EXPIRES,
      session_timers: false,
      user_agent: `Switchroom console, ${browserName()}`,
      connection_recovery_max_interval: 15,
    });
    this.#phone.on("registered", () => this.#is("registered"));
    this.#phone.on("registrationFailed", ({ cause, response }) => this.#refused(cause, response));
    this.#phone.on("disconnected", () => this.#disconnected());
    this.#phone.on("newMessage", ({ originator, request }) => originator === "remote" && this.#received(request));
    this.#phone.on("newRTCSession", ({ originator, session }) => this.#began(originator, session));
  }

  start() {
    this.#phone.start();
  }

  stop() {
    this.#phone.stop();
  }

  /** A name is one at this server. */
  #target(peer) {
    return /^sips?:/i.test(peer) ? peer : `sip:${peer}@${this.host}`;
  }

  send(peer, text) {
    const item = { peer, mine: true, text, at: Date.now(), state: "sending", cause: "" };
    const ended = (state, cause = "") => {
      Object.assign(item, { state, cause });
      this.changed();
    };
    this.#keep(item);
    try {
      this.#phone.sendMessage(this.#target(peer), text, {
        eventHandlers: {
          succeeded: () => ended("accepted"),
          failed: ({ response, cause }) => ended("failed", words(response, cause)),
        },
      });
    } catch (error) {
      ended("failed", error.message);
    }
  }

  dial(peer) {
    this.call = { state: "calling", peer, muted: false, cause: "" };
    this.changed();
    try {
      this.#phone.call(this.#target(peer), MEDIA);
    } catch (error) {
      this.#ended(error.message);
    }
  }

  answer() {
    this.#session?.answer(MEDIA);
  }

  hangUp() {
    // A call that is declined is not offered to another phone of the same person (RFC 3261 21.6.2).
    const declined = { status_code: 603, reason_phrase: "Decline" };
    this.#session?.terminate(this.call.state === "incoming" ? declined : {});
  }

  mute(muted) {
    if (muted) this.#session?.mute({ audio: true });
    else this.#session?.unmute({ audio: true });
    this.call = { ...this.call, muted };
    this.changed();
  }

  #is(state, problem = "") {
    this.state = state;
    this.problem = problem;
    this.changed();
  }

  #refused(cause, response) {
    const status = response?.status_code;
    const password = [401, 403, 407].includes(status) || cause === "Authentication Error";
    this.#is("failed", password ? S.phone.failed.password : S.phone.failed.other(words(response, cause)));
  }

  #disconnected() {
    if (this.state === "registered" || this.state === "lost") this.#is("lost");
    else this.#is("failed", S.phone.failed.connection(phoneUrl()));
  }

  #received(request) {
    this.#keep({ peer: nameOf(request.from.uri), mine: false, text: request.body ?? "", at: Date.now() });
  }

  #keep(item) {
    this.texts = [...this.texts, item].slice(-MOST);
    this.changed();
  }

  #began(originator, session) {
    if (this.#session) {
      session.terminate({ status_code: 486, reason_phrase: "Busy Here" });
      return;
    }
    this.#session = session;
    if (originator === "remote") {
      this.call = { state: "incoming", peer: nameOf(session.remote_identity.uri), muted: false, cause: "" };
      this.changed();
    }
    session.on("peerconnection", ({ peerconnection }) => this.#listen(peerconnection));
    if (session.connection) this.#listen(session.connection);
    let gathering = 0;
    session.on("icecandidate", ({ ready }) => {
      gathering ||= setTimeout(ready, GATHERING);
    });
    session.on("progress", () => originator === "local" && this.#moved("ringing"));
    session.on("confirmed", () => this.#moved("talking"));
    session.on("getusermediafailed", () => this.#ended(S.phone.microphone));
    session.on("ended", ({ cause }) => this.#ended(cause));
    session.on("failed", ({ message, cause }) => this.#ended(words(message, cause)));
  }

  #listen(connection) {
    connection.addEventListener("track", ({ streams }) => {
      [this.#audio.srcObject] = streams;
    });
  }

  #moved(state) {
    this.call = { ...this.call, state };
    this.changed();
  }

  #ended(cause) {
    if (this.#session === null && this.call?.state === "ended") return;
    this.#session = null;
    this.#audio.srcObject = null;
    this.call = { ...this.call, state: "ended", cause };
    this.changed();
  }
}

/** Voice alone; the server and the phone see each other's addresses, nobody else is asked for them. */
const MEDIA = { mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers: [] } };

function words(response, cause) {
  return response?.status_code ? `${response.status_code} ${response.reason_phrase ?? ""}`.trim() : String(cause);
}

/** The user of a URI at this server, the URI itself elsewhere. */
function nameOf(uri) {
  return uri.host === location.hostname && uri.user ? uri.user : uri.toString();
}

function browserName() {
  return navigator.userAgent.match(/(Firefox|Edg|Chrome|Safari)\/[\d]+/)?.[0] ?? "browser";
}
