// Tests of the console's state, run by test_state.py: `node state.mjs FOLDER-OF-THE-CONSOLE`.

import assert from "node:assert/strict";

globalThis.requestAnimationFrame = (callback) => setImmediate(callback);
globalThis.location = { href: "http://localhost/" };
const of = (path) => import(`${process.argv[2]}/${path}`);

const { Contacts } = await of("state/contacts.js");
const { Endpoints } = await of("state/endpoints.js");
const { Events } = await of("state/events.js");
const { Messages } = await of("state/journal.js");
const { Statistics, causeOf } = await of("state/statistics.js");
const { Store, bound } = await of("state/store.js");
const { nextPage } = await of("net/ari.js");
const { clock, duration, instant, roundtrip } = await of("parts/time.js");

const endpoint = (resource, state = "offline", technology = "PJSIP") => ({ technology, resource, state, channel_ids: [] });
const changed = (...about) => ({ type: "EndpointStateChange", endpoint: endpoint(...about) });
const frame = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
const now = () => new Date().toISOString().replace("Z", "+0000");

/** An ARI whose answers are made by hand: `asked` are its open questions, each with `answer`. */
class Ari {
  asked = [];

  #ask(what) {
    return new Promise((answer) => this.asked.push({ ...what, answer }));
  }

  get(path) {
    return this.#ask({ path });
  }

  async *pages(path, query) {
    yield await this.#ask({ path, query });
  }
}

const tests = {
  async "a store tells once a frame"() {
    const store = new Store();
    let told = 0;
    const stop = store.watch(() => (told += 1));
    for (let i = 0; i < 100; i += 1) store.changed();
    await frame();
    assert.equal(told, 1);
    assert.equal(store.version, 100);
    stop();
    store.changed();
    await frame();
    assert.equal(told, 1);
  },

  "what is kept is bounded"() {
    const map = new Map([[1, 1], [2, 2], [3, 3]]);
    bound(map, 2);
    assert.deepEqual([...map.keys()], [2, 3]);
  },

  async "pages make a list, sorted as the server does"() {
    const [ari, endpoints] = [new Ari(), new Endpoints()];
    const loading = endpoints.load(ari);
    await frame();
    ari.asked[0].answer({ items: [endpoint("b", "online"), endpoint("c")], last: false });
    await frame();
    assert.equal(endpoints.loaded, "some");
    assert.equal(ari.asked[1].query.after, "PJSIP/c");
    ari.asked[1].answer({ items: [endpoint("a", "online", "SIP")], last: true });
    await loading;
    endpoints.hear(changed("B", "online"));
    assert.deepEqual(endpoints.sorted().map(({ id }) => id), ["PJSIP/B", "PJSIP/b", "PJSIP/c", "SIP/a"]);
    assert.deepEqual(endpoints.counts(), { state: { online: 3, offline: 1 }, technology: { PJSIP: 3, SIP: 1 } });
    const ids = (filter) =>
      endpoints.select({ text: "", technology: "", state: "", ...filter }, (id) => (id === "PJSIP/c" ? "snom" : "")).map(({ id }) => id);
    assert.deepEqual(ids({ technology: "SIP" }), ["SIP/a"]);
    assert.deepEqual(ids({ state: "offline" }), ["PJSIP/c"]);
    assert.deepEqual(ids({ text: "pjsip sno" }), ["PJSIP/c"]);
  },

  async "an event is newer than a page that was on its way"() {
    const [ari, endpoints] = [new Ari(), new Endpoints()];
    const loading = endpoints.load(ari);
    await frame();
    endpoints.hear(changed("alice", "online"));
    ari.asked[0].answer({ items: [endpoint("alice", "offline"), endpoint("bob")], last: true });
    await loading;
    assert.equal(endpoints.get("PJSIP/alice").state, "online");
    // A list that is read again takes away what is no more, and what an older reading still brings.
    const [older, newer] = [endpoints.load(ari), endpoints.load(ari)];
    await frame();
    ari.asked[2].answer({ items: [endpoint("alice", "online")], last: true });
    await newer;
    ari.asked[1].answer({ items: [endpoint("bob")], last: true });
    await older;
    assert.deepEqual(endpoints.sorted().map(({ id }) => id), ["PJSIP/alice"]);
  },

  async "contacts are asked for again when an event came meanwhile"() {
    const ari = new Ari();
    const contacts = new Contacts(ari);
    contacts.want([{ id: "PJSIP/alice", technology: "PJSIP", resource: "alice" }]);
    assert.equal(ari.asked[0].path, "endpoints/PJSIP/alice/contacts");
    contacts.hear(changed("alice", "online"));
    ari.asked[0].answer([]);
    while (ari.asked.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    ari.asked[1].answer([{ uri: "sip:alice@192.0.2.1", user_agent: "Snom", roundtrip_usec: "1500" }]);
    while (!contacts.of("PJSIP/alice").length) await frame();
    assert.equal(contacts.words("PJSIP/alice"), "sip:alice@192.0.2.1 snom");
    // Nobody looks: nothing is asked.
    contacts.want([]);
    contacts.hear(changed("alice", "offline"));
    await frame();
    assert.equal(ari.asked.length, 2);
  },

  "only so many contacts are asked for at a time"() {
    const ari = new Ari();
    const many = Array.from({ length: 50 }, (_, n) => ({ id: `PJSIP/${n}`, technology: "PJSIP", resource: `${n}/ü` }));
    new Contacts(ari).want(many);
    assert.equal(ari.asked.length, 4);
    assert.equal(ari.asked[0].path, "endpoints/PJSIP/0%2F%C3%BC/contacts");
  },

  "events are bounded, paused and filtered"() {
    const events = new Events();
    for (let n = 0; n < 5_000; n += 1) events.hear(changed(`p${n}`));
    const shown = events.select();
    assert.ok(shown.length <= 2_200);
    assert.equal(shown[0].event.endpoint.resource, "p4999");
    events.pause(true);
    events.hear(changed("late"));
    assert.deepEqual([events.waiting, events.select({ text: "late" }).length], [1, 0]);
    // The page of an endpoint goes on.
    assert.equal(events.select({ about: "PJSIP/late" }).length, 1);
    events.pause(false);
    assert.equal(events.select({ text: "LATE endpointstate" }).length, 1);
    assert.equal(events.select({ type: "PeerStatusChange" }).length, 0);
    events.hear({ type: "TextMessageStatusChange", message: { to: "pjsip:late" } });
    assert.equal(events.select({ about: "PJSIP/late" }).length, 2);
    assert.deepEqual(events.types(), ["EndpointStateChange", "TextMessageStatusChange"]);
    events.clear();
    assert.deepEqual(events.select(), []);
  },

  "an older state of a message does not replace a newer one"() {
    const messages = new Messages();
    const message = (state, updated) => ({ id: "m", state, created: "2026-01-01", updated });
    messages.put(message("delivered", "2026-01-01T00:00:02"));
    messages.put(message("queued", "2026-01-01T00:00:01"));
    assert.equal(messages.get("m").state, "delivered");
    for (let n = 0; n < 6_000; n += 1) messages.put({ id: `${n}`, created: `${n}`, updated: "" });
    assert.equal(messages.newest().length, 5_000);
  },

  "statistics count contacts, texts and why they failed"() {
    const statistics = new Statistics();
    const contact = (contact_status) => ({ type: "ContactStatusChange", timestamp: now(), contact_info: { contact_status } });
    for (const status of ["NonQualified", "NonQualified", "Reachable", "Removed"]) statistics.hear(contact(status));
    statistics.hear({ type: "PeerStatusChange", timestamp: now(), peer: { peer_status: "Registered" } });
    const { came, went, data } = statistics.registrations(300, 5);
    assert.deepEqual([came, went, data[1].reduce((a, b) => a + b)], [3, 1, 3]);
    assert.equal(data[0].length, 60);
    const text = (id, state, extra) => ({ type: "TextMessageStatusChange", message: { id, state, created: now(), updated: now(), ...extra } });
    for (const state of ["queued", "sending", "delivered"]) statistics.hear(text("a", state));
    const refused = { deliveries: [{ state: "failed", status_code: 486, reason: "Busy Here" }] };
    for (const id of ["b", "c"]) statistics.hear(text(id, "failed", refused));
    statistics.hear(text("d", "expired"));
    statistics.text({ id: "old", state: "failed", created: "2020-01-01T00:00:00.000+0000" });
    assert.deepEqual(statistics.failures(300), [["486 Busy Here", 2], ["expired", 1]]);
    assert.equal(Math.round(statistics.rate(300, 5)[1].reduce((a, b) => a + b) * 5), 4);
    const [, seconds] = statistics.deliveries(300);
    assert.ok(seconds.length === 1 && seconds[0] >= 0.001);
    assert.equal(causeOf({ state: "failed", deliveries: [] }), "failed");
  },

  "links, times and durations are read"() {
    assert.deepEqual(nextPage('</ari/endpoints?limit=2&after=PJSIP%2Fa%26b>; rel="next"', { limit: 2 }), { limit: 2, after: "PJSIP/a&b" });
    assert.equal(nextPage(null, {}), null);
    assert.equal(instant("2026-11-23T04:47:34.508+0000"), Date.UTC(2026, 10, 23, 4, 47, 34, 508));
    assert.equal(clock("no time"), "");
    assert.deepEqual([0.0015, 0.2, 3.44, 45, 600, 7200, 1e6].map(duration), ["1.5 ms", "200 ms", "3.4 s", "45 s", "10 min", "2 h", "12 d"]);
    assert.equal(roundtrip([{ roundtrip_usec: "0" }, { roundtrip_usec: "2500" }]), "2.5 ms");
    assert.equal(roundtrip(undefined), "");
  },
};

for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
  } catch (error) {
    console.error(name);
    throw error;
  }
}
console.log("all is well");
process.exit(0);
