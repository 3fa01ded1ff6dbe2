// How many events came in each of the last seconds, by level, and how many are missing.

import { LEVELS } from "./event.js";

/** The last five minutes. */
export const SECONDS = 300;
/** Levels, and behind them what was lost and what limits kept back. */
export const SERIES = LEVELS.length + 2;
export const LOST = LEVELS.length;
export const KEPT_BACK = LOST + 1;

export class Rates {
  #counts = new Uint32Array(SECONDS * SERIES);
  /** The latest second of the service's clock that anything is known of. */
  #latest = -Infinity;
  #latestAt = 0;
  /** Whether the latest second stays the last one, as in a recording. */
  standsStill = false;

  /** @param {number} second of the service's clock */
  count(second, level) {
    if (level < 0 || !Number.isFinite(second)) return;
    this.#advance(second);
    if (second > this.#latest - SECONDS) this.#counts[this.#place(second) + level] += 1;
  }

  /** A loss has no time of its own: it is shown where it happened. */
  countLost(count) {
    this.#countNow(LOST, count);
  }

  /** As a loss: it is reported about a second later. */
  countKeptBack(count) {
    this.#countNow(KEPT_BACK, count);
  }

  #countNow(series, count) {
    if (!Number.isFinite(this.#latest)) this.#advance(Math.floor(Date.now() / 1000));
    this.#counts[this.#place(this.now()) + series] += count;
  }

  /** Now, by the service's clock as far as it is known. */
  now() {
    if (!Number.isFinite(this.#latest)) return Math.floor(Date.now() / 1000);
    if (this.standsStill) return this.#latest;
    const passed = Math.floor((performance.now() - this.#latestAt) / 1000);
    if (passed > 0) this.#advance(this.#latest + passed);
    return this.#latest;
  }

  /** The counts of a second, by level, with what is missing behind them. */
  at(second) {
    const place = this.#place(second);
    return this.#counts.subarray(place, place + SERIES);
  }

  #advance(second) {
    if (second <= this.#latest) return;
    const from = Math.max(this.#latest + 1, second - SECONDS + 1);
    for (let passed = from; passed <= second; passed += 1) this.at(passed).fill(0);
    this.#latest = second;
    this.#latestAt = performance.now();
  }

  #place(second) {
    return (((second % SECONDS) + SECONDS) % SECONDS) * SERIES;
  }
}
