// What a session can see and why not more, before it is started and while nothing comes.

import { element, visible } from "./dom.js";

/**
 * @param {{ is_clear: boolean, findings: { text: string }[], notes: { text: string, note: string }[] }} coverage
 * @returns {HTMLElement}
 */
export function coverageList(coverage) {
  const { findings, notes } = coverage;
  const head = findings.length > 0 ? "Not everything can match" : "Everything that matches will be seen";
  return element("section", { class: `coverage ${findings.length > 0 ? "found" : "clear"}`, "aria-label": "What can match" },
    element("h3", {}, head),
    element("ul", {},
      ...findings.map(({ text }) => element("li", { class: "finding" }, visible(text))),
      ...notes.map(({ text }) => element("li", { class: "note" }, visible(text)))));
}

/** In a few words: how much of the service's code can match at all. */
export function coverageWords({ findings, notes }) {
  const callsites = notes.find(({ note }) => note === "callsites");
  const many = callsites === undefined ? "" : `${callsites.can_match} of ${callsites.seen} callsites can match`;
  const problems = findings.length === 1 ? "1 problem" : `${findings.length} problems`;
  return findings.length > 0 ? `${problems} · ${many}` : many;
}
