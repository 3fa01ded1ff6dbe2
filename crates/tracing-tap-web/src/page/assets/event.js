// An event as it is shown. A row keeps the line of JSON it came as; only what is looked at is taken apart.

import { read } from "./json.js";

/**
 * @typedef {{ name: string, text: string, kind: string }} Field
 * @typedef {{ name: string, fields: Field[] }} Span
 * @typedef {{ timestamp: string, level: string, target: string, message: Field | null, fields: Field[], spans: Span[],
 *   file: string, line: string, thread: string, instance: string, request: string, omitted: string, traceId: string,
 *   spanId: string, times: Times | null }} Shown
 * @typedef {{ busy: number | null, wall: number | null, seen: number | null, polls: string }} Times of a span that has closed, in nanoseconds
 */

export const LEVELS = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

/** How many events are kept taken apart: some screens full. */
const MAX_KEPT = 512;
/** @type {Map<object, Shown>} */
const kept = new Map();

/**
 * @param {{ raw: string }} row
 * @returns {Shown}
 */
export function shown(row) {
  const known = kept.get(row);
  if (known !== undefined) return known;
  const made = takeApart(row.raw);
  if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value);
  kept.set(row, made);
  return made;
}

/** @returns {Shown} */
export function takeApart(raw) {
  const line = read(raw);
  const all = new Map(line.members);
  const text = (name) => all.get(name)?.text ?? "";
  const isTiming = text("type") === "timing";
  const recorded = (all.get("fields")?.members ?? []).map(field);
  const fields = isTiming ? recorded.map(ofTiming) : recorded;
  const at = fields.findLastIndex(({ name }) => name === "message");
  return {
    timestamp: text("timestamp"),
    level: text("level"),
    target: text("target"),
    message: at === -1 ? null : fields[at],
    fields: fields.filter((_, index) => index !== at),
    spans: (all.get("spans")?.elements ?? []).map(span),
    file: text("filename"),
    line: text("line_number"),
    thread: text("threadName"),
    instance: text("instance"),
    request: text("request"),
    omitted: text("omittedFields"),
    traceId: text("trace_id"),
    spanId: text("span_id"),
    times: isTiming ? timesOf(recorded) : null,
  };
}

/** A time as people read it; no test can be made of it, nor of what else a timing has itself. */
function ofTiming({ name, text }) {
  return { name, text: name.startsWith("time.") ? duration(Number(text)) : text, kind: "time" };
}

/** @returns {Times} */
function timesOf(fields) {
  const text = (name) => fields.find((field) => field.name === name)?.text ?? null;
  const nanos = (name) => (text(name) === null ? null : Number(text(name)));
  return { busy: nanos("time.busy"), wall: nanos("time.wall"), seen: nanos("time.seen"), polls: text("polls") ?? "" };
}

/** Nanoseconds as `fmt` prints them: three digits and a unit. */
export function duration(nanos) {
  let time = nanos;
  for (const unit of ["ns", "µs", "ms"]) {
    if (time < 1000) return `${threeDigits(time)} ${unit}`;
    time /= 1000;
  }
  return `${threeDigits(time)} s`;
}

function threeDigits(time) {
  return time.toFixed(time < 10 ? 2 : time < 100 ? 1 : 0);
}

/** The last member is the span's name, whatever fields it has. */
function span({ members }) {
  const name = members[members.length - 1]?.[1].text ?? "";
  return { name, fields: members.slice(0, -1).map(field) };
}

/** A key that ends with `#` and digits is of a field of which that is not the name, see the wire form. */
function field([key, value]) {
  return { name: key.replace(/#[0-9]+$/, ""), text: textOf(value), kind: value.kind };
}

/** Bytes come as an array of numbers. */
function textOf(value) {
  if (value.kind === "array") return `[${value.elements.map(textOf).join(", ")}]`;
  if (value.kind === "object") return `{${value.members.map(([name, inner]) => `${name}: ${textOf(inner)}`).join(", ")}}`;
  return value.text;
}

/** The time of day; all of it where the clock was far off. */
export function timeOfDay(timestamp) {
  return /^\d{4}-\d\d-\d\dT/.test(timestamp) ? timestamp.slice(11, 23) : timestamp;
}

/** The spans that enclose an event, the innermost first, because a narrow column shows only the beginning. */
export function spanPath({ spans }) {
  return spans.map(({ name, fields }) => (fields.length > 0 ? `${name}{${fieldsText(fields)}}` : name)).reverse().join(" ‹ ");
}

export function fieldsText(fields) {
  return fields.map(({ name, text }) => `${name}=${text}`).join(" ");
}
