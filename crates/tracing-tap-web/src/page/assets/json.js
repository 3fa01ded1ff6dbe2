// Reads JSON without changing it: numbers stay as they were written, members stay in order and are all there.
//
// `JSON.parse` makes 9007199254740992 of 9007199254740993 and 1 of 1.0, and drops the first of two members of one name;
// what is then asked for as `and field = value` would be another value.

/**
 * @typedef {{ kind: "object", members: [string, Read][] } | { kind: "array", elements: Read[] }
 *   | { kind: "text" | "number" | "boolean" | "null", text: string }} Read
 */

const TOKEN = /\s*(?:("(?:[^"\\]|\\.)*")|(-?\d[\d.eE+-]*)|(true|false|null)|([[\]{},:]))/y;

/**
 * @param {string} text valid JSON
 * @returns {Read}
 * @throws {SyntaxError} where it is none
 */
export function read(text) {
  const tokens = new Tokens(text);
  return value(tokens, tokens.next());
}

class Tokens {
  #pattern = new RegExp(TOKEN.source, "y");
  #text;

  constructor(text) {
    this.#text = text;
  }

  /** @returns {RegExpExecArray} of whose groups one matched: text, number, word or sign */
  next() {
    const token = this.#pattern.exec(this.#text);
    if (token === null) throw new SyntaxError("this is no JSON");
    return token;
  }
}

function value(tokens, [, text, number, word, sign]) {
  if (text !== undefined) return { kind: "text", text: unquoted(text) };
  if (number !== undefined) return { kind: "number", text: number };
  if (word !== undefined) return { kind: word === "null" ? "null" : "boolean", text: word };
  if (sign === "{") return { kind: "object", members: members(tokens) };
  if (sign === "[") return { kind: "array", elements: elements(tokens) };
  throw new SyntaxError(`this is no JSON: ${sign}`);
}

function members(tokens) {
  const all = [];
  for (let token = tokens.next(); token[4] !== "}"; token = tokens.next()) {
    if (token[4] === ",") continue;
    tokens.next(); // the colon
    all.push([unquoted(token[1] ?? ""), value(tokens, tokens.next())]);
  }
  return all;
}

function elements(tokens) {
  const all = [];
  for (let token = tokens.next(); token[4] !== "]"; token = tokens.next()) {
    if (token[4] !== ",") all.push(value(tokens, token));
  }
  return all;
}

function unquoted(text) {
  return text.includes("\\") ? JSON.parse(text) : text.slice(1, -1);
}
