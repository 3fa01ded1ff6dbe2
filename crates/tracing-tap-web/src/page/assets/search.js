// Finding text in what was received: what is shown is searched, not how it was sent.

import { button, element, grouped } from "./dom.js";
import { fieldsText, spanPath, takeApart } from "./event.js";

/** For how long is searched before the browser gets to do something else. */
const SLICE_MS = 8;
const PAUSE_MS = 150;
/** More than these are not found one by one. */
const MAX_FOUND = 100_000;
const HIGHLIGHT = "found";
/** More marks than these tell nothing more, and laying them out would hold up everything else. */
const MAX_MARKS = 300;

export class Search {
  #store;
  #input = /** @type {HTMLInputElement} */ (element("input", { type: "search", placeholder: "Find in received events", "aria-label": "Find in received events", spellcheck: "false", autocomplete: "off" }));
  #count = element("span", { class: "count", role: "status" });
  /** The numbers of the rows that have it, in order. @type {number[]} */
  #found = [];
  #searchedTo = 0;
  #at = -1;
  #timer = 0;
  #isSearching = false;
  /** Called with the number of the row to be shown. */
  onfound = (/** @type {number} */ _number) => {};
  onchange = () => {};
  onleave = () => {};

  /** @param {import("./store.js").Store} store */
  constructor(store) {
    this.#store = store;
    const up = button("↑", () => this.step(-1), { class: "quiet", "aria-label": "Previous match", title: "Previous match (Shift+Enter)" });
    const down = button("↓", () => this.step(1), { class: "quiet", "aria-label": "Next match", title: "Next match (Enter)" });
    this.element = element("div", { class: "search", role: "search" }, this.#input, this.#count, up, down);
    this.#input.addEventListener("input", () => this.#typed());
    this.#input.addEventListener("keydown", (event) => this.#pressed(event));
  }

  get text() {
    return this.#input.value;
  }

  set text(text) {
    this.#input.value = text;
    this.#begin();
  }

  focus() {
    this.#input.focus();
    this.#input.select();
  }

  /** Goes on with what has come since. */
  goOn() {
    if (this.text === "" || this.#isSearching || this.#searchedTo >= this.#store.end) return;
    this.#isSearching = true;
    setTimeout(() => this.#slice());
  }

  /** Shows the one that is so many further. */
  step(by) {
    this.#forgetThoseThatLeft();
    if (this.#found.length === 0) return;
    const from = this.#at === -1 ? (by > 0 ? -1 : 0) : this.#at;
    this.#at = (from + by + this.#found.length) % this.#found.length;
    this.#tell();
    this.onfound(this.#found[this.#at]);
  }

  /** Marks what was found in lines that were drawn. */
  mark(lines) {
    if (!("highlights" in CSS)) return;
    const wanted = this.text.toLowerCase();
    if (wanted === "") return CSS.highlights.delete(HIGHLIGHT);
    const ranges = [];
    for (const cell of lines.flatMap(({ cells }) => cells)) addRangesIn(cell.firstChild, wanted, ranges);
    CSS.highlights.set(HIGHLIGHT, new Highlight(...ranges));
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#begin(), PAUSE_MS);
  }

  /** Enter searches one slice at once, without waiting for a pause in typing. */
  #searchNow() {
    if (this.#timer === 0) return;
    this.#begin();
    this.#slice();
  }

  #begin() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#found = [];
    this.#at = -1;
    this.#searchedTo = this.#store.first;
    this.#tell();
    this.onchange();
    this.goOn();
  }

  #pressed(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      this.#searchNow();
      this.step(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.text = "";
      this.onleave();
    }
  }

  #slice() {
    const matches = matcher(this.text);
    const begun = performance.now();
    let number = Math.max(this.#searchedTo, this.#store.first);
    while (number < this.#store.end && performance.now() - begun < SLICE_MS) {
      for (const until = Math.min(number + 64, this.#store.end); number < until; number += 1) {
        if (this.#found.length < MAX_FOUND && matches(this.#store.at(number))) this.#found.push(number);
      }
    }
    this.#searchedTo = number;
    this.#isSearching = false;
    this.#tell();
    if (number < this.#store.end) this.goOn();
  }

  #forgetThoseThatLeft() {
    const left = this.#found.findIndex((number) => number >= this.#store.first);
    const count = left === -1 ? this.#found.length : left;
    if (count === 0) return;
    this.#found.splice(0, count);
    this.#at = Math.max(-1, this.#at - count);
  }

  #tell() {
    this.#forgetThoseThatLeft();
    const many = this.#found.length;
    const place = this.#at === -1 ? "" : `${grouped(this.#at + 1)} of `;
    this.#count.textContent = this.text === "" ? "" : many === 0 ? "nothing" : `${place}${grouped(many)}`;
  }
}

/** Whether a row has a text anywhere in what is shown of it, in upper or lower case. */
function matcher(text) {
  const wanted = text.toLowerCase();
  if (wanted === "") return () => false;
  // The line as it came has all that is shown, written as JSON; it is taken apart only where it may have the text.
  const inJson = new RegExp(JSON.stringify(text).slice(1, -1).replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i");
  const mayBeEscaped = !/^[\x20-\x7e]*$/.test(text) || /[ ={}]/.test(text);
  return (row) => {
    if (row === undefined) return false;
    if (row.kind === "bar") return row.text.toLowerCase().includes(wanted);
    if (!mayBeEscaped && !inJson.test(row.raw)) return false;
    return textsOf(takeApart(row.raw)).some((part) => part.toLowerCase().includes(wanted));
  };
}

function textsOf({ timestamp, level, target, message, fields, spans, file, instance }) {
  return [timestamp, level, target, file, instance, message?.text ?? "", fieldsText(fields), spanPath({ spans })];
}

function addRangesIn(node, wanted, ranges) {
  const text = (node?.textContent ?? "").toLowerCase();
  for (let at = text.indexOf(wanted); at !== -1 && ranges.length < MAX_MARKS; at = text.indexOf(wanted, at + wanted.length)) {
    const range = new Range();
    // Lower case may be longer than what it is of.
    if (at + wanted.length > node.textContent.length) break;
    range.setStart(node, at);
    range.setEnd(node, at + wanted.length);
    ranges.push(range);
  }
}
