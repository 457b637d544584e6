// Phones on JsSIP and SIP.js in one page. It takes commands from the test over a WebSocket of its own and tells what
// happens: ["start", PHONE, LIBRARY, URL, NAME, PASSWORD, HOST], ["send", PHONE, URI, TEXT], ["unregister", PHONE],
// ["reload"].

import JsSIP from "jssip";
import { Messager, Registerer, UserAgent } from "sip.js";

const control = new WebSocket(`ws://${location.host}/control`);
const tell = (...what) => control.send(JSON.stringify(what));
const phones = {};

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
