// The box that a predicate is typed into: it completes, and says under the very place what is wrong.

import { askForJson, Problem } from "./api.js";
import { known, renew } from "./catalog.js";
import { complete } from "./complete.js";
import { element, uniqueId, visible } from "./dom.js";

/** Pause in typing after which the endpoint checks the predicate. */
const PAUSE_MS = 200;
/** Stands at the end of the text beneath, which makes the box as high as it is: a last line may be empty. */
const LAST_LINE = "\u200b";

export class Box {
  #id = uniqueId("predicate");
  #input = /** @type {HTMLTextAreaElement} */ (element("textarea", {
    id: this.#id, class: "predicate", rows: "1", spellcheck: "false", autocomplete: "off", autocapitalize: "off", autocorrect: "off",
    placeholder: "user = 42 and @level >= debug", role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false",
    "aria-controls": `${this.#id}-choices`, "aria-describedby": `${this.#id}-error`, "aria-label": "What to watch: a predicate",
  }));
  /** The same text beneath, to underline a part of it. */
  #mirror = element("div", { class: "mirror", "aria-hidden": "true" });
  #choices = element("ul", { class: "choices", role: "listbox", id: `${this.#id}-choices`, "aria-label": "Suggestions", hidden: true });
  #error = element("div", { class: "error", id: `${this.#id}-error`, role: "status" });
  /** @type {import("./complete.js").Completion | null} */
  #completion = null;
  #chosen = -1;
  #timer = 0;
  #asked = 0;
  /** Called when what was typed has become another predicate, or none: with whether it can be read. */
  onjudged = (/** @type {boolean} */ _isGood) => {};
  onenter = () => {};
  oninput = () => {};

  constructor() {
    const field = element("div", { class: "field" }, this.#mirror, this.#input, this.#choices);
    this.element = element("div", { class: "box" }, field, this.#error);
    this.#input.addEventListener("input", () => this.#typed());
    this.#input.addEventListener("keydown", (event) => this.#pressed(event));
    this.#input.addEventListener("scroll", () => (this.#mirror.scrollTop = this.#input.scrollTop), { passive: true });
    this.#input.addEventListener("click", () => this.#offer());
    this.#input.addEventListener("focus", () => renew().then(() => this.#isFocused() && this.text !== "" && this.#offer(), () => {}));
    this.#input.addEventListener("blur", () => this.#close());
    // Chosen before the focus would leave the box.
    this.#choices.addEventListener("mousedown", (event) => this.#picked(event));
  }

  get text() {
    return this.#input.value.trim();
  }

  set text(text) {
    this.#input.value = text;
    this.#clearError();
    this.#judgeSoon(0);
  }

  focus() {
    this.#input.focus();
    this.#input.setSelectionRange(this.#input.value.length, this.#input.value.length);
  }

  /** Shows the endpoint's error. */
  showProblem(problem) {
    this.#close();
    this.#show(problem, false);
  }

  #isFocused() {
    return document.activeElement === this.#input;
  }

  #typed() {
    this.#clearError();
    this.#offer();
    this.#judgeSoon(PAUSE_MS);
    this.oninput();
  }

  #clearError() {
    this.#error.replaceChildren();
    this.#input.removeAttribute("aria-invalid");
    this.#mirror.replaceChildren(this.#input.value, LAST_LINE);
  }

  #judgeSoon(pause) {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#judge(), pause);
  }

  /** Checks the predicate at the endpoint. Of several answers, the one to the last question counts. */
  async #judge() {
    this.#asked += 1;
    const asked = this.#asked;
    if (this.text === "") return this.onjudged(false);
    const value = this.#input.value;
    try {
      await askForJson("POST", "parse", { body: { q: value } });
      if (asked === this.#asked) this.onjudged(true);
    } catch (error) {
      if (asked !== this.#asked || !(error instanceof Problem)) return;
      this.#show(error, true);
      this.onjudged(false);
    }
  }

  /** A predicate that is still being typed is incomplete, not wrong: its error is shown in a softer colour. */
  #show(problem, isTyping) {
    const { line, column, hint } = problem.document;
    const value = this.#input.value;
    const at = offsetOf(value, line, column);
    const isHere = this.#input.selectionStart === at + wordAt(value, at).length;
    const isUnfinished = isTyping && this.#isFocused() && (isHere || at >= value.trimEnd().length);
    this.#error.replaceChildren();
    if (line !== undefined) this.#error.append(this.#caret(value, at, isUnfinished));
    const words = [visible(problem.message), ...(hint ? [visible(hint)] : [])].join("; ");
    this.#error.append(element("p", { class: isUnfinished ? "unfinished" : "wrong" }, words));
    if (!isUnfinished) this.#input.setAttribute("aria-invalid", "true");
  }

  /** Underlines the place, and points at it from below. */
  #caret(value, at, isUnfinished) {
    const part = wordAt(value, at);
    const mark = element("mark", { class: isUnfinished ? "unfinished" : "wrong" }, part || "\u00a0");
    this.#mirror.replaceChildren(value.slice(0, at), mark, value.slice(at + part.length), LAST_LINE);
    const { offsetLeft } = mark;
    const caret = element("span", { class: "caret", "aria-hidden": "true" }, "^".repeat(Math.max(1, [...part].length)));
    caret.style.marginInlineStart = `${offsetLeft}px`;
    return caret;
  }

  #offer() {
    const { selectionStart, selectionEnd, value } = this.#input;
    this.#completion = selectionStart === selectionEnd ? complete(value, selectionStart, known()) : null;
    this.#chosen = -1;
    if (this.#completion === null) return this.#close();
    const options = this.#completion.choices.map(({ text, what }, index) =>
      element("li", { role: "option", id: `${this.#id}-choice-${index}`, "aria-selected": "false" },
        element("span", { class: "choice" }, visible(text)), element("span", { class: "what" }, what)));
    this.#choices.replaceChildren(...options);
    this.#choices.hidden = false;
    this.#input.setAttribute("aria-expanded", "true");
  }

  #close() {
    this.#completion = null;
    this.#chosen = -1;
    this.#choices.hidden = true;
    this.#input.setAttribute("aria-expanded", "false");
    this.#input.removeAttribute("aria-activedescendant");
  }

  #pressed(event) {
    const isOpen = this.#completion !== null;
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (isOpen && this.#chosen >= 0) this.#take(this.#chosen);
      else if (!event.repeat) this.#enter();
    } else if (event.key === "Tab" && isOpen && !event.shiftKey && this.#hasWord()) {
      event.preventDefault();
      this.#take(Math.max(0, this.#chosen));
    } else if (event.key === "Escape" && isOpen) {
      event.preventDefault();
      event.stopPropagation();
      this.#close();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") this.#moved(event);
    else if (event.key === " " && event.ctrlKey) this.#offer();
  }

  #enter() {
    this.#close();
    this.onenter();
  }

  /** Tab goes on to the next control unless a word was begun. */
  #hasWord() {
    return this.#chosen >= 0 || (this.#completion !== null && this.#completion.from < this.#input.selectionStart);
  }

  #moved(event) {
    if (this.#completion === null) return event.key === "ArrowDown" && this.#input.value.trim() === "" ? this.#offer() : undefined;
    event.preventDefault();
    const count = this.#completion.choices.length;
    const from = this.#chosen === -1 && event.key === "ArrowUp" ? 0 : this.#chosen;
    this.#choose((from + (event.key === "ArrowDown" ? 1 : -1) + count) % count);
  }

  #choose(index) {
    this.#chosen = index;
    [...this.#choices.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === index)));
    this.#choices.children[index].scrollIntoView({ block: "nearest" });
    this.#input.setAttribute("aria-activedescendant", `${this.#id}-choice-${index}`);
  }

  #picked(event) {
    event.preventDefault();
    const index = [...this.#choices.children].findIndex((option) => option.contains(event.target));
    if (index >= 0) this.#take(index);
  }

  #take(index) {
    if (this.#completion === null) return;
    const { from, to, choices } = this.#completion;
    const text = choices[index].text;
    const rest = this.#input.value.slice(to);
    const space = text.endsWith("(") || rest.startsWith(" ") ? "" : " ";
    this.#input.setRangeText(text + space, from, to, "end");
    if (rest.startsWith(" ")) this.#input.setSelectionRange(from + text.length + 1, from + text.length + 1);
    this.#typed();
  }
}

/** Where a line and a column, both from 1 and in characters, are in a text. */
function offsetOf(text, line = 1, column = 1) {
  const lines = text.split("\n");
  const before = lines.slice(0, line - 1).reduce((sum, line) => sum + line.length + 1, 0);
  return before + [...(lines[line - 1] ?? "")].slice(0, column - 1).join("").length;
}

/** The word or signs from a place on. */
function wordAt(text, at) {
  return /^(?:[\p{L}\p{N}_\-.:/@+]+|[^\p{L}\p{N}\s]+)/u.exec(text.slice(at))?.[0] ?? "";
}
