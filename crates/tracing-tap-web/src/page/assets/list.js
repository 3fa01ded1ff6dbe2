// The list: of any number of rows only those in view are there, and those in view never move by themselves.

import { element, visible } from "./dom.js";
import { fieldsText, LEVELS, shown, spanPath, timeOfDay } from "./event.js";

/** Rows beyond the edges, so that a quick hand finds them there. */
const MARGIN = 6;
/** How often new rows are shown at most: faster, nobody could read. */
const SHOW_EVERY_MS = 100;

/** @typedef {{ box: HTMLElement, cells: HTMLElement[], row: object | null, number: number }} Line */

export class List {
  #store;
  #scroller;
  #space;
  /** @type {Line[]} */
  #lines = [];
  #height = 24;
  #isFollowing = true;
  /** The number behind the last row that is shown while paused. @type {number | null} */
  #pausedAt = null;
  /** The number of the first row when it was last drawn, to be in place when older ones have left. */
  #first = 0;
  /** The number behind the last row that was seen at the end. */
  #seen = 0;
  #selected = -1;
  #timer = 0;
  #frame = 0;
  /** Called where following, pausing or what waits has changed. */
  onview = () => {};
  /** Called with the number of the row that is opened. */
  onopen = (/** @type {number} */ _number) => {};
  /** Called once rows were drawn, with their elements, for marking what was searched. */
  ondraw = (/** @type {Line[]} */ _lines) => {};

  /** @param {import("./store.js").Store} store */
  constructor(store, label) {
    this.#store = store;
    this.#space = element("div", { class: "space", role: "presentation" });
    this.#scroller = element("div", { class: "rows", role: "grid", tabindex: "0", "aria-label": label, "aria-readonly": "true" }, this.#space);
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    // A wheel that has just begun to turn has not moved anything yet.
    this.#scroller.addEventListener("wheel", ({ deltaY }) => deltaY < 0 && this.#scroller.scrollTop > 0 && this.#leaveEnd(), { passive: true });
    this.#scroller.addEventListener("click", (event) => this.#clicked(event));
    new ResizeObserver(() => this.#resized()).observe(this.#scroller);
  }

  get element() {
    return this.#scroller;
  }

  get isFollowing() {
    return this.#isFollowing;
  }

  get isPaused() {
    return this.#pausedAt !== null;
  }

  /** How many rows have come that were not in view yet. */
  get waiting() {
    return this.#store.end - (this.isPaused || !this.#isFollowing ? this.#seen : this.#store.end);
  }

  get selected() {
    return this.#selected;
  }

  /** Shows what is new, soon. */
  refresh() {
    if (this.#timer !== 0) return;
    this.#timer = window.setTimeout(() => {
      this.#timer = 0;
      this.#schedule();
    }, SHOW_EVERY_MS);
  }

  /** Shows the same again, since what is marked in it has changed. */
  redraw() {
    this.#schedule();
  }

  follow() {
    this.#isFollowing = true;
    this.#pausedAt = null;
    // At once: events of an older scrolling must find it at the end.
    this.#settle();
    this.#schedule();
    this.onview();
  }

  pause() {
    if (this.isPaused) return;
    this.#pausedAt = this.#store.end;
    this.#seen = this.#store.end;
    this.#holdRows();
    this.#schedule();
    this.onview();
  }

  /** Goes on where it stands; at the end, if it stood there. */
  resume() {
    this.#pausedAt = null;
    this.#schedule();
    this.onview();
  }

  /** Selects a row and brings it into view. */
  select(number) {
    const end = this.#shownEnd();
    if (end === this.#store.first) return;
    this.#selected = Math.min(Math.max(number, this.#store.first), end - 1);
    if (this.#selected < end - 1) this.#leaveEnd();
    this.#bringIntoView(this.#selected);
    this.#schedule();
  }

  /** Selects a row that was searched for: a pause that hides it is held from there on. */
  reveal(number) {
    if (this.#pausedAt !== null && number >= this.#pausedAt) this.#pausedAt = this.#seen = Math.min(number + 1, this.#store.end);
    this.select(number);
  }

  unselect() {
    this.#selected = -1;
    this.#schedule();
  }

  /** Selects the row that is so many further; the last in view where none is. */
  move(by) {
    if (this.#store.at(this.#selected) === undefined) this.select(this.#lastInView());
    else this.select(this.#selected + by);
  }

  /** How many rows are in view. */
  get page() {
    return Math.max(1, Math.floor(this.#scroller.clientHeight / this.#height) - 1);
  }

  #shownEnd() {
    return this.#pausedAt ?? this.#store.end;
  }

  #lastInView() {
    const bottom = this.#scroller.scrollTop + this.#scroller.clientHeight;
    return Math.min(this.#shownEnd(), this.#store.first + Math.floor(bottom / this.#height)) - 1;
  }

  #leaveEnd() {
    if (!this.#isFollowing) return;
    this.#isFollowing = false;
    this.#seen = Math.max(this.#seen, this.#shownEnd());
    this.#holdRows();
    this.onview();
  }

  /** Rows in view stay for as long as nobody follows the end. */
  #holdRows() {
    const isHeld = this.isPaused || !this.#isFollowing;
    this.#store.keepFrom = isHeld ? this.#first + Math.max(0, Math.floor(this.#scroller.scrollTop / this.#height) - 1) : Infinity;
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.#scroller;
    const isAtEnd = scrollTop + clientHeight >= scrollHeight - 2;
    if (isAtEnd !== this.#isFollowing) {
      if (isAtEnd) this.#isFollowing = true;
      else this.#leaveEnd();
      this.onview();
    }
    this.#schedule();
  }

  #clicked(event) {
    const line = this.#lines.find(({ box }) => box.contains(event.target));
    if (line === undefined || line.number < 0) return;
    if (String(document.getSelection()) !== "") return;
    this.#selected = line.number;
    this.#schedule();
    this.onopen(line.number);
  }

  #resized() {
    const height = parseFloat(getComputedStyle(this.#scroller).getPropertyValue("--row-height"));
    if (height > 0 && height !== this.#height) this.#grow(height);
    this.#schedule();
  }

  /** The row on top stays there as all become higher or lower. */
  #grow(height) {
    const top = (this.#scroller.scrollTop / this.#height) * height;
    this.#height = height;
    this.#settle();
    if (!this.#isFollowing) this.#scroller.scrollTop = top;
    if (this.#store.at(this.#selected) !== undefined && !this.#isFollowing) this.#bringIntoView(this.#selected);
  }

  #bringIntoView(number) {
    this.#settle();
    const top = (number - this.#store.first) * this.#height;
    const { scrollTop, clientHeight } = this.#scroller;
    // With what is around it, and not below what tells that nobody follows.
    const around = Math.min(3, Math.floor(this.page / 4)) * this.#height;
    const [highest, lowest] = [top - around, top + this.#height + around - clientHeight];
    if (highest < scrollTop) this.#scroller.scrollTop = highest;
    else if (lowest > scrollTop) this.#scroller.scrollTop = lowest;
  }

  #schedule() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  /** Makes the space as high as the rows that are here: those that left from above take their place with them. */
  #settle() {
    const left = (this.#store.first - this.#first) * this.#height;
    const top = Math.max(0, this.#scroller.scrollTop - left);
    this.#first = this.#store.first;
    this.#space.style.height = `${(this.#shownEnd() - this.#store.first) * this.#height}px`;
    if (this.#isFollowing) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    else if (left > 0) this.#scroller.scrollTop = top;
  }

  #draw() {
    if (this.#scroller.clientHeight === 0) return;
    this.#settle();
    this.#holdRows();
    if (!this.isPaused) this.#seen = this.#isFollowing ? this.#store.end : Math.max(this.#seen, this.#lastInView() + 1);
    this.#drawLines();
    this.onview();
  }

  #drawLines() {
    const { scrollTop, clientHeight } = this.#scroller;
    const from = this.#store.first + Math.max(0, Math.floor(scrollTop / this.#height) - MARGIN);
    const count = Math.ceil(clientHeight / this.#height) + 2 * MARGIN;
    const to = Math.min(this.#shownEnd(), from + count);
    this.#provideLines(count);
    this.#scroller.setAttribute("aria-rowcount", String(this.#shownEnd()));
    // A row keeps its line for as long as it is in view: nothing is written for one that only moved.
    for (let number = from; number < from + count; number += 1) {
      const line = this.#lines[number % count];
      if (number < to) this.#drawLine(line, number);
      else this.#hide(line);
    }
    const selected = this.#lines.find(({ number }) => number === this.#selected);
    this.#scroller.setAttribute("aria-activedescendant", selected?.box.id ?? "");
    this.ondraw(this.#lines.filter(({ number }) => number >= 0));
  }

  #provideLines(count) {
    if (this.#lines.length === count) return;
    this.#lines.forEach(({ box }) => box.remove());
    this.#lines = Array.from({ length: count }, newLine);
    this.#space.append(...this.#lines.map(({ box }) => box));
  }

  #hide(line) {
    if (line.number === -1) return;
    line.number = -1;
    line.row = null;
    line.box.hidden = true;
  }

  #drawLine(line, number) {
    const row = this.#store.at(number);
    if (row === undefined) return this.#hide(line);
    if (line.row !== row) {
      fill(line, row);
      line.row = row;
      line.box.hidden = false;
    }
    if (line.number !== number) {
      line.number = number;
      line.box.setAttribute("aria-rowindex", String(number + 1));
    }
    line.box.style.transform = `translateY(${(number - this.#store.first) * this.#height}px)`;
    line.box.setAttribute("aria-selected", String(number === this.#selected));
  }
}

let lastLine = 0;

/** @returns {Line} */
function newLine() {
  const columns = ["time", "level", "target", "spans"].map((name) => element("span", { class: name, role: "gridcell" }));
  const said = ["message", "fields"].map((name) => element("span", { class: name }));
  lastLine += 1;
  const box = element("div", { class: "row", role: "row", id: `row-${lastLine}`, hidden: true }, ...columns, element("span", { class: "said", role: "gridcell" }, ...said));
  return { box, cells: [...columns, ...said], row: null, number: -1 };
}

/** @param {import("./store.js").Row} row */
function fill({ box, cells }, row) {
  if (row.kind === "bar") {
    box.className = `row bar ${row.tone}`;
    cells.forEach((cell) => (cell.textContent = ""));
    cells[4].textContent = visible(row.text);
    return;
  }
  const event = shown(row);
  box.className = `row event ${(LEVELS[row.level] ?? "").toLowerCase()}`;
  const texts = [timeOfDay(event.timestamp), event.level, lastOf(event.target), spanPath(event), event.message?.text ?? "", fieldsText(event.fields)];
  cells.forEach((cell, index) => (cell.textContent = visible(texts[index].slice(0, MAX_CELL))));
}

/** A target's last parts, which tell more than the first. */
function lastOf(target) {
  const parts = target.split("::");
  return parts.length > 2 ? `…${parts.slice(-2).join("::")}` : target;
}

/** Nothing wider fits on a screen. */
const MAX_CELL = 2000;
