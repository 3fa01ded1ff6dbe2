// The state in the address's fragment, which browsers do not send. The token is never in it.

/** What of an ask is in a link, and which of it are numbers and flags. */
const TEXTS = ["q", "level", "for", "follow", "only_if", "slower_than", "spans", "look_back", "name"];
const NUMBERS = ["max", "rate", "sample", "capacity"];
const FLAGS = ["timings"];

/**
 * @typedef {{ ask: import("./session.js").Ask, find: string }} Linked
 * @param {Linked} state
 */
export function fragmentOf({ ask, find }) {
  const parameters = new URLSearchParams();
  for (const name of [...TEXTS, ...NUMBERS, ...FLAGS]) {
    if (ask[name] !== undefined && ask[name] !== "" && ask[name] !== false) parameters.set(name, String(ask[name]));
  }
  if (find !== "") parameters.set("find", find);
  const text = parameters.toString();
  return text === "" ? "" : `#${text}`;
}

/** @returns {Linked} */
export function readFragment(fragment) {
  const parameters = new URLSearchParams(fragment.replace(/^#/, ""));
  const ask = { q: "" };
  for (const name of TEXTS) if (parameters.has(name)) ask[name] = parameters.get(name);
  for (const name of FLAGS) if (parameters.get(name) === "true") ask[name] = true;
  for (const name of NUMBERS) {
    const number = Number(parameters.get(name) ?? "none");
    if (Number.isSafeInteger(number) && number >= 0) ask[name] = number;
  }
  return { ask, find: parameters.get("find") ?? "" };
}

/** Puts the state into the address without a step in the history. */
export function show(state) {
  const fragment = fragmentOf(state);
  if (fragment !== location.hash) history.replaceState(null, "", location.pathname + fragment);
}

/** The address that opens the same view. */
export function linkTo(state) {
  return new URL(location.pathname + fragmentOf(state), location.href).href;
}
