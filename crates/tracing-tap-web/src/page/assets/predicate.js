// Writing predicates, so that what is asked for is exactly what was clicked on.

const WORDS = new Set(["and", "or", "not", "in", "exists"]);
const BARE_NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;
const BARE_VALUE = /^[A-Za-z0-9_\-.:/@+]+$/;
/** The endpoint rejects raw control characters; what is hidden is written as its code, so that one can see it. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]/gu;
/** What a value that was cut for its length ends with, and what stands for one that may not be shown. */
const CUT = "…[cut]";
const REDACTED = "<redacted>";

const isWord = (text) => WORDS.has(text.toLowerCase());

function escaped(text) {
  const units = (hidden) => hidden.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return JSON.stringify(text).replace(HIDDEN, (hidden) => units(hidden).join(""));
}

/** A field's name as it is written in a predicate: an odd one in backticks. */
export function nameText(name) {
  if (BARE_NAME.test(name) && !isWord(name)) return name;
  // A name that begins so is taken for a raw identifier, of which the mark is dropped.
  const body = escaped(name.startsWith("r#") ? `r#${name}` : name).slice(1, -1);
  return `\`${body.replaceAll('\\"', '"').replaceAll("`", "\\`")}\``;
}

/** A value as it is written in a predicate: an odd one as a string of JSON. */
export function valueText(value) {
  return BARE_VALUE.test(value) && !isWord(value) && value.toLowerCase() !== "null" ? value : escaped(value);
}

/**
 * The test that is true of a field with this value, as far as there is one.
 * @param {import("./event.js").Field} field
 * @returns {string | null} nothing for a value that may not be shown
 */
export function fieldTest({ name, text, kind }) {
  if (text === REDACTED || kind === "time") return null;
  if (kind === "null" || kind === "array") return `${nameText(name)} exists`;
  if (kind === "text" && text.endsWith(CUT)) return `${nameText(name)} ^= ${valueText(text.slice(0, -CUT.length))}`;
  return `${nameText(name)} = ${valueText(text)}`;
}

/** What is left of a predicate where this is true as well; `or` binds less than `and`. */
export function narrowed(predicate, test) {
  const text = predicate.trim();
  if (text === "" || text === "*") return test;
  return hasOr(text) ? `(${text}) and ${test}` : `${text} and ${test}`;
}

/** Whether there is an `or` outside of quotes and parentheses; where in doubt, yes. */
function hasOr(text) {
  let plain = text.replace(/"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`/g, " ");
  for (let outer = ""; outer !== plain; ) [outer, plain] = [plain, plain.replace(/\([^()]*\)/g, " ")];
  return /\bor\b|\|\|/i.test(plain);
}
