// One event, whole: its fields and its spans, each value a way to ask for more of its kind, or for less.

import { traceAddress } from "./catalog.js";
import { button, element, visible } from "./dom.js";
import { shown } from "./event.js";
import { fieldTest, valueText } from "./predicate.js";
import { copy } from "./save.js";

export class Detail {
  #body = element("div", { class: "body" });
  /** @type {import("./store.js").EventRow | null} */
  #row = null;
  #title;
  #request;
  onclose = () => {};
  /** Called where the request of the event is asked for. */
  onrequest = () => {};
  /** Called with a test that is to be added to the predicate. */
  onnarrow = (/** @type {string} */ _test) => {};
  /** Called with what is to be said of something that was done. */
  ondone = (/** @type {string} */ _words) => {};

  constructor() {
    this.#title = element("h2", {}, "Event");
    const head = element("header", {},
      this.#title,
      (this.#request = button("Waterfall", () => this.onrequest(), { class: "quiet", title: "The request's spans and their times (W)" })),
      button("Copy JSON", () => this.copy(), { class: "quiet" }),
      button("✕", () => this.onclose(), { class: "quiet", "aria-label": "Close the event", title: "Close (Esc)" }));
    this.element = element("aside", { class: "detail", "aria-label": "The opened event", tabindex: "-1", hidden: true }, head, this.#body);
  }

  get isOpen() {
    return this.#row !== null;
  }

  /** @param {import("./store.js").Row | undefined} row */
  open(row) {
    if (row?.kind !== "event") return;
    this.#row = row;
    const event = shown(row);
    this.#title.textContent = event.times === null ? "Event" : "Span";
    this.#request.hidden = event.spans.length === 0;
    this.#body.replaceChildren(this.#message(event), this.#metadata(event), this.#fields(event.times === null ? "Fields" : "Times", event.fields, event.omitted), ...this.#spans(event));
    this.#body.scrollTop = 0;
    this.element.hidden = false;
  }

  close() {
    this.#row = null;
    this.element.hidden = true;
    this.#body.replaceChildren();
  }

  /** Copies the line as it came. */
  async copy() {
    if (this.#row === null) return;
    await copy(this.#row.raw);
    this.ondone("Event copied as JSON");
  }

  #message({ message, level, times }) {
    const text = message === null ? "" : message.text;
    const box = element("div", { class: `message ${level.toLowerCase()}` }, element("p", {}, lines(text) || "(no message)"));
    const choices = message === null || times !== null ? null : this.#choices("message", fieldTest(message));
    if (choices !== null) box.append(choices);
    return box;
  }

  #metadata({ timestamp, level, target, file, line, thread, instance, request, traceId, spanId }) {
    const rows = [
      ["time", timestamp, null],
      ["level", level, `@level = ${level.toLowerCase()}`],
      ["target", target, `@target = ${valueText(target)}`],
      ["source", file === "" ? "" : line === "" ? file : `${file}:${line}`, `@file = ${valueText(file)}`],
      ["thread", thread, null],
      ["instance", instance, null],
      ["request", request, null],
      ["trace_id", traceId, `trace_id = ${valueText(traceId)}`, traceAddress(traceId)],
      ["span_id", spanId, `span_id = ${valueText(spanId)}`],
    ];
    return this.#table(rows.filter(([, text]) => text !== ""), "The event's metadata");
  }

  #fields(title, fields, omitted) {
    const section = element("section", {}, element("h3", {}, title));
    if (fields.length === 0) section.append(element("p", { class: "none" }, "none"));
    else section.append(this.#table(fields.map((field) => [field.name, field.text, fieldTest(field)]), title));
    if (omitted) section.append(element("p", { class: "none" }, `and ${omitted} more that were not kept`));
    return section;
  }

  #spans({ spans }) {
    if (spans.length === 0) return [element("section", {}, element("h3", {}, "Spans"), element("p", { class: "none" }, "none"))];
    const title = element("h3", {}, "Spans, the outermost first");
    const list = element("ol", { class: "spans" }, ...spans.map((span) => this.#span(span)));
    return [element("section", {}, title, list)];
  }

  #span({ name, fields }) {
    const item = element("li", {}, this.#value(name, `@span = ${valueText(name)}`, "span"));
    if (fields.length > 0) item.append(this.#table(fields.map((field) => [field.name, field.text, fieldTest(field)]), `Fields of the span ${name}`));
    return item;
  }

  #table(rows, label) {
    const body = rows.map(([name, text, test, address = ""]) =>
      element("tr", {}, element("th", { scope: "row" }, visible(name)), element("td", {}, this.#value(text, test, name), linkTo(address))));
    return element("table", { "aria-label": visible(label) }, element("tbody", {}, ...body));
  }

  /** A click on the value asks for it; beside it are both ways as buttons of their own. */
  #value(text, test, name) {
    const words = lines(text);
    if (test === null) return element("span", { class: "value" }, words);
    const value = button(words === "" ? "(empty)" : words, () => this.onnarrow(test), { class: "value", title: `and ${visible(test)}` });
    return element("span", { class: "pair" }, value, this.#choices(name, test));
  }

  #choices(name, test) {
    if (test === null) return null;
    const only = button("and", () => this.onnarrow(test), { class: "only", "aria-label": `Only where ${visible(test)}`, title: `and ${visible(test)}` });
    const not = button("and not", () => this.onnarrow(`not ${test}`), { class: "not", "aria-label": `Not where ${visible(test)}`, title: `and not ${visible(test)}` });
    return element("span", { class: "choices", "data-of": name }, only, not);
  }
}

/** A link to another tool, which learns nothing of this page. */
function linkTo(address) {
  if (address === "") return null;
  return element("a", { class: "elsewhere", href: address, target: "_blank", rel: "noopener noreferrer" }, "Open the trace");
}

/** Line breaks are lines here; all else that is hidden is shown as its code. */
function lines(text) {
  return text.split("\n").map(visible).join("\n");
}
