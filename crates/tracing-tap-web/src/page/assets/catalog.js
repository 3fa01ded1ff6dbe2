// What there is to ask for: the names of fields, targets and spans that the service has reached so far.

import { askForJson } from "./api.js";

/** After so long, the service may have reached more of its code. */
const FRESH_MS = 15_000;

/** @typedef {{ fields: string[], targets: string[], spans: string[], files: string[], names: string[], isKnown: boolean, traceView: string }} Catalog */

/** @type {Catalog} */
let catalog = { fields: [], targets: [], spans: [], files: [], names: [], isKnown: false, traceView: "" };
let readAt = -Infinity;
/** @type {Promise<void> | null} */
let reading = null;

/** What is known now. */
export function known() {
  return catalog;
}

/** Reads the catalog unless it was read just now; where that fails, what was known stays. */
export async function renew() {
  if (performance.now() - readAt < FRESH_MS) return;
  reading ??= readCatalog().finally(() => (reading = null));
  await reading;
}

async function readCatalog() {
  const { callsites, trace_view = "" } = await askForJson("GET", "catalog");
  catalog = { ...sorted(callsites), traceView: trace_view };
  readAt = performance.now();
}

/** The address of a trace in the tool that the endpoint names; nothing without one. */
export function traceAddress(traceId) {
  if (!/^[0-9a-f]{32}$/.test(traceId) || !/^https?:\/\//i.test(catalog.traceView)) return "";
  return catalog.traceView.replace("{trace_id}", traceId);
}

/** @returns {Omit<Catalog, "traceView">} the service's own before those of its dependencies; of each, the most frequent first */
function sorted(callsites) {
  const [own, foreign] = bySource(callsites);
  const [first, then] = [names(own), names(foreign)];
  const all = (/** @type {"fields" | "targets" | "spans" | "files" | "names"} */ kind) => [...new Set([...first[kind], ...then[kind]])];
  return { fields: all("fields"), targets: all("targets"), spans: all("spans"), files: all("files"), names: all("names"), isKnown: true };
}

function names(callsites) {
  const spans = callsites.filter(({ kind }) => kind === "span");
  const events = callsites.filter(({ kind }) => kind === "event");
  return {
    // A field of a span is what tells one user's events from another's; those go before the fields of events.
    fields: [...byCount(spans.flatMap(({ fields }) => fields)), ...byCount(events.flatMap(({ fields }) => fields))],
    targets: byCount(events.flatMap(({ target }) => withParents(target))),
    spans: byCount(spans.map(({ name }) => name)),
    files: byCount(events.flatMap(({ file }) => (file === null ? [] : [file]))),
    names: byCount(events.map(({ name }) => name)),
  };
}

/** Where sources are that are not the service's: of registries, of repositories, vendored, of Bazel, of Rust itself. */
const FOREIGN = /(^|[\\/])(registry[\\/]src|git[\\/]checkouts|vendor|external|rustc)[\\/]|^[\w-]+-\d+\.\d+\.\d+[^\\/]*[\\/]/;

/** The service's own callsites, and those of its dependencies. One without a file is what its crate is. */
function bySource(callsites) {
  const crateOf = ({ target }) => target.split("::", 1)[0];
  const isOwnFile = ({ file }) => file !== null && !FOREIGN.test(file);
  const ownCrates = new Set(callsites.filter(isOwnFile).map(crateOf));
  const isOwn = (callsite) => isOwnFile(callsite) || (callsite.file === null && ownCrates.has(crateOf(callsite)));
  return [callsites.filter(isOwn), callsites.filter((callsite) => !isOwn(callsite))];
}

/** `@target = app` is true of all that is below it. */
function withParents(target) {
  const parts = target.split("::");
  return parts.map((_, index) => parts.slice(0, index + 1).join("::"));
}

function byCount(names) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a) || (a < b ? -1 : 1));
}
