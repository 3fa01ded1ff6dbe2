// The flame chart: a row for each depth, a box for each path of spans, as wide as its busy time; it grows as spans close.

import { button, counted, element, visible } from "./dom.js";
import { duration } from "./event.js";
import { total } from "./flames.js";

/** How often it is drawn again at most. */
const DRAW_EVERY_MS = 500;
/** A narrower box nobody can hit. */
const LEAST_PERCENT = 0.25;
/** Deeper paths are not drawn. */
const MAX_DEPTH = 64;

/** @typedef {import("./flames.js").Node} Node */

export class FlameChart {
  #title = element("h2", { "aria-live": "off" }, "Busy time");
  #rows = element("div", { class: "flames", role: "tree", "aria-label": "Busy time by span; arrows move, Enter zooms in, Backspace out" });
  #words = element("p", { class: "words" });
  /** @type {import("./flames.js").Flames | null} */
  #flames = null;
  /** The path that fills the width. */
  #zoom = "";
  #drawn = -1;
  #timer = 0;
  onclose = () => {};

  constructor() {
    const head = element("header", {}, this.#title, button("✕", () => this.onclose(), { class: "quiet", "aria-label": "Close the flame chart", title: "Close (Esc)" }));
    this.element = element("section", { class: "flame-chart", "aria-label": "The flame chart", hidden: true }, head, this.#words, this.#rows);
    this.#rows.addEventListener("keydown", (event) => this.#pressed(event));
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /** @param {import("./flames.js").Flames} flames */
  open(flames) {
    [this.#flames, this.#zoom, this.#drawn] = [flames, "", -1];
    this.element.hidden = false;
    this.#draw();
    this.#timer ||= window.setInterval(() => this.#draw(), DRAW_EVERY_MS);
    (this.#boxes()[0] ?? this.element.querySelector("button"))?.focus();
  }

  close() {
    this.element.hidden = true;
    window.clearInterval(this.#timer);
    [this.#timer, this.#flames] = [0, null];
    this.#rows.replaceChildren();
  }

  #draw() {
    const flames = this.#flames;
    if (flames === null || document.hidden || this.#drawn === flames.version) return;
    this.#drawn = flames.version;
    const focused = this.#focused()?.dataset.path;
    const top = flames.find(this.#zoom);
    const whole = total(top);
    this.#title.textContent = `${top.name === "" ? "Busy time" : visible(top.name)}: ${duration(whole)}`;
    const left = flames.leftOut > 0 ? `${counted(flames.leftOut, "closed span")} left out: there are too many different paths. ` : "";
    this.#words.textContent = flames.isEmpty ? "No span has closed yet. The chart needs a session with Timings; it grows as spans close." : left;
    this.#words.hidden = this.#words.textContent === "";
    /** @type {HTMLElement[][]} */
    const rows = [];
    if (top.name === "") this.#lay([...top.children.values()], 0, 0, whole, rows);
    else this.#lay([top], 0, 0, whole, rows);
    this.#rows.replaceChildren(...rows.map((boxes) => element("div", { class: "depth", role: "group" }, ...boxes)));
    if (focused !== undefined) this.#boxOf(focused)?.focus();
    this.#makeReachable();
  }

  /** Boxes side by side, the widest first, and what is inside each below it. @param {Node[]} nodes */
  #lay(nodes, depth, from, whole, rows) {
    if (depth >= MAX_DEPTH || whole === 0) return;
    let left = from;
    for (const [node, busy] of nodes.map((node) => /** @type {[Node, number]} */ ([node, total(node)])).sort(([, one], [, other]) => other - one)) {
      const width = (busy / whole) * 100;
      if (width < LEAST_PERCENT) break;
      (rows[depth] ??= []).push(this.#box(node, busy, depth, left, width));
      this.#lay([...node.children.values()], depth + 1, left, whole, rows);
      left += width;
    }
  }

  #box(node, busy, depth, left, width) {
    const words = `${visible(node.name)}, ${duration(busy)}, ${percent(width)}, ${counted(node.closed, "closed span")}${node.partial > 0 ? `, of ${node.partial} at least` : ""}`;
    const box = button("", () => this.#zoomTo(node.path), { class: node.partial > 0 ? "box partial" : "box", role: "treeitem", tabindex: "-1", "aria-level": depth + 1, "aria-label": words, title: words });
    box.dataset.path = node.path;
    box.append(element("span", {}, visible(node.name)), " ", element("small", {}, duration(busy)));
    [box.style.left, box.style.width] = [`${left}%`, `${width}%`];
    return box;
  }

  #zoomTo(path) {
    [this.#zoom, this.#drawn] = [path, -1];
    this.#draw();
    this.#boxOf(path)?.focus();
  }

  /** @returns {HTMLElement[]} */
  #boxes() {
    return [...this.#rows.querySelectorAll("button")];
  }

  #boxOf(path) {
    return this.#boxes().find((box) => box.dataset.path === path);
  }

  #focused() {
    const active = document.activeElement;
    return active instanceof HTMLElement && this.#rows.contains(active) ? active : null;
  }

  /** One box is in the order of the Tab key: the one that has the focus, or the first. */
  #makeReachable() {
    const boxes = this.#boxes();
    const reachable = this.#focused() ?? boxes[0];
    for (const box of boxes) box.tabIndex = box === reachable ? 0 : -1;
  }

  /** Left and right go along a row, down into the widest child, up to the parent. */
  #pressed(event) {
    const focused = this.#focused();
    if (event.key === "Backspace" && this.#zoom !== "") {
      const out = this.#zoom;
      this.#zoomTo("");
      this.#boxOf(out)?.focus();
      return stop(event);
    }
    if (focused === null) return;
    const path = focused.dataset.path ?? "";
    const row = [...(focused.parentElement?.children ?? [])];
    const at = row.indexOf(focused);
    const next = {
      ArrowRight: () => row[at + 1],
      ArrowLeft: () => row[at - 1],
      ArrowDown: () => this.#boxes().find((box) => box.dataset.path?.startsWith(`${path}\u0000`)),
      ArrowUp: () => this.#boxes().findLast((box) => path.startsWith(`${box.dataset.path}\u0000`)),
    }[event.key];
    if (next === undefined) return;
    stop(event);
    /** @type {HTMLElement | undefined} */ (next())?.focus();
    this.#makeReachable();
  }
}

function percent(width) {
  return `${width.toFixed(width < 10 ? 1 : 0)}%`;
}

function stop(event) {
  event.preventDefault();
  event.stopPropagation();
}
