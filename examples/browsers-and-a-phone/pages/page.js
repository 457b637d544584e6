// A phone in a page: http://127.0.0.1:8089/?anna is anna's. It registers over a WebSocket, writes and calls.

import JsSIP from "./jssip.js";

const PEOPLE = ["anna", "ben", "carl"];
const me = location.search.slice(1) || "anna";
const { host, socket } = await (await fetch("server.json")).json();
const part = (id) => document.getElementById(id);
const SOUND = { mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers: [] } };

let call;

function show(state) {
  part("state").textContent = state;
  part("hangup").hidden = !call;
  part("answer").hidden = !call || call.direction !== "incoming" || !call.isInProgress();
}

function add(line) {
  const item = document.createElement("li");
  item.textContent = line;
  part("texts").append(item);
}

// Says so when the first sound of the other one arrives.
async function listen(session) {
  while (session === call) {
    for (const report of (await session.connection.getStats()).values()) {
      if (report.type === "inbound-rtp" && report.packetsReceived > 0) return show(`in a call with ${other(session)}, who is heard`);
    }
    await new Promise((next) => setTimeout(next, 100));
  }
}

const other = (session) => session.remote_identity.uri.user;

function follow(session) {
  if (call) return session.terminate({ status_code: 486 });
  call = session;
  session.on("progress", () => show(session.direction === "incoming" ? `${other(session)} calls` : `${other(session)} rings`));
  session.on("confirmed", () => {
    show(`in a call with ${other(session)}`);
    part("sound").srcObject = new MediaStream(session.connection.getReceivers().map(({ track }) => track));
    listen(session);
  });
  const end = ({ cause }) => {
    call = undefined;
    show(`registered (the last call: ${cause})`);
  };
  session.on("ended", end);
  session.on("failed", end);
}

const phone = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface(socket)],
  uri: `sip:${me}@${host}`,
  password: `${me}pw`,
  session_timers: false,
});
phone.on("registered", () => call || show("registered"));
phone.on("unregistered", () => show("not registered"));
phone.on("disconnected", () => show("not connected"));
phone.on("registrationFailed", ({ cause }) => show(`not registered: ${cause}`));
phone.on("newRTCSession", ({ session }) => follow(session));
phone.on("newMessage", ({ originator, request }) => {
  if (originator === "remote") add(`${request.from.uri.user}: ${request.body}`);
});

part("name").textContent = document.title = me;
for (const name of PEOPLE.filter((name) => name !== me)) part("to").append(new Option(name));
part("write").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = part("text").value;
  const to = part("to").value;
  if (!text) return;
  part("text").value = "";
  phone.sendMessage(`sip:${to}@${host}`, text, {
    eventHandlers: {
      succeeded: () => add(`to ${to}: ${text}`),
      failed: ({ cause }) => add(`not sent to ${to} (${cause}): ${text}`),
    },
  });
});
part("call").addEventListener("click", () => call || phone.call(`sip:${part("to").value}@${host}`, SOUND));
part("answer").addEventListener("click", () => call.answer(SOUND));
part("hangup").addEventListener("click", () => call.terminate());
addEventListener("pagehide", () => phone.stop());
phone.start();
