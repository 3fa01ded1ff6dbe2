// The options of a session: the predicate and the rest.

import { Problem } from "./api.js";
import { Box } from "./box.js";
import { known } from "./catalog.js";
import { askForCoverage } from "./coverage.js";
import { button, element, uniqueId } from "./dom.js";

const LEVELS = [["", "every level"], ["error", "error"], ["warn", "warn +"], ["info", "info +"], ["debug", "debug +"], ["trace", "trace +"]];
const SPANS = [["", "enabled ones"], ["error", "error too"], ["warn", "warn too"], ["info", "info too"], ["debug", "debug too"], ["trace", "trace too"]];
const FOLLOWS = [["event", "matching events only"], ["span", "the rest of its span"], ["root", "the rest of its request"], ["named", "the rest of a span named…"]];
const FAILED = "status >= 500";
const DURATIONS = [["1m", "1 min"], ["5m", "5 min"], ["", "15 min"], ["1h", "1 hour"], ["4h", "4 hours"], ["24h", "24 hours"]];

const PASTS = [["", "nothing"], ["10s", "10 s"], ["30s", "30 s"], ["1m", "1 min"], ["5m", "5 min"]];

export class Form {
  box = new Box();
  #level = select(LEVELS, "The least severe level");
  #follow = select(FOLLOWS, "More events to include after a match");
  #span = input("span", "The name of the span", { list: uniqueId("spans"), hidden: true });
  #spans = element("datalist", { id: this.#span.getAttribute("list") });
  #lookBack = select(PASTS, "Begins with the matching events of this time before the session, if the service keeps them");
  #isOutcome = /** @type {HTMLInputElement} */ (element("input", { type: "checkbox" }));
  #onlyIf = input(FAILED, "Show a request only if one of its events matches this: then all of it, from its first event on");
  #slowerThan = input("2s", "Show a request only if it takes at least this long; with a condition as well, either suffices");
  #outcome = element("span", { class: "outcome", hidden: true }, labelled("if", this.#onlyIf), labelled("or slower than", this.#slowerThan));
  #duration = select(DURATIONS, "How long the session stays open");
  #name = input("ticket 1234", "Name of the session", { maxlength: "80" });
  #max = input("no limit", "Maximum number of events", { inputmode: "numeric" });
  #rate = input("5000", "Maximum events per second", { inputmode: "numeric" });
  #sample = input("1", "Sample whole requests: one in this many", { inputmode: "numeric" });
  #spanLevel = select(SPANS, "Enables spans up to this level that no other layer enables. This changes the service's own spans while the session is open");
  #capacity = input("4096", "Events buffered while they wait to be read", { inputmode: "numeric" });
  #timings = /** @type {HTMLInputElement} */ (element("input", { type: "checkbox", title: "Also show how long the spans took in which the session matches" }));
  #limits = /** @type {HTMLDetailsElement} */ (element("details", { class: "limits" }));
  #start = button("Start", ({ detail }) => this.#clicked(detail), { class: "start" });
  /** What was chosen that is none of the durations offered. */
  #odd = "";
  #timer = 0;
  #asked = 0;
  /** Called with the ask when the user starts it. */
  onstart = (/** @type {import("./session.js").Ask} */ _ask) => {};
  /** Called with the coverage of the ask, or null while it is unknown. */
  oncoverage = (/** @type {any} */ _coverage) => {};
  onchange = () => {};

  constructor() {
    this.#limits.append(element("summary", {}, "Limits"), element("div", { class: "panel" },
      labelled("Name", this.#name), labelled("Events in total", this.#max), labelled("Events a second", this.#rate),
      labelled("One request in", this.#sample), labelled("Buffer", this.#capacity), labelled("Spans", this.#spanLevel), labelled("Look back", this.#lookBack)));
    this.element = element("form", { class: "form", "aria-label": "What to watch", onsubmit: (event) => event.preventDefault() },
      element("div", { class: "first" }, this.box.element, this.#start),
      element("div", { class: "second" }, labelled("Level", this.#level), labelled("Follow", this.#follow), this.#span, this.#spans,
        element("label", { class: "check", title: "Hold each request, and show it whole only if it has this outcome" }, this.#isOutcome, element("span", {}, "Only requests that fail")), this.#outcome,
        labelled("For", this.#duration), element("label", { class: "check timings" }, this.#timings, element("span", {}, "Timings")), this.#limits));
    this.#isOutcome.addEventListener("change", () => this.#decidedByOutcome());
    this.#duration.value = "";
    this.box.onenter = () => this.submit();
    this.box.oninput = () => this.onchange();
    this.box.onjudged = (isGood) => (isGood ? this.#askForCoverage() : this.oncoverage(null));
    for (const control of [this.#level, this.#span, this.#spanLevel]) control.addEventListener("change", () => this.#askForCoverage());
    this.#follow.addEventListener("change", () => this.#followed());
    this.element.addEventListener("change", () => this.onchange());
    this.element.addEventListener("keydown", (event) => this.#pressed(event));
  }

  /** @returns {import("./session.js").Ask} */
  get ask() {
    const follow = this.#follow.value === "named" ? `named:${this.#span.value.trim()}` : this.#follow.value;
    return {
      q: this.box.text,
      level: this.#level.value || undefined,
      for: this.#duration.value || undefined,
      follow: follow === "event" ? undefined : follow,
      only_if: this.#isOutcome.checked ? this.#onlyIf.value.trim() || undefined : undefined,
      slower_than: this.#isOutcome.checked ? this.#slowerThan.value.trim() || undefined : undefined,
      spans: this.#spanLevel.value || undefined,
      timings: this.#timings.checked || undefined,
      look_back: this.#lookBack.value || undefined,
      name: this.#name.value.trim() || undefined,
      max: number(this.#max),
      rate: number(this.#rate),
      sample: number(this.#sample),
      capacity: number(this.#capacity),
    };
  }

  set ask(ask) {
    this.#level.value = ask.level ?? "";
    this.#chooseDuration(ask.for ?? "");
    this.#chooseFollow(ask.follow ?? "event");
    this.#onlyIf.value = ask.only_if ?? "";
    this.#slowerThan.value = ask.slower_than ?? "";
    this.#isOutcome.checked = ask.only_if !== undefined || ask.slower_than !== undefined;
    this.#outcome.hidden = !this.#isOutcome.checked;
    this.#spanLevel.value = ask.spans ?? "";
    this.#timings.checked = ask.timings === true;
    this.#choosePast(ask.look_back ?? "");
    this.#name.value = ask.name ?? "";
    for (const [field, value] of [[this.#max, ask.max], [this.#rate, ask.rate], [this.#sample, ask.sample], [this.#capacity, ask.capacity]]) {
      field.value = value === undefined ? "" : String(value);
    }
    const isLimited = [ask.name, ask.max, ask.rate, ask.sample, ask.capacity, ask.spans, ask.look_back].some((value) => value !== undefined);
    this.#limits.classList.toggle("set", isLimited);
    this.box.text = ask.q;
  }

  /** What the button that starts says. */
  set label(text) {
    this.#start.textContent = text;
  }

  submit() {
    if (this.box.text === "") return this.box.focus();
    this.#limits.open = false;
    this.onstart(this.ask);
  }

  /** Shows the endpoint's error at the field that it is about. */
  showProblem(problem) {
    const fields = { level: this.#level, for: this.#duration, follow: this.#span, only_if: this.#onlyIf, slower_than: this.#slowerThan, name: this.#name, max: this.#max, rate: this.#rate, sample: this.#sample, capacity: this.#capacity, spans: this.#spanLevel, look_back: this.#lookBack };
    const field = problem instanceof Problem ? fields[problem.document.parameter] : undefined;
    if (field !== undefined && this.#limits.contains(field)) this.#limits.open = true;
    this.box.showProblem(problem instanceof Problem ? problem : new Problem(0, { detail: "the endpoint cannot be reached: is the service running?" }));
    if (field !== undefined) field.focus();
  }

  /** The second click of a double one is none: it would start the same again. */
  #clicked(count) {
    if (count < 2) this.submit();
  }

  #pressed(event) {
    if (event.key === "Enter" && !event.repeat && event.target instanceof HTMLInputElement) this.submit();
    if (event.key === "Escape" && this.#limits.open) {
      event.stopPropagation();
      this.#limits.open = false;
    }
  }

  #chooseDuration(text) {
    if (this.#odd !== "") this.#duration.lastChild?.remove();
    this.#odd = DURATIONS.some(([value]) => value === text) ? "" : text;
    if (this.#odd !== "") this.#duration.append(element("option", { value: text }, text));
    this.#duration.value = text;
  }

  #choosePast(text) {
    if (!PASTS.some(([value]) => value === text)) this.#lookBack.append(element("option", { value: text }, text));
    this.#lookBack.value = text;
  }

  #chooseFollow(text) {
    const isNamed = text.startsWith("named:");
    this.#follow.value = isNamed ? "named" : text;
    this.#span.value = isNamed ? text.slice("named:".length) : "";
    this.#span.hidden = !isNamed;
  }

  /** The whole request is what is to be seen of one that fails. */
  #decidedByOutcome() {
    const isChecked = this.#isOutcome.checked;
    this.#outcome.hidden = !isChecked;
    if (!isChecked) return;
    if (this.#onlyIf.value.trim() === "" && this.#slowerThan.value.trim() === "") this.#onlyIf.value = FAILED;
    if (this.#follow.value === "event") this.#chooseFollow("root");
    this.#askForCoverage();
  }

  #followed() {
    this.#span.hidden = this.#follow.value !== "named";
    this.#spans.replaceChildren(...known().spans.map((name) => element("option", { value: name })));
    if (!this.#span.hidden) this.#span.focus();
    this.#askForCoverage();
  }

  #askForCoverage() {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#readCoverage());
  }

  /** Of several answers, the one to the last question counts. */
  async #readCoverage() {
    this.#asked += 1;
    const asked = this.#asked;
    const { ask } = this;
    if (ask.q === "") return;
    const coverage = await askForCoverage(ask);
    if (asked === this.#asked) this.oncoverage(coverage);
  }
}

function select(options, title) {
  return /** @type {HTMLSelectElement} */ (element("select", { title }, ...options.map(([value, text]) => element("option", { value }, text))));
}

function input(placeholder, title, attributes = {}) {
  return /** @type {HTMLInputElement} */ (element("input", { type: "text", placeholder, title, "aria-label": title, autocomplete: "off", spellcheck: "false", ...attributes }));
}

function labelled(text, control) {
  return element("label", {}, element("span", {}, text), control);
}

/** The endpoint rejects text that is not a number. */
function number(field) {
  const text = field.value.trim();
  if (text === "") return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : text;
}
