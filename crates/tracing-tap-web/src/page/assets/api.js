// Requests to the endpoint, and its errors.

/** The endpoint is one level above the page's files, wherever it is mounted. */
const ENDPOINT = new URL("../", import.meta.url);

/** Kept here and nowhere else: not in storage, not in the address. */
let token = "";
/** @type {Promise<string> | null} */
let asking = null;
/** @type {(detail: string) => Promise<string>} */
let askForToken = async () => "";

/** How far this browser's clock is ahead of the service's. */
let aheadMs = 0;

/** The time by the service's clock, to about a second. */
export function now() {
  return Date.now() - aheadMs;
}

/** An error of the endpoint: a problem document. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {Record<string, any>} document
   */
  constructor(status, document) {
    super(document.detail ?? document.title ?? `the endpoint answered with status ${status}`);
    this.status = status;
    this.document = document;
    this.kind = String(document.type ?? "").split(":").pop();
  }

  /** Whether the same request may be answered otherwise a little later. */
  get isPassing() {
    return this.status >= 500 || this.status === 408 || this.status === 429;
  }
}

/** Sets the function that asks the user for a token. It gets the endpoint's message; an empty token means none. */
export function onTokenNeeded(ask) {
  askForToken = ask;
}

/** The address of a path below the endpoint. */
export function address(path) {
  return new URL(path, ENDPOINT).href;
}

/**
 * Sends a request. If it is not authenticated, asks the user for the token and repeats it.
 * @param {string} method
 * @param {string} path below the endpoint
 * @param {{ body?: any, headers?: Record<string, string>, signal?: AbortSignal, keepalive?: boolean }} [options]
 * @returns {Promise<Response>}
 * @throws {Problem} where it refuses; `TypeError` where it cannot be reached.
 */
export async function ask(method, path, options = {}) {
  for (;;) {
    const brought = token;
    const response = await send(method, path, options, brought);
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (problem.status !== 401 || options.keepalive) throw problem;
    if (token === brought) await renewToken(brought === "" ? "" : problem.message);
    if (token === "") throw problem;
  }
}

/** The same, for an answer in JSON. */
export async function askForJson(method, path, options = {}) {
  return (await ask(method, path, options)).json();
}

async function send(method, path, { body, headers = {}, signal, keepalive }, brought) {
  const sent = { ...headers };
  if (brought !== "") sent.Authorization = `Bearer ${brought}`;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  const text = body === undefined ? undefined : JSON.stringify(body);
  const response = await fetch(address(path), { method, headers: sent, body: text, signal, keepalive, cache: "no-store" });
  const said = Date.parse(response.headers.get("date") ?? "");
  if (Number.isFinite(said)) aheadMs = Date.now() - said;
  return response;
}

/** Everybody who waits for a token waits for the same one. */
async function renewToken(detail) {
  asking ??= askForToken(detail).finally(() => (asking = null));
  token = await asking;
}

async function problemOf(response) {
  const isDocument = (response.headers.get("content-type") ?? "").startsWith("application/problem+json");
  const document = isDocument ? await response.json().catch(() => ({})) : {};
  return new Problem(response.status, document);
}
