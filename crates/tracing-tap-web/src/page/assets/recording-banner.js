// Says of a view that it is a recording, from when to when, and which events it shows.

import { button, counted, element, grouped, visible } from "./dom.js";
import { copy } from "./save.js";

export class RecordingBanner {
  #recording;
  #words = element("span", { class: "words" });
  #tests = element("span", { class: "tests" });
  #drawn = "";
  /** Called when the user is done with the recording. */
  onleave = () => {};
  /** Called with the tests that are left when one was removed. */
  ontests = (/** @type {string[]} */ _tests) => {};

  /** @param {import("./recording.js").Recording} recording */
  constructor(recording) {
    this.#recording = recording;
    this.element = element("section", { class: "recording", "aria-label": "Recording" },
      element("strong", {}, "Recording"), this.#words, this.#tests, button("Back to live", () => this.onleave(), { class: "leave" }));
  }

  draw() {
    const { events, received, times, tests, ask } = this.#recording;
    const many = tests.length === 0 ? counted(events, "event") : `${grouped(received)} of ${counted(events, "event")}`;
    const span = times === null ? "" : ` · from ${dateAndTime(times[0])} to ${dateAndTime(times[1])}`;
    const words = `${visible(ask.name)} · ${many}${span}`;
    if (this.#words.textContent !== words) this.#words.textContent = words;
    const drawn = JSON.stringify(tests);
    if (this.#drawn === drawn) return;
    this.#drawn = drawn;
    this.#tests.replaceChildren(...tests.map((test, index) => this.#chip(test, index)));
  }

  /** The same on the command line, as far as the tests go. */
  async copyCommand() {
    const { tests, ask } = this.#recording;
    const inShell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
    await copy(["tracing-tap replay", inShell(ask.name), ...(tests.length > 0 ? [inShell(tests.join(" and "))] : [])].join(" "));
  }

  #chip(test, index) {
    const others = () => this.#recording.tests.filter((_, at) => at !== index);
    return button(`${visible(test)} ✕`, () => this.ontests(others()), { "aria-label": `Remove ${visible(test)}`, title: "Remove this test" });
  }
}

/** `2026-11-20 08:15:02.123 UTC`; a time that is written otherwise as it is. */
function dateAndTime(timestamp) {
  const isUsual = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/.test(timestamp);
  return isUsual ? `${timestamp.slice(0, 10)} ${timestamp.slice(11, 23)} UTC` : visible(timestamp);
}
