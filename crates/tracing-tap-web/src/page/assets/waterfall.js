// One request as a waterfall: a bar for each span, from its creation to its close, with its events on it.

import { button, counted, element, visible } from "./dom.js";
import { duration, fieldsText } from "./event.js";
import { requestOf } from "./request.js";

/** Less of the width nobody sees. */
const LEAST_PERCENT = 0.3;

export class Waterfall {
  #body = element("ol", { class: "lines", "aria-label": "Spans of the request, the outermost first" });
  #title = element("h2", {}, "Request");
  #isOpen = false;
  onclose = () => {};
  /** Called with the number of the row that is chosen. */
  onpick = (/** @type {number} */ _number) => {};

  constructor() {
    const head = element("header", {}, this.#title, button("✕", () => this.onclose(), { class: "quiet", "aria-label": "Close the waterfall", title: "Close (Esc)" }));
    this.element = element("section", { class: "waterfall", "aria-label": "The request's waterfall", hidden: true }, head, this.#body);
    this.element.addEventListener("keydown", (event) => this.#pressed(event));
  }

  get isOpen() {
    return this.#isOpen;
  }

  /** Draws the request that a row is of. Returns whether there is one. */
  open(store, number) {
    const request = requestOf(store, number);
    if (request === null) return false;
    const { start, end, bars } = request;
    this.#title.textContent = `${visible(bars[0].path[0].name)}: ${duration((end - start) * 1000)}, ${counted(bars.length, "span")}`;
    this.#body.replaceChildren(...bars.map((bar) => this.#line(bar, start, end - start)));
    this.#isOpen = true;
    this.element.hidden = false;
    this.#marks()[0]?.[0]?.focus();
    return true;
  }

  close() {
    this.#isOpen = false;
    this.element.hidden = true;
    this.#body.replaceChildren();
  }

  /** @param {import("./request.js").Bar} bar */
  #line(bar, start, length) {
    const span = bar.path[bar.path.length - 1];
    const place = (from, to) => [((from - start) / length) * 100, Math.max(((to - from) / length) * 100, LEAST_PERCENT)];
    const drawn = element("span", { class: bar.isOpen ? "bar open" : bar.isWhole ? "bar" : "bar partial" });
    put(drawn, ...place(bar.start, bar.end));
    if (bar.busy !== null && bar.end > bar.start) {
      const busy = element("span", { class: "busy" });
      busy.style.width = `${Math.min(100, (bar.busy / (bar.end - bar.start)) * 100)}%`;
      drawn.append(busy);
    }
    const events = bar.events.map((event) => {
      const tick = button("", () => this.onpick(event.number), { class: `tick ${event.level.toLowerCase()}`, tabindex: "-1", title: visible(event.text), "aria-label": `${event.level} ${visible(event.text)}, after ${duration((event.at - start) * 1000)}` });
      tick.style.left = `${place(event.at, event.at)[0]}%`;
      return tick;
    });
    const fields = span.fields.length > 0 ? element("small", {}, visible(fieldsText(span.fields))) : null;
    const name = button("", () => this.onpick(bar.number), { class: "name", tabindex: "-1", "aria-label": `${visible(span.name)}, ${words(bar, start)}, ${counted(events.length, "event")}` });
    name.style.paddingInlineStart = `${Math.min(bar.path.length - 1, 12) * 12 + 8}px`;
    name.append(element("strong", {}, visible(span.name)), ...(fields === null ? [] : [" ", fields]));
    return element("li", {}, name, element("span", { class: "took", "aria-hidden": "true" }, took(bar)), element("span", { class: "track" }, drawn, ...events));
  }

  /** The lines, each with its name and its events. @returns {HTMLElement[][]} */
  #marks() {
    return [...this.#body.children].map((line) => /** @type {HTMLElement[]} */ ([...line.querySelectorAll("button")]));
  }

  /** Up and down go from line to line, left and right along the events of one. */
  #pressed(event) {
    const steps = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key];
    if (steps === undefined) return;
    const marks = this.#marks();
    const line = marks.findIndex((line) => line.includes(/** @type {HTMLElement} */ (document.activeElement)));
    const [down, along] = steps;
    const at = line === -1 ? 0 : marks[line].indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const next = marks[Math.max(0, line + down)]?.[down === 0 ? at + along : 0];
    event.preventDefault();
    event.stopPropagation();
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  }
}

function put(part, left, width) {
  part.style.left = `${Math.min(left, 100 - LEAST_PERCENT)}%`;
  part.style.width = `${width}%`;
}

/** How long it took, for those who see it. */
function took({ start, end, isWhole, isOpen, busy }) {
  if (isOpen) return "open";
  const wall = duration((end - start) * 1000);
  if (isWhole) return wall;
  return busy === null ? "not seen" : `≥ ${wall}`;
}

function words(bar, start) {
  const { start: from, end, busy, isOpen, polls } = bar;
  if (isOpen) return "not closed yet";
  const known = [`from ${duration((from - start) * 1000)}`, `took ${took(bar)}`];
  if (busy !== null) known.push(`busy ${duration(busy * 1000)} of ${duration((end - from) * 1000)}`, `entered ${polls} times`);
  return known.join(", ");
}
