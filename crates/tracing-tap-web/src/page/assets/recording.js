// A recording: the lines of a file, shown as a session is. The browser reads the file; nothing is sent.

import { LEVELS, takeApart } from "./event.js";
import { matches } from "./filter.js";
import { RecordingBanner } from "./recording-banner.js";
import { Session } from "./session.js";

/** For how long lines are taken before the browser gets to do something else. */
const SLICE_MS = 12;
/** What else may be in a file of `tracing-tap watch`, of `curl`, or downloaded from this page. */
const NOTICES = {
  continued: ({ after_ms: after }) => ["calm", `The recording reconnected after ${seconds(after)}. Missing events, if any, are reported`],
  gap: ({ after_ms: after }) => ["gap", `The session was gone${after === undefined ? "" : ` for ${seconds(after)}`}: events in between are unknown`],
  unreadable: ({ reason }) => ["gap", `Unreadable data arrived: ${reason}`],
  superseded: () => ["gap", "Another reader took the session over"],
  stalled: () => ["gap", "The reader was too slow, and the stream was ended"],
  coverage: ({ verdict }) => ["calm", `Coverage when the session began: ${verdict}`],
  note: ({ text }) => ["calm", String(text)],
};
/** What the session itself shows, with the keys that it needs. */
const ITEMS = { missing: ["count", "reason"], horizon: ["asked_ms", "reaches_ms", "overwritten", "unresolved", "unkept"], ended: ["reason"], gap: ["instance", "count", "place"], joined: ["instance"], left: ["instance", "missing"], silent: ["instance"], refused: ["instance", "error"] };

export class Recording extends Session {
  isRecording = true;
  /** The tests that an event must satisfy to be shown. @type {string[]} */
  tests;
  /** All events in the file so far, shown or not. */
  events = 0;
  /** The times of the first event and of the last. @type {[string, string] | null} */
  times = null;
  banner = new RecordingBanner(this);

  #file;
  #line = 0;
  /** The number of the first line, while no line of a recording was found. */
  #suspect = 0;
  #isKnown = false;
  #isLeft = false;

  /**
   * @param {File} file
   * @param {string[]} [tests]
   */
  constructor(file, tests = []) {
    super({ q: "*", name: file.name }, { id: "", expires_at: null }, { isFound: true });
    this.#file = file;
    this.tests = tests;
    this.rates.standsStill = true;
  }

  /** There is no session to stop. */
  get isOver() {
    return true;
  }

  async run() {
    try {
      await this.#read();
      this.state = "recording";
      this.detail = "";
    } catch (error) {
      this.state = "refused";
      this.detail = error.message;
    }
    this.onchange();
  }

  async close() {}

  /** Stops reading: nobody looks at it any more. */
  stop() {
    this.#isLeft = true;
  }

  async readHere() {}

  async #read() {
    const reader = this.#file.stream().pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    while (!this.#isLeft) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop() ?? "";
      await this.#takeLines(lines);
    }
    if (this.#isLeft) return reader.cancel().catch(() => {});
    if (rest.trim() !== "") this.#takeRest(rest);
    if (this.#suspect > 0 && !this.#isKnown) throw this.#notRecording();
  }

  async #takeLines(lines) {
    let begun = performance.now();
    for (const line of lines) {
      this.#line += 1;
      this.#takeLine(line);
      if (performance.now() - begun > SLICE_MS) {
        this.onchange();
        await new Promise((resolve) => setTimeout(resolve));
        if (this.#isLeft) return;
        begun = performance.now();
      }
    }
    this.onchange();
  }

  #takeLine(line) {
    if (line.trim() === "") return;
    const item = parsed(line);
    if (item === null) return this.#takeUnreadable();
    if (!this.#isKnown && this.#suspect > 0) this.#tellUnreadable(this.#suspect);
    this.#isKnown = true;
    if (item.type === "event" || item.type === "timing") this.#takeEvent(item, line);
    else this.#takeOther(item, line);
  }

  /** What is behind the last line break is whole, or the file was cut there. */
  #takeRest(line) {
    this.#line += 1;
    if (parsed(line) !== null) return this.#takeLine(line);
    if (!this.#isKnown && !line.startsWith('{"type":"')) return this.#takeUnreadable();
    this.#isKnown = true;
    this.#tell("gap", `Line ${this.#line} is incomplete and was left out: the recording was cut short`);
  }

  /** The first line may be the rest of one; a second unreadable one means that the file is something else. */
  #takeUnreadable() {
    if (this.#isKnown) return this.#tellUnreadable(this.#line);
    if (this.#suspect > 0) throw this.#notRecording();
    this.#suspect = this.#line;
  }

  #notRecording() {
    return new Error(`line ${this.#suspect} is not a line of JSON with a type. Only recordings in JSON lines can be opened, as "tracing-tap watch --output" writes them`);
  }

  #takeEvent(item, line) {
    const isEvent = typeof item.timestamp === "string" && LEVELS.includes(item.level) && typeof item.target === "string" && isObject(item.fields);
    if (!isEvent) return this.#tellUnreadable(this.#line);
    this.events += 1;
    this.times = [this.times?.[0] ?? item.timestamp, item.timestamp];
    if (this.tests.length > 0 && !matches(takeApart(line), this.tests)) return;
    this.take({ name: item.type === "timing" ? "timing" : "message", data: line.trim(), id: "" });
  }

  #takeOther(item, line) {
    const needed = ITEMS[item.type];
    const isItem = needed !== undefined && needed.every((key) => item[key] !== undefined);
    const notice = Object.hasOwn(NOTICES, item.type) ? NOTICES[item.type](item) : undefined;
    if (isItem) this.take({ name: item.type, data: line, id: "" });
    else if (notice !== undefined) this.#tell(notice[0], notice[1]);
    else this.#tell("calm", `Of a type unknown to this page: ${line.trim()}`);
    // The end of a session is not the end of the file.
    [this.state, this.detail] = ["opening", ""];
  }

  #tellUnreadable(number) {
    this.#tell("gap", `Line ${number} could not be read`);
  }

  #tell(tone, text) {
    this.store.push({ kind: "bar", tone, text });
  }
}

/** A line's object with a type; null if it is something else. */
function parsed(line) {
  try {
    const item = JSON.parse(line);
    return isObject(item) && typeof item.type === "string" ? item : null;
  } catch {
    return null;
  }
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function seconds(milliseconds) {
  return Number.isFinite(milliseconds) ? `${(milliseconds / 1000).toFixed(1)} s` : "some time";
}
