// The rows of one session: a bounded number of them, each of which keeps its number as others leave.

/**
 * @typedef {{ kind: "event", isTiming: boolean, raw: string, level: number, second: number }} EventRow
 * @typedef {{ kind: "bar", tone: "lost" | "gap" | "calm" | "end", text: string }} BarRow
 * @typedef {EventRow | BarRow} Row
 */

export const MAX_ROWS = 100_000;
/** Characters of all rows together. */
export const MAX_TEXT = 96 * 1024 * 1024;

export class Store {
  /** A ring: the row of number `n` is at `n` modulo the most there can be. @type {Row[]} */
  #rows = [];
  #text = 0;
  #maxRows;
  /** The number of the oldest row that is still here. */
  first = 0;
  /** The number that the next row gets. */
  end = 0;
  /** Rows from this number on may not leave: they are in view. */
  keepFrom = Infinity;
  /** How many rows could not be kept because of that, since the last that was. */
  refused = 0;
  /** The events among the rows that left. */
  left = 0;

  constructor(maxRows = MAX_ROWS) {
    this.#maxRows = maxRows;
  }

  get length() {
    return this.end - this.first;
  }

  /** @returns {Row | undefined} */
  at(number) {
    return number >= this.first && number < this.end ? this.#rows[number % this.#maxRows] : undefined;
  }

  /** @param {Row} row */
  push(row) {
    if (!this.#makeRoom()) {
      this.refused += 1;
      return;
    }
    if (this.refused > 0) this.#tellRefused();
    this.#put(row);
  }

  #tellRefused() {
    const text = `${this.refused} events arrived while the view was held, and were dropped because this page has no room for them`;
    this.refused = 0;
    this.#put({ kind: "bar", tone: "lost", text });
    // The bar took the room there was.
    if (this.length >= this.#maxRows) this.#evict();
  }

  /** Whether there is room for one more row. */
  #makeRoom() {
    while (this.length >= this.#maxRows || (this.#text >= MAX_TEXT && this.length > 1)) {
      if (this.first >= this.keepFrom) return false;
      this.#evict();
    }
    return true;
  }

  #put(row) {
    this.#rows[this.end % this.#maxRows] = row;
    this.#text += sizeOf(row);
    this.end += 1;
  }

  #evict() {
    const at = this.first % this.#maxRows;
    const row = this.#rows[at];
    this.#text -= sizeOf(row);
    if (row.kind === "event") this.left += 1;
    this.#rows[at] = /** @type {any} */ (undefined);
    this.first += 1;
  }
}

/** @param {Row} row */
function sizeOf(row) {
  return row.kind === "event" ? row.raw.length : row.text.length;
}
