// A program on npm's ari-client, written as its README says. It takes commands as JSON lines on standard input,
// `[COMMAND, ...ARGUMENTS]`, and tells as JSON lines on standard output what came of them, `["done", RESULT]` or
// `["failed", TEXT]`, and what it hears: `["event", EVENT, ENDPOINT]`. Ends at the end of its input.
'use strict';

const readline = require('readline');
const client = require('ari-client');

// Standard output is for JSON lines only; the swagger library below ari-client logs there.
console.log = console.error;

let ari;
let app;
let connections = 0;

function tell(...what) {
  process.stdout.write(JSON.stringify(what) + '\n');
}

// What an endpoint object of the library holds beside the library's own.
function plain({ technology, resource, state, channel_ids }) {
  return { technology, resource, state, channel_ids };
}

function told(event, endpoint) {
  tell('event', event, endpoint && plain(endpoint));
}

// The library sends either `body` or `variables` and drops `body` when it has both; with variables, programs hand
// the text over beside them.
function content(text, variables) {
  return variables ? { variables: { variables, body: text } } : { body: text };
}

const commands = {
  async connect(url, user, password, name, everything) {
    ari = await client.connect(url, user, password);
    app = name;
    ari.on('WebSocketConnected', () => (connections += 1));
    await ari.start(app, everything);
  },

  operations: async (resource) => Object.keys(ari[resource]).sort(),

  list: async () => (await ari.endpoints.list()).map(plain),

  list_by_tech: async (tech) => (await ari.endpoints.listByTech({ tech })).map(plain),

  get: async (tech, resource) => plain(await ari.endpoints.get({ tech, resource })),

  send: (to, from, text, variables) => ari.endpoints.sendMessage({ to, from, ...content(text, variables) }),

  // Through the endpoint object, which offers the operations of its own.
  async send_to_endpoint(tech, resource, from, text, variables) {
    const endpoint = await ari.endpoints.get({ tech, resource });
    return endpoint.sendMessageToEndpoint({ from, ...content(text, variables) });
  },

  refer: (to, from, referTo, variables) =>
    ari.endpoints.refer({ to, from, refer_to: referTo, ...(variables && { variables }) }),

  async refer_endpoint(tech, resource, from, referTo) {
    const endpoint = await ari.endpoints.get({ tech, resource });
    return endpoint.referToEndpoint({ from, refer_to: referTo });
  },

  subscribe: async (eventSource) =>
    (await ari.applications.subscribe({ applicationName: app, eventSource })).endpoint_ids,

  unsubscribe: async (eventSource) =>
    (await ari.applications.unsubscribe({ applicationName: app, eventSource })).endpoint_ids,

  async listen(...types) {
    types.forEach((type) => ari.on(type, told));
  },

  // Only what happens to one endpoint.
  async watch(tech, resource, type) {
    (await ari.endpoints.get({ tech, resource })).on(type, told);
  },

  // Ends once the library has come back by itself after it lost its WebSocket.
  async reconnected() {
    if (connections < 2) await new Promise((resolve) => ari.once('WebSocketConnected', resolve));
  },

  async ping() {
    const answered = new Promise((resolve) => ari.once('pong', resolve));
    ari.ping();
    await answered;
  },
};

async function carryOut(line) {
  const [command, ...args] = JSON.parse(line);
  try {
    tell('done', (await commands[command](...args)) || null);
  } catch (error) {
    tell('failed', String(error.message || error));
  }
}

// When api-docs are refused, the swagger library throws where no program can catch it.
process.on('uncaughtException', (error) => tell('failed', String(error.message || error)));

readline
  .createInterface({ input: process.stdin })
  .on('line', carryOut)
  .on('close', () => process.exit(0));
