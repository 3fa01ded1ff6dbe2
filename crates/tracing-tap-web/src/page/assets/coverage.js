// What a session can see and why not more, before it is started and while nothing comes.

import { askForJson } from "./api.js";
import { element, visible } from "./dom.js";

/** The verdicts in words; the name of each is its class, and its colour is in `layout.css`. */
const VERDICTS = {
  nothing: "Nothing can match",
  partly: "Some events cannot match",
  everything: "All matching events are visible",
};

/**
 * What a session with these options can see now; null if the service does not answer.
 * @param {Record<string, any>} ask
 */
export function askForCoverage({ q, level, follow, spans }) {
  const parameters = new URLSearchParams({ q });
  for (const [name, value] of Object.entries({ level, follow, spans })) if (value !== undefined && value !== "named:") parameters.set(name, value);
  return askForJson("GET", `coverage?${parameters}`).catch(() => null);
}

/** @param {{ text: string }[]} findings */
export function findingList(findings) {
  return element("ul", {}, ...findings.map(({ text }) => element("li", { class: "finding" }, visible(text))));
}

/**
 * @param {{ verdict: string, findings: { text: string }[], notes: { text: string, note: string }[] }} coverage
 * @returns {HTMLElement}
 */
export function coverageList({ verdict, findings, notes }) {
  return element("section", { class: `coverage ${verdict}`, "aria-label": "What can match" },
    element("h3", {}, VERDICTS[verdict]),
    element("ul", {},
      ...findings.map(({ text }) => element("li", { class: "finding" }, visible(text))),
      ...notes.map(({ text }) => element("li", { class: "note" }, visible(text)))));
}

/** In a few words: the verdict where it is bad, and how much of the service's code can match. */
export function coverageWords({ verdict, notes }) {
  const callsites = notes.find(({ note }) => note === "callsites");
  const many = callsites === undefined ? "" : `${callsites.can_match} of ${callsites.seen} callsites can match`;
  return verdict === "everything" ? many : [VERDICTS[verdict], many].filter((words) => words !== "").join(" · ");
}
