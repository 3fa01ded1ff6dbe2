// What may stand where the caret is in a predicate.

import { OPERATORS } from "./operators.js";
import { nameText, valueText } from "./predicate.js";

/** @typedef {{ text: string, what: string }} Choice @typedef {{ from: number, to: number, choices: Choice[] }} Completion */

const METADATA = [
  { text: "@level", what: "of the event" },
  { text: "@target", what: "and all below it" },
  { text: "@span", what: "around the event" },
  { text: "@name", what: "of the callsite" },
  { text: "@file", what: "of the source" },
];
const IN = { text: "in (", what: "is one of" };
const OF_FIELDS = [...OPERATORS, IN, { text: "exists", what: "is there" }];
const OF_LEVELS = [...OPERATORS.filter(({ text }) => /^[=!<>]=?$/.test(text)), IN];
const OF_TEXTS = [...OPERATORS.filter(({ text }) => /^!?=$/.test(text)), IN];
const LEVELS = ["error", "warn", "info", "debug", "trace"];
const MAX_CHOICES = 60;

const TOKEN = /\s+|"(?:[^"\\]|\\.)*"?|`(?:[^`\\]|\\.)*`?|[\p{L}\p{N}_\-.:/@+]+|&&|\|\||[=!<>^$*~]=?|=|[(),|]|./gu;

/**
 * @param {string} text
 * @param {number} caret
 * @param {import("./catalog.js").Catalog} catalog
 * @returns {Completion | null}
 */
export function complete(text, caret, catalog) {
  const { before, word } = split(text, caret);
  const choices = matching(expected(before, catalog), word);
  const to = caret + (/^[\p{L}\p{N}_\-.:/@+]*/u.exec(text.slice(caret))?.[0].length ?? 0);
  return choices.length === 0 ? null : { from: caret - word.length, to: word === "" ? caret : to, choices };
}

/** The tokens before the one that is being typed, and that one. */
function split(text, caret) {
  const tokens = text.slice(0, caret).match(TOKEN) ?? [];
  const last = tokens.at(-1) ?? "";
  const isTyped = /^["`@\p{L}\p{N}_]/u.test(last) && !/^(".*[^\\]"|`.+`)$/u.test(last);
  const before = isTyped ? tokens.slice(0, -1) : tokens;
  return { before: before.filter((token) => token.trim() !== ""), word: isTyped ? last : "" };
}

/** @returns {Choice[]} */
function expected(before, catalog) {
  const [beforeLast, last] = [before.at(-2), before.at(-1)];
  if (last === undefined || /^(and|or|not|&&|\|\||!|\()$/i.test(last)) {
    if (last === "(" && /^in$/i.test(beforeLast ?? "")) return valuesOf(before.at(-3), catalog);
    return starts(last, catalog);
  }
  if (/^([=!<>^$*~]=?)$/.test(last)) return valuesOf(beforeLast, catalog);
  if (last === ",") return valuesOf(fieldOfList(before), catalog);
  if (last === "|") return fields(catalog);
  if (/^exists$/i.test(last) || last === ")" || last === "*" || isValue(before)) return [{ text: "and", what: "" }, { text: "or", what: "" }];
  return operators(last);
}

function starts(last, catalog) {
  const not = /^not|!$/i.test(last ?? "") ? [] : [{ text: "not", what: "" }];
  return [...fields(catalog), ...METADATA, ...not];
}

function fields(catalog) {
  return catalog.fields.map((name) => ({ text: nameText(name), what: "field" }));
}

/** Whether the last token is the value of a test, which is complete with it. */
function isValue(before) {
  return /^[=!<>^$*~]=?$/.test(before.at(-2) ?? "");
}

function operators(name) {
  const lower = name.toLowerCase();
  return lower === "@level" ? OF_LEVELS : lower.startsWith("@") ? OF_TEXTS : OF_FIELDS;
}

function fieldOfList(before) {
  const open = before.lastIndexOf("(");
  return before[open - 2];
}

function valuesOf(name, catalog) {
  const of = (texts, what) => texts.map((text) => ({ text: valueText(text), what }));
  switch ((name ?? "").toLowerCase()) {
    case "@level": return of(LEVELS, "level");
    case "@target": return of(catalog.targets, "target");
    case "@span": return of(catalog.spans, "span");
    case "@file": return of(catalog.files, "file");
    case "@name": return of(catalog.names, "callsite");
    default: return [];
  }
}

/** Those that begin so, and then those that contain it; one that is there in full needs no help. */
function matching(choices, word) {
  const wanted = word.replace(/^["`]/, "").toLowerCase();
  const plain = ({ text }) => text.replace(/^["`]/, "").toLowerCase();
  if (choices.some(({ text }) => text === word)) return [];
  const begin = choices.filter((choice) => plain(choice).startsWith(wanted));
  const contain = wanted === "" ? [] : choices.filter((choice) => plain(choice).indexOf(wanted) > 0);
  return [...begin, ...contain].slice(0, MAX_CHOICES);
}
