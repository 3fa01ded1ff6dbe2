// The rate over the last minutes: a bar for each second, by level, what is missing on top.

import { counted, element, grouped } from "./dom.js";
import { LEVELS } from "./event.js";
import { KEPT_BACK, LOST, SECONDS, SERIES } from "./rates.js";

const DRAW_EVERY_MS = 500;
/** From the bottom of a bar: what is most is the ground that the rare stands on. */
const ORDER = [4, 3, 2, 1, 0, 5];
const COLOURS = [...LEVELS.map((level) => `--${level.toLowerCase()}`), "--lost", "--edge"];

export class Chart {
  #canvas = /** @type {HTMLCanvasElement} */ (element("canvas", { class: "chart", role: "img" }));
  #peak = element("span", { class: "peak" });
  #rates;
  #timer = 0;
  /** Called with the second of the service's clock that the pointer is at. */
  onpick = (/** @type {number} */ _second) => {};

  /**
   * @param {import("./rates.js").Rates} rates
   * @param {string} [last] what the end of the axis is
   */
  constructor(rates, last = "now") {
    this.#rates = rates;
    const axis = element("div", { class: "axis", "aria-hidden": "true" }, ...[last === "now" ? "5 min ago" : "−5 min", "4", "3", "2", "1", last].map((text) => element("span", {}, text)));
    this.element = element("figure", { class: "rate" }, this.#canvas, axis, this.#peak);
    this.#canvas.addEventListener("click", (event) => this.onpick(this.#secondAt(event.offsetX)));
    this.#canvas.addEventListener("pointermove", (event) => this.#describe(this.#secondAt(event.offsetX)));
    new ResizeObserver(() => this.draw()).observe(this.#canvas);
  }

  start() {
    this.#timer ||= window.setInterval(() => this.draw(), DRAW_EVERY_MS);
    this.draw();
  }

  stop() {
    window.clearInterval(this.#timer);
    this.#timer = 0;
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (width === 0 || document.hidden) return;
    const context = this.#prepare(width, height);
    const now = this.#rates.now();
    const highest = this.#highest(now);
    const colours = this.#colours();
    const step = width / SECONDS;
    for (let ago = 0; ago < SECONDS; ago += 1) {
      const counts = this.#rates.at(now - ago);
      let bottom = height;
      for (const series of ORDER) {
        if (counts[series] === 0) continue;
        const tall = Math.max(1, (counts[series] / highest) * (height - 2));
        context.fillStyle = colours[series];
        context.fillRect(width - (ago + 1) * step, bottom - tall, Math.max(1, step - 0.5), tall);
        bottom -= tall;
      }
    }
    this.#label(now, highest);
  }

  #prepare(width, height) {
    const scale = globalThis.devicePixelRatio || 1;
    const [wide, tall] = [Math.round(width * scale), Math.round(height * scale)];
    if (this.#canvas.width !== wide || this.#canvas.height !== tall) Object.assign(this.#canvas, { width: wide, height: tall });
    const context = /** @type {CanvasRenderingContext2D} */ (this.#canvas.getContext("2d"));
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    return context;
  }

  #highest(now) {
    let highest = 4;
    for (let ago = 0; ago < SECONDS; ago += 1) highest = Math.max(highest, sum(this.#rates.at(now - ago)));
    return highest;
  }

  #colours() {
    const style = getComputedStyle(this.#canvas);
    return COLOURS.map((name) => style.getPropertyValue(name));
  }

  #label(now, highest) {
    const totals = new Array(SERIES).fill(0);
    for (let ago = 0; ago < SECONDS; ago += 1) this.#rates.at(now - ago).forEach((count, series) => (totals[series] += count));
    const matched = sum(totals);
    const levels = LEVELS.map((level, index) => (totals[index] > 0 ? `${grouped(totals[index])} ${level}` : "")).filter(Boolean);
    this.#canvas.setAttribute("aria-label", `The last five minutes: ${counted(matched, "event")} matched, ${grouped(totals[LOST])} lost, ${grouped(totals[KEPT_BACK])} kept back. ${levels.join(", ")}`);
    this.#peak.textContent = matched === 0 ? "" : `peak ${grouped(highest)}/s`;
  }

  #describe(second) {
    const counts = [...this.#rates.at(second)];
    const missing = [[counts[LOST], "lost"], [counts[KEPT_BACK], "kept back"]].map(([count, what]) => (count > 0 ? `${count} ${what}` : ""));
    const levels = LEVELS.map((level, index) => (counts[index] > 0 ? `${counts[index]} ${level}` : "")).filter(Boolean);
    const time = new Date(second * 1000).toISOString().slice(11, 19);
    this.#canvas.title = [`${time} UTC: ${counted(sum(counts), "event")} matched`, ...levels, ...missing].filter(Boolean).join(", ");
  }

  #secondAt(x) {
    const ago = Math.floor(((this.#canvas.clientWidth - x) / this.#canvas.clientWidth) * SECONDS);
    return this.#rates.now() - Math.min(Math.max(ago, 0), SECONDS - 1);
  }
}

function sum(counts) {
  let all = 0;
  for (const count of counts) all += count;
  return all;
}
