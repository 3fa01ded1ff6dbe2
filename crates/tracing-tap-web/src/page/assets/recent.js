// The predicates that were watched last, stored in this browser only.

const KEY = "tracing-tap.recent";
const MAX_RECENT = 12;

/** @returns {string[]} the last one first */
export function recent() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter((text) => typeof text === "string") : [];
  } catch {
    return [];
  }
}

export function remember(predicate) {
  store([predicate, ...recent().filter((text) => text !== predicate)].slice(0, MAX_RECENT));
}

export function forgetAll() {
  store([]);
}

/** A browser that keeps nothing does without. */
function store(texts) {
  try {
    localStorage.setItem(KEY, JSON.stringify(texts));
  } catch {
    // Nothing is lost but convenience.
  }
}
