// What is known of one request: its spans with their times, and its events, out of the rows of a session.

import { shown } from "./event.js";

/**
 * @typedef {{ number: number, path: import("./event.js").Span[], start: number, end: number, busy: number | null, isWhole: boolean,
 *   isOpen: boolean, polls: string, events: Mark[] }} Bar a span: times in microseconds
 * @typedef {{ number: number, at: number, level: string, text: string }} Mark an event
 * @typedef {{ start: number, end: number, bars: Bar[] }} Request
 */

/** Rows to each side that are looked at: a request is near its rows. */
const MAX_LOOKED_AT = 20_000;
/** More cannot be drawn so that anybody sees them. */
const MAX_BARS = 500;
/** Clocks are read one after the other, and times are rounded down. In microseconds. */
const SLACK = 5;
/** A thread may lose its core between the two looks at the clock that a span's beginning is computed from. In microseconds. */
const LATE = 20_000;

/**
 * The request that a row is of; null if the row is in no span.
 *
 * Rows of an older recording have no id of their request: those of the same root with the same fields, while it was open, are
 * taken for one.
 * @param {import("./store.js").Store} store
 * @param {number} number
 * @returns {Request | null}
 */
export function requestOf(store, number) {
  const row = store.at(number);
  if (row?.kind !== "event") return null;
  const first = shown(row);
  if (first.spans.length === 0) return null;
  const near = rowsNear(store, number, first);
  const root = first.request === "" ? rootOf(near, micros(first.timestamp)) : null;
  const inside = root === null ? near : near.filter(({ at }) => at >= root.start - SLACK && at <= root.end + SLACK);
  const bars = barsOf(inside);
  addOpen(bars, inside);
  if (bars.length === 0) return null;
  place(bars, inside);
  enclose(bars);
  const [start, end] = [Math.min(...bars.map((bar) => bar.start)), Math.max(...bars.map((bar) => bar.end))];
  bars.sort((one, other) => one.start - other.start || one.path.length - other.path.length || one.number - other.number);
  return { start, end: Math.max(end, start + 1), bars: bars.slice(0, MAX_BARS) };
}

/** The rows of the request of a row, around it; without an id, of a root with the same fields. */
function rowsNear(store, number, { spans, instance, request }) {
  const root = keyOf(spans.slice(0, 1));
  const isOf = request === "" ? (event) => keyOf(event.spans.slice(0, 1)) === root : (event) => event.request === request;
  const part = request === "" ? spans[0].name : request;
  const near = [];
  for (let at = Math.max(store.first, number - MAX_LOOKED_AT); at < Math.min(store.end, number + MAX_LOOKED_AT); at += 1) {
    const row = store.at(at);
    if (row?.kind !== "event" || !row.raw.includes(part)) continue;
    const event = shown(row);
    if (event.instance === instance && event.spans.length > 0 && isOf(event)) near.push({ number: at, event, at: micros(event.timestamp) });
  }
  return near;
}

/** The root's own times, if it has closed and they are whole: those that enclose a moment. */
function rootOf(near, moment) {
  const roots = barsOf(near.filter(({ event }) => event.spans.length === 1)).filter(({ isWhole }) => isWhole);
  return roots.find(({ start, end }) => moment >= start - SLACK && moment <= end + SLACK) ?? null;
}

function barsOf(rows) {
  return rows.filter(({ event }) => event.times !== null).map(({ number, event, at }) => {
    const { busy, wall, seen, polls } = event.times;
    const isWhole = wall !== null;
    return { number, path: event.spans, start: at - (wall ?? seen ?? 0) / 1000, end: at, busy: busy === null ? null : busy / 1000, isWhole, isOpen: false, polls, events: [] };
  });
}

/** Spans that have not closed yet: of those it is known when something happened in them. */
function addOpen(bars, rows) {
  for (const { number, event, at } of rows) {
    for (let length = 1; length <= event.spans.length; length += 1) {
      const path = event.spans.slice(0, length);
      const known = findBar(bars, path, at);
      if (known === undefined) bars.push({ number, path, start: at, end: at, busy: null, isWhole: false, isOpen: true, polls: "", events: [] });
      else if (known.isOpen) [known.start, known.end] = [Math.min(known.start, at), Math.max(known.end, at)];
    }
  }
}

/** Gives each event to the span that it is right inside. */
function place(bars, rows) {
  for (const { number, event, at } of rows) {
    if (event.times !== null) continue;
    findBar(bars, event.spans, at)?.events.push({ number, at, level: event.level, text: event.message?.text ?? "" });
  }
}

/** Has each span begin no later than what is inside it: its own beginning may have been computed from a later look at the clock. */
function enclose(bars) {
  for (const { path, start } of bars) {
    for (let length = path.length - 1; length > 0; length -= 1) {
      const around = findBar(bars, path.slice(0, length), start);
      if (around !== undefined) around.start = Math.min(around.start, start);
    }
  }
}

/** Of the spans of that path the one that was open then: the last that began, or else the next that closed. */
function findBar(bars, path, at) {
  const key = keyOf(path);
  const alike = bars.filter((bar) => keyOf(bar.path) === key);
  const open = alike.filter((bar) => bar.isOpen || (at >= bar.start - SLACK && at <= bar.end + SLACK));
  if (open.length > 0) return open.reduce((best, bar) => (bar.start > best.start ? bar : best));
  const closing = alike.filter((bar) => at < bar.start && bar.start <= at + LATE);
  return closing.length === 0 ? undefined : closing.reduce((best, bar) => (bar.end < best.end ? bar : best));
}

const keys = new WeakMap();

function keyOf(path) {
  return path.map(spanKey).join("\u0000");
}

function spanKey(span) {
  const known = keys.get(span);
  if (known !== undefined) return known;
  const key = JSON.stringify([span.name, span.fields.map(({ name, text }) => [name, text])]);
  keys.set(span, key);
  return key;
}

/** Microseconds since 1970; a browser reads milliseconds alone. */
export function micros(timestamp) {
  const known = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})(\d{3})Z$/.exec(timestamp);
  return known === null ? Date.parse(timestamp) * 1000 : Date.parse(`${known[1]}Z`) * 1000 + Number(known[2]);
}
