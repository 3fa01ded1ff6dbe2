// What code of the service loses of its context while a session runs: asked for now and then, shown above the events.

import { askForCoverage, findingList } from "./coverage.js";
import { element } from "./dom.js";

const ASK_EVERY_MS = 3_000;

const OF_CONTEXT = ["lost_context", "guard_across_await"];

export class Context {
  element = element("section", { class: "coverage partly context", "aria-label": "Lost context", hidden: true });
  #timer = 0;
  #isAsking = false;
  #shown = "";

  /** @param {Record<string, any>} ask the session's */
  constructor(ask) {
    this.ask = ask;
  }

  start() {
    this.stop();
    this.#look();
    this.#timer = window.setInterval(() => this.#look(), ASK_EVERY_MS);
  }

  stop() {
    clearInterval(this.#timer);
  }

  async #look() {
    if (this.#isAsking || document.hidden) return;
    this.#isAsking = true;
    const coverage = await askForCoverage(this.ask);
    this.#isAsking = false;
    if (coverage === null) return;
    const findings = coverage.findings.filter(({ finding }) => OF_CONTEXT.includes(finding));
    const texts = findings.map(({ text }) => text).join("\n");
    if (texts === this.#shown) return;
    this.#shown = texts;
    this.element.hidden = findings.length === 0;
    this.element.replaceChildren(element("h3", {}, "Some events have lost their context"), findingList(findings));
  }
}
