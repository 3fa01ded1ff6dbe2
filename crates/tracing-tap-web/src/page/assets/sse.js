// Server-sent events, read as they come: `EventSource` could not bring the token.

/**
 * @typedef {{ name: string, data: string, id: string }} Message `id` is the last one that was given so far.
 */

/** Takes the text of a stream in pieces of any size. Lines end with a line feed, as the endpoint's do, or CR and LF. */
export class MessageReader {
  #rest = "";
  #name = "";
  /** @type {string[]} */
  #data = [];
  #id = "";

  /**
   * @param {string} piece
   * @returns {Message[]} the messages that are complete with this piece
   */
  take(piece) {
    const text = this.#rest + piece;
    const messages = [];
    let start = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", start)) {
      const line = text.slice(start, text[end - 1] === "\r" && end > start ? end - 1 : end);
      start = end + 1;
      if (line !== "") this.#line(line);
      else if (this.#data.length > 0) messages.push(this.#message());
      else this.#name = "";
    }
    this.#rest = text.slice(start);
    return messages;
  }

  #message() {
    const message = { name: this.#name || "message", data: this.#data.join("\n"), id: this.#id };
    this.#name = "";
    this.#data = [];
    return message;
  }

  #line(line) {
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#name = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
  }
}
