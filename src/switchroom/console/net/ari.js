// The REST interface, as one user. The password is in each request's own header and never with the browser, which
// would send it for other pages too.

import { S } from "../strings.js";

/** Milliseconds a request may take; the server itself gives up earlier. */
const PATIENCE = 20_000;

/** The server answered, and did not do it. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Nobody answered. */
export class Lost extends Error {}

export class Ari {
  #authorization;

  constructor(base, user, password) {
    this.base = base;
    this.user = user;
    this.#authorization = `Basic ${base64(`${user}:${password}`)}`;
    this.key = `${user}:${password}`;
  }

  /**
   * One request below `/ari/`: `query` is an object whose empty values are left out, `body` becomes JSON.
   * Resolves to { json, headers, status }; rejects with Refused or Lost.
   */
  async ask(method, path, { query = {}, body, keepalive = false } = {}) {
    const url = new URL(path, this.base);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== "" && value !== null) url.searchParams.set(name, value);
    }
    const headers = { Authorization: this.#authorization };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let response, text;
    try {
      response = await fetch(url, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: "omit",
        cache: "no-store",
        redirect: "error",
        keepalive,
        signal: AbortSignal.timeout(PATIENCE),
      });
      text = await response.text();
    } catch {
      throw new Lost(S.connection.noAnswer);
    }
    const json = parsed(text);
    if (!response.ok) throw new Refused(response.status, json?.message ?? response.statusText);
    return { json, headers: response.headers, status: response.status };
  }

  async get(path, query) {
    return (await this.ask("GET", path, { query })).json;
  }

  /** The pages of a list, one after the other, along the Link header. */
  async *pages(path, query) {
    let next = { ...query };
    while (next) {
      const { json, headers } = await this.ask("GET", path, { query: next });
      next = nextPage(headers.get("Link"), next);
      yield { items: json, last: next === null };
    }
  }
}

/** The path of an endpoint below `/ari/`. */
export function endpointPath({ technology, resource }, rest = "") {
  return `endpoints/${encodeURIComponent(technology)}/${encodeURIComponent(resource)}${rest}`;
}

/** The query of `rel="next"` with what was asked for, null at the end. */
export function nextPage(link, query) {
  const target = /<([^>]*)>\s*;\s*rel="?next/.exec(link ?? "")?.[1];
  if (!target) return null;
  const after = new URL(target, location.href).searchParams.get("after");
  return after ? { ...query, after } : null;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function base64(text) {
  return btoa(String.fromCodePoint(...new TextEncoder().encode(text)));
}
