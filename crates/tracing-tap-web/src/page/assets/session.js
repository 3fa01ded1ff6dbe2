// One session: opened, read, resumed after an interruption, opened again if it is gone, closed.

import { ask, askForJson, now, Problem } from "./api.js";
import { grouped } from "./dom.js";
import { LEVELS } from "./event.js";
import { Flames } from "./flames.js";
import { Rates } from "./rates.js";
import { REASONS } from "./reasons.js";
import { MessageReader } from "./sse.js";
import { Store } from "./store.js";

/** How long to wait at most before the next attempt, in milliseconds: a service that is back is read within a second. */
const WAITS = [250, 500, 750];
/** After so many attempts it is said that there is no connection. */
const MANY_ATTEMPTS = 4;
/** How long a session that was closed may take to send what is left. */
const LAST_WORDS_MS = 5000;
/** A connection that is silent for this long is dead; the endpoint announces its heartbeat. */
const [SILENT_MS, SILENT_BEATS] = [40_000, 3];
/** For how long lines are taken apart before the browser gets to do something else. */
const SLICE_MS = 12;

/** Where events of an instance were lost behind its session. */
const PLACES = {
  instance: "not sent by the instance",
  network: "on the way",
  watcher: "not read in time by this service",
  malformed: "not parsed",
};
const LEFT = {
  closed: "the session is closed",
  unrenewed: "its lease was not renewed",
  shutdown: "it was shut down",
  closed_here: "it closed the session itself",
  too_costly: "the session's predicate cost it too much",
  lost: "silent for too long",
};
const ENDED = {
  closed: "The session was closed",
  expired: "The session has expired",
  max_events: "The session has reached its maximum of events",
  shutdown: "The service is shutting down",
  too_costly: "The session took too much of the service's time",
};

/**
 * @typedef {{ q: string, level?: string, for?: string, max?: number, rate?: number, sample?: number, follow?: string,
 *   only_if?: string, slower_than?: string, spans?: string, timings?: boolean, look_back?: string, name?: string, capacity?: number }} Ask what `POST /sessions` takes
 * @typedef {"opening" | "live" | "waiting" | "superseded" | "refused" | "ended" | "recording"} State
 */

export class Session {
  /** Whether it is read from a file. */
  isRecording = false;
  /** @type {State} */
  state = "opening";
  /** What is to be said of the state. */
  detail = "";
  store = new Store();
  rates = new Rates();
  flames = new Flames();
  /** The endpoint's description of the session: id, coverage, end. @type {Record<string, any>} */
  about;
  received = 0;
  lost = 0;
  /** Events that a limit kept back, by reason. @type {Record<string, number>} */
  keptBack = {};
  /** Called whenever something has changed. */
  onchange = () => {};

  #ask;
  #isFound;
  #lastId = "";
  #stop = new AbortController();
  #isClosing = false;
  /** Whether the last connection brought anything: then the next attempt is soon. */
  #hasCome = false;
  /** Whether the past of an instance is over, once there was some. */
  #pasts = new Map();
  /** Whether the service ended, and the session with it. */
  #isGone = false;

  /**
   * @param {Ask} ask
   * @param {Record<string, any>} about the endpoint's description of the session
   * @param {{ isFound?: boolean }} [how] whether it was found among those that are open, not opened here
   */
  constructor(ask, about, { isFound = false } = {}) {
    this.#ask = ask;
    this.#isFound = isFound;
    this.#begin(about);
  }

  get ask() {
    return this.#ask;
  }

  get isOver() {
    return this.state === "ended" || this.state === "refused";
  }

  /** Reads until the session is over. */
  async run() {
    try {
      await this.#readToTheEnd();
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#become("refused", error.message);
    }
  }

  /** Reads the session again after another reader took it over. */
  async readHere() {
    this.#become("waiting", "");
    this.#bar("gap", "Reading here again: events that another reader received meanwhile may be missing");
    await this.run();
  }

  /** Closes the session after its remaining items. */
  async close() {
    if (this.isOver || this.#isClosing) return;
    this.#isClosing = true;
    const isReading = this.state === "live";
    // An endpoint that does not answer is not waited for.
    if (isReading) setTimeout(() => this.#stop.abort(), LAST_WORDS_MS);
    else this.#stop.abort();
    await this.#delete().catch(() => {});
    if (!isReading && !this.isOver) this.#end("closed");
  }

  /** Closes the session if it was opened here, while the page is being closed. */
  abandon() {
    if (this.isOver || this.#isFound || this.state === "superseded") return;
    this.#delete({ keepalive: true }).catch(() => {});
  }

  async #delete(options = {}) {
    await ask("DELETE", `sessions/${this.about.id}`, options);
  }

  async #readToTheEnd() {
    /** When the connection was lost. @type {number | null} */
    let since = null;
    for (let attempt = 0; ; attempt += 1) {
      this.#hasCome = false;
      try {
        if (this.#isGone) {
          await this.#openAnew();
          since = null;
        }
        const response = await this.#connect();
        if (response.status === 204) return this.#end("over");
        if (since !== null) this.#tellReconnected(since);
        since = null;
        this.#become("live", "");
        await this.#readConnection(response);
      } catch (error) {
        if (this.#stop.signal.aborted || (this.#isClosing && error.kind === "not-found")) return this.#end("closed");
        if (this.#isFinal(error)) throw error;
      }
      if (this.isOver || this.state === "superseded") return;
      if (this.#hasCome) attempt = 0;
      since ??= Date.now();
      if (this.#isPastItsTime()) return this.#end("expired");
      await this.#wait(attempt);
    }
  }

  /** Whether there is no use in trying again. A session that is gone is opened again. */
  #isFinal(error) {
    if (!(error instanceof Problem) || error.isPassing) return false;
    this.#isGone = error.kind === "not-found" && !this.#isFound && !this.#isClosing;
    return !this.#isGone;
  }

  /** After hours, the page gives up waiting for the service. */
  #isPastItsTime() {
    const { expires_at: expiresAt } = this.about;
    return expiresAt !== null && now() > Date.parse(expiresAt) + LAST_WORDS_MS;
  }

  #connect() {
    const headers = { Accept: "text/event-stream" };
    if (this.#lastId !== "") headers["Last-Event-ID"] = this.#lastId;
    return ask("GET", `sessions/${this.about.id}/stream`, { headers, signal: this.#stop.signal });
  }

  /** Says of a session of our own that nothing was read yet: what a first connection that is cut was sent comes again. */
  #begin(about) {
    this.about = about;
    this.#lastId = this.#isFound ? "" : `${about.id}:-1`;
  }

  /** The same session, from now on. */
  async #openAnew() {
    this.#begin(await askForJson("POST", "sessions", { body: this.#ask, signal: this.#stop.signal }));
    this.#isGone = false;
    this.#bar("gap", "The session was gone: the service was restarted, or was unreachable for too long. A new session is open; events in between are missing and not counted");
  }

  async #readConnection(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const messages = new MessageReader();
    const patience = Math.max(SILENT_MS, SILENT_BEATS * Number(response.headers.get("tap-heartbeat")) || 0);
    for (;;) {
      const { done, value } = await next(reader, patience);
      if (done) return;
      await this.#takeAll(messages.take(value));
      this.#hasCome = true;
      if (this.isOver || this.#isGone || this.state === "superseded") {
        reader.cancel().catch(() => {});
        return;
      }
    }
  }

  /** In slices, so that a browser that has come back to a heap of events stays at hand. */
  async #takeAll(messages) {
    let begun = performance.now();
    for (const message of messages) {
      this.take(message);
      if (performance.now() - begun > SLICE_MS) {
        this.onchange();
        await new Promise((resolve) => setTimeout(resolve));
        begun = performance.now();
      }
    }
    this.onchange();
  }

  /** Takes one item of the stream. */
  take({ name, data, id }) {
    if (name === "message" || name === "timing") this.#takeEvent(data, name === "timing");
    else this.#takeOther(name, JSON.parse(data));
    if (id !== "") this.#lastId = id;
  }

  #takeEvent(raw, isTiming) {
    const item = JSON.parse(raw);
    const { level, timestamp, past, instance } = item;
    if (isTiming) this.flames.add(item);
    this.#noteEndOfPast(past === true, instance);
    const event = { kind: /** @type {const} */ ("event"), isTiming, raw, level: LEVELS.indexOf(level), second: Math.floor(Date.parse(timestamp) / 1000) };
    this.received += 1;
    this.store.push(event);
    this.rates.count(event.second, event.level);
  }

  #takeOther(name, item) {
    if (name === "missing") this.#takeMissing(item);
    else if (name === "gap") this.#takeLost(item, PLACES[item.place] ?? item.place);
    else if (name === "horizon") this.#tellHorizon(item);
    else if (name === "joined") this.#bar("calm", `${item.instance} takes part`);
    else if (name === "left") this.#tellLeft(item);
    else if (name === "silent") this.#bar("gap", `${item.instance} is silent`);
    else if (name === "refused") this.#bar("gap", `${item.instance} takes no part: ${item.error}`);
    else if (name === "ended" && item.reason === "shutdown" && !this.#isFound && !this.#isClosing) this.#isGone = true;
    else if (name === "ended") this.#end(item.reason);
    else if (name === "superseded") this.#become("superseded", "Another reader has taken this session over");
  }

  /** Once: a request that is shown later, for its outcome, may begin in the past again. */
  #noteEndOfPast(isPast, instance = "") {
    const isOver = this.#pasts.get(instance);
    if (isPast && isOver === undefined) this.#pasts.set(instance, false);
    if (isPast || isOver !== false) return;
    this.#pasts.set(instance, true);
    this.#bar("calm", `The past ${instance === "" ? "" : `of ${instance} `}ends here: what follows is live`);
  }

  #tellHorizon({ instance, asked_ms, reaches_ms, overwritten, unresolved, unkept }) {
    const isWhole = reaches_ms >= asked_ms && unresolved === 0 && unkept === 0;
    const parts = [
      `${instance === undefined ? "The past" : `The past of ${instance}`} reaches back ${reaches_ms / 1000} s${reaches_ms < asked_ms ? ` of ${asked_ms / 1000} s` : ""}`,
      overwritten > 0 ? `${grouped(overwritten)} older events were overwritten` : "",
      unresolved > 0 ? `${grouped(unresolved)} events that may have matched are left out: part of them or of their spans is gone` : "",
      unkept > 0 ? `${grouped(unkept)} events were on threads that got no ring, or were not written in time` : "",
    ];
    this.#bar(isWhole ? "calm" : "gap", parts.filter(Boolean).join("; "));
  }

  #tellLeft({ instance, reason, matched, arrived, lost, missing }) {
    const counts = [`${matched} matched`, `${arrived} arrived`, `${lost} lost`, ...keptBackWords(missing)];
    this.#bar("calm", `${instance} takes no more part: ${LEFT[reason] ?? reason}; ${counts.join(", ")}`);
  }

  #takeMissing(item) {
    // A reason of a later version may be a loss.
    const { isLoss, text } = REASONS[item.reason] ?? { isLoss: true, text: item.reason };
    if (isLoss) return this.#takeLost(item, text);
    this.keptBack[item.reason] = (this.keptBack[item.reason] ?? 0) + item.count;
    this.rates.countKeptBack(item.count);
    this.#bar("calm", `${whose(item)} ${text}`);
  }

  #takeLost(item, why) {
    this.lost += item.count;
    this.rates.countLost(item.count);
    this.#bar("lost", `${whose(item)} lost: ${why}`);
  }

  #tellReconnected(since) {
    const seconds = Math.max(1, Math.round((Date.now() - since) / 1000));
    this.#bar("calm", `The connection was lost for ${seconds} s. It resumed where it stopped: only events reported as lost are missing`);
  }

  #end(reason) {
    const words = ENDED[reason] ?? "The session has ended";
    this.#bar("end", words);
    this.#become("ended", words);
  }

  async #wait(attempt) {
    // Pages that lost the same service do not come back as one.
    const pause = WAITS[Math.min(attempt, WAITS.length - 1)] * (0.5 + Math.random() / 2);
    this.#become("waiting", attempt < MANY_ATTEMPTS ? "Reconnecting" : "No connection, retrying");
    const over = new AbortController();
    const { signal } = over;
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, pause);
      signal.addEventListener("abort", () => clearTimeout(timer));
      this.#stop.signal.addEventListener("abort", resolve, { signal });
      globalThis.addEventListener("online", resolve, { signal });
      // Browsers hold back the timers of a hidden page.
      document.addEventListener("visibilitychange", resolve, { signal });
    });
    over.abort();
  }

  /** @param {Extract<import("./store.js").Row, { kind: "bar" }>["tone"]} tone */
  #bar(tone, text) {
    this.store.push({ kind: "bar", tone, text });
    this.onchange();
  }

  /** @param {State} state */
  #become(state, detail) {
    this.state = state;
    this.detail = detail;
    this.onchange();
  }
}

/** What limits kept back, by reason: `4 rate-limited`. */
export function keptBackWords(missing) {
  const keptBack = Object.entries(REASONS).filter(([word, { isLoss }]) => !isLoss && missing[word] > 0);
  return keptBack.map(([word, { text }]) => `${grouped(missing[word])} ${text}`);
}

/** How many events, and of which instance if the item names one. */
function whose({ count, instance }) {
  return `${count} ${count === 1 ? "event" : "events"}${instance === undefined ? "" : ` of ${instance}`}`;
}

/** What a stream has next; an error where it is silent for longer than a line may be. */
async function next(reader, patience) {
  let timer = 0;
  const silence = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("the line is silent")), patience)));
  try {
    return await Promise.race([reader.read(), silence]);
  } catch (error) {
    reader.cancel().catch(() => {});
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
