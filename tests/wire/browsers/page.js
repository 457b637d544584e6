// Phones on JsSIP and SIP.js in one page. It takes commands from the test over a WebSocket of its own and tells what
// happens: ["start", PHONE, LIBRARY, URL, NAME, PASSWORD, HOST], ["send", PHONE, URI, TEXT], ["unregister", PHONE],
// ["reload"]; of calls ["call", PHONE, URI], ["answer", PHONE], ["hangup", PHONE], which is also to decline and to cancel.
// A phone that is referred inside a call tells it and does it; outside a call it tells it alone.

import JsSIP from "jssip";
import { Inviter, Messager, Registerer, SessionState, UserAgent } from "sip.js";

const control = new WebSocket(`ws://${location.host}/control`);
const tell = (...what) => control.send(JSON.stringify(what));
const phones = {};

const SOUND = { audio: true, video: false };
const NO_STUN = { iceServers: [] };

// Tells when the first sound arrives on the connection of a call.
async function listen(id, connection) {
  while (connection.connectionState !== "closed") {
    for (const report of (await connection.getStats()).values()) {
      if (report.type === "inbound-rtp" && report.packetsReceived > 0) return tell(id, "hears");
    }
    await new Promise((next) => setTimeout(next, 50));
  }
}

// The latest call of a phone on JsSIP.
function onJsSipCalls(id, phone) {
  let call;
  const options = { mediaConstraints: SOUND, pcConfig: NO_STUN };
  phone.on("newRTCSession", ({ originator, session }) => {
    call = session;
    if (originator === "remote") tell(id, "incoming", session.remote_identity.uri.toString());
    session.on("progress", ({ originator, response }) => {
      if (originator === "remote") tell(id, "progress", response.status_code);
    });
    session.on("confirmed", () => {
      tell(id, "answered");
      listen(id, session.connection);
    });
    session.on("refer", ({ request, accept }) => {
      tell(id, "referred", request.getHeader("Refer-To"));
      accept(null, options);
    });
    session.on("ended", () => tell(id, "ended"));
    session.on("failed", () => tell(id, "ended"));
  });
  return {
    call: (uri) => phone.call(uri, options),
    answer: () => call.answer(options),
    hangup: () => call.terminate(call.isEstablished() ? {} : { status_code: 486 }),
  };
}

// The latest call of a phone on SIP.js.
function onSipJsCalls(id, phone) {
  let call;
  const options = { sessionDescriptionHandlerOptions: { constraints: SOUND } };
  const follow = (session) => {
    call = session;
    session.delegate = {
      onRefer: async (referral) => {
        tell(id, "referred", String(referral.referTo.uri));
        await referral.accept();
        follow(referral.makeInviter(options));
        await call.invite();
      },
    };
    session.stateChange.addListener((state) => {
      if (state === SessionState.Established) {
        tell(id, "answered");
        listen(id, session.sessionDescriptionHandler.peerConnection);
      }
      if (state === SessionState.Terminated) tell(id, "ended");
    });
  };
  phone.delegate.onInvite = (invitation) => {
    follow(invitation);
    tell(id, "incoming", invitation.remoteIdentity.uri.toString());
  };
  return {
    call: (uri) => {
      follow(new Inviter(phone, UserAgent.makeURI(uri), options));
      const onProgress = ({ message }) => tell(id, "progress", message.statusCode);
      return call.invite({ requestDelegate: { onProgress } });
    },
    answer: () => call.accept(options),
    hangup: () => {
      if (call.state === SessionState.Established) return call.bye();
      return call instanceof Inviter ? call.cancel() : call.reject({ statusCode: 486 });
    },
  };
}

function onJsSip(id, url, name, password, host) {
  const phone = new JsSIP.UA({
    sockets: [new JsSIP.WebSocketInterface(url)],
    uri: `sip:${name}@${host}`,
    password,
    register_expires: 120,
  });
  phone.on("registered", ({ response }) => tell(id, "registered", response.status_code));
  phone.on("registrationFailed", ({ cause }) => tell(id, "failed", cause));
  phone.on("unregistered", () => tell(id, "unregistered"));
  phone.on("newMessage", ({ originator, request }) => {
    if (originator === "remote") tell(id, "message", request.from.uri.toString(), request.body);
  });
  phone.start();
  return {
    ...onJsSipCalls(id, phone),
    send: (uri, text) =>
      phone.sendMessage(uri, text, {
        eventHandlers: {
          succeeded: ({ response }) => tell(id, "sent", response.status_code),
          failed: ({ cause }) => tell(id, "failed", cause),
        },
      }),
    unregister: () => phone.unregister(),
  };
}

async function onSipJs(id, url, name, password, host) {
  const phone = new UserAgent({
    uri: UserAgent.makeURI(`sip:${name}@${host}`),
    authorizationUsername: name,
    authorizationPassword: password,
    transportOptions: { server: url },
    sessionDescriptionHandlerFactoryOptions: { iceGatheringTimeout: 500, peerConnectionConfiguration: NO_STUN },
    logBuiltinEnabled: false,
    delegate: {
      onMessage: (message) => {
        message.accept();
        tell(id, "message", message.request.from.uri.toString(), message.request.body);
      },
      onReferRequest: (refer) => {
        refer.accept();
        tell(id, "referred", refer.message.getHeader("Refer-To"));
      },
    },
  });
  await phone.start();
  const registerer = new Registerer(phone, { expires: 120 });
  const answer = (what) => ({
    requestDelegate: {
      onAccept: ({ message }) => tell(id, what, message.statusCode),
      onReject: ({ message }) => tell(id, "failed", message.statusCode),
    },
  });
  await registerer.register(answer("registered"));
  return {
    ...onSipJsCalls(id, phone),
    send: (uri, text) => new Messager(phone, UserAgent.makeURI(uri), text).message(answer("sent")),
    unregister: () => registerer.unregister(answer("unregistered")),
  };
}

const commands = {
  start: async (id, library, ...account) => {
    phones[id] = await (library === "jssip" ? onJsSip : onSipJs)(id, ...account);
  },
  send: (id, uri, text) => phones[id].send(uri, text),
  unregister: (id) => phones[id].unregister(),
  call: (id, uri) => phones[id].call(uri),
  answer: (id) => phones[id].answer(),
  hangup: (id) => phones[id].hangup(),
  reload: () => location.reload(),
};

control.onopen = () => tell("page", "ready");
control.onmessage = async ({ data }) => {
  const [command, ...rest] = JSON.parse(data);
  try {
    await commands[command](...rest);
  } catch (error) {
    tell("page", "failed", String(error));
  }
};
