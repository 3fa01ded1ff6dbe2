// One tab: what is asked for, and once it is started, what comes of it.

import { askForJson, now } from "./api.js";
import { known, renew } from "./catalog.js";
import { Chart } from "./chart.js";
import { Context } from "./context.js";
import { coverageList, coverageWords } from "./coverage.js";
import { Detail } from "./detail.js";
import { button, counted, element, grouped, uniqueId, visible } from "./dom.js";
import { FlameChart } from "./flame-chart.js";
import { Form } from "./form.js";
import { List } from "./list.js";
import { nameText, narrowed, valueText } from "./predicate.js";
import { forgetAll, recent, remember } from "./recent.js";
import { copy, curlOf, download } from "./save.js";
import { Search } from "./search.js";
import { keptBackWords, Session } from "./session.js";
import { Waterfall } from "./waterfall.js";
import { linkTo } from "./link.js";

const WORDS = { opening: "Opening", live: "Live", waiting: "Reconnecting", superseded: "Read elsewhere", refused: "Refused", ended: "Ended", recording: "Recording" };
const COLUMNS = ["time UTC", "level", "target", "spans", "message"];
/** How the names of fields begin by which one usually asks whose events to watch. */
const WHOSE = ["user", "account", "customer", "tenant", "request", "session", "conn"];

export class View {
  id = uniqueId("view");
  form = new Form();
  /** @type {Session | null} */
  session = null;
  /** What is to be searched once there is something. */
  find = "";
  #starter = element("div", { class: "starter" });
  #watching = element("div", { class: "watching", hidden: true });
  #announcer = element("div", { class: "aside", role: "status", "aria-live": "polite" });
  #coverage = null;
  /** @type {List | null} */
  #list = null;
  /** @type {Search | null} */
  #search = null;
  /** @type {Chart | null} */
  #chart = null;
  /** @type {Context | null} */
  #context = null;
  #detail = new Detail();
  #waterfall = new Waterfall();
  #flames = new FlameChart();
  /** The parts that are updated as rows arrive. @type {Record<string, HTMLElement>} */
  #parts = {};
  #isShown = false;
  /** Whether a session was requested and the answer is pending. */
  #isStarting = false;
  #hasLeft = false;
  #clock = 0;
  /** Called where what the tab says has changed. */
  onchange = () => {};
  /** Called with a test that the events of a recording are to satisfy. */
  ontest = (/** @type {string} */ _test) => {};
  /** Called with a session that was started while this tab has one: it goes into a tab of its own. */
  onother = (/** @type {Session} */ _session) => {};

  /** @param {{ isLive?: boolean }} [how] whether sessions are started here, or a recording is shown */
  constructor({ isLive = true } = {}) {
    this.isLive = isLive;
    this.element = element("section", { class: "view", role: "tabpanel", id: this.id, hidden: true }, this.form.element, this.#starter, this.#watching, this.#announcer);
    this.form.onstart = (ask) => this.#start(ask);
    this.form.oncoverage = (coverage) => this.#tellCoverage(coverage);
    this.form.onchange = () => this.onchange();
    this.form.element.hidden = !isLive;
    if (!isLive) return;
    this.#drawStarter();
    renew().then(() => this.#drawStarter(), () => {});
  }

  /** What the tab is called. */
  get title() {
    return this.session?.ask.name || this.session?.ask.q || "New";
  }

  get state() {
    return this.session?.state ?? "new";
  }

  /** What a link to this view says. */
  get linked() {
    // A file cannot be linked to.
    if (!this.isLive) return { ask: { q: "" }, find: "" };
    return { ask: this.session?.ask ?? this.form.ask, find: this.#search?.text ?? this.find };
  }

  get list() {
    return this.#list;
  }

  get search() {
    return this.#search;
  }

  show() {
    this.#isShown = true;
    this.element.hidden = false;
    this.#chart?.start();
    if (!this.session?.isOver) this.#context?.start();
    this.#refresh();
    if (this.session === null) this.form.box.focus();
    else this.#list?.element.focus();
  }

  hide() {
    this.#isShown = false;
    this.element.hidden = true;
    this.#chart?.stop();
    this.#context?.stop();
  }

  /** Lets go of everything; the session is closed. */
  leave() {
    this.#hasLeft = true;
    this.#chart?.stop();
    this.#context?.stop();
    this.#flames.close();
    clearInterval(this.#clock);
    this.session?.close();
    this.session?.stop?.();
    this.element.remove();
  }

  /** Shows a message, and announces it to screen readers. */
  say(words) {
    this.#announcer.textContent = words;
    if (this.#parts.said) this.#parts.said.textContent = words;
  }

  /** Opens one session however often the user presses; one that opens after the tab was closed is closed. */
  async #start(ask) {
    if (this.#isStarting) return;
    this.#isStarting = true;
    this.form.label = "Starting…";
    try {
      const about = await askForJson("POST", "sessions", { body: ask });
      remember(ask.q);
      const session = new Session(ask, about);
      if (this.#hasLeft) await session.close();
      else if (this.session === null) this.watch(session);
      else {
        this.form.ask = this.session.ask;
        this.onother(session);
      }
    } catch (problem) {
      this.form.showProblem(problem);
    }
    this.#isStarting = false;
    this.form.label = this.session === null ? "Start" : "Start in a new tab";
  }

  /** @param {Session} session */
  watch(session) {
    this.#replace();
    this.session = session;
    if (this.isLive) this.form.ask = session.ask;
    this.form.label = "Start in a new tab";
    this.element.classList.add("running");
    this.#starter.hidden = true;
    this.#watching.hidden = false;
    this.#build(session);
    session.onchange = () => this.#refresh();
    this.#clock = window.setInterval(() => this.#isShown && this.#drawStatus(), 1000);
    session.run();
    if (this.#isShown) this.show();
    this.onchange();
  }

  /** Lets go of the recording that is shown again with other tests. */
  #replace() {
    if (this.session === null) return;
    this.session.onchange = () => {};
    this.session.stop?.();
    this.find = this.#search?.text ?? this.find;
    this.#detail.close();
    this.#flames.close();
    this.#chart?.stop();
    this.#context?.stop();
    clearInterval(this.#clock);
  }

  /** Adds a test to the predicate, to be started by the user; to those of a recording at once. */
  narrow(test) {
    if (!this.isLive) return this.ontest(test);
    this.form.box.text = narrowed(this.form.box.text, test);
    this.form.box.focus();
    this.say("Added to the predicate; Enter starts it");
    this.onchange();
  }

  togglePause() {
    if (this.#list === null) return;
    if (this.#list.isPaused) this.#list.resume();
    else this.#list.pause();
    this.say(this.#list.isPaused ? "Paused: new events are kept" : "Resumed");
  }

  open(number) {
    const row = this.session?.store.at(number);
    this.#list?.select(number);
    this.#detail.open(row);
  }

  /** Closes what is open; whether anything was. */
  closeDetail() {
    const open = [this.#detail, this.#waterfall, this.#flames].find(({ isOpen }) => isOpen);
    open?.close();
    if (open !== undefined) this.#list?.element.focus();
    return open !== undefined;
  }

  /** Shows the request of the selected row. */
  openRequest() {
    if (this.#list === null || this.session === null) return;
    this.#detail.close();
    if (!this.#waterfall.open(this.session.store, this.#list.selected)) this.say("Select a row that is in a span");
  }

  /** Shows where the time of all matching requests goes. */
  openFlames() {
    if (this.session === null) return;
    this.#detail.close();
    this.#flames.open(this.session.flames);
  }

  copyOpened() {
    if (this.#list === null || this.session === null) return;
    const row = this.session.store.at(this.#list.selected);
    if (row?.kind === "event") copy(row.raw).then(() => this.say("Event copied as JSON"));
  }

  // Before there is a session.

  #tellCoverage(coverage) {
    this.#coverage = coverage;
    if (this.session === null) this.#drawStarter();
    else this.#parts.could.textContent = coverage === null || this.form.box.text === this.session.ask.q ? "" : coverageWords(coverage);
  }

  #drawStarter() {
    if (this.session !== null) return;
    const parts = this.#coverage !== null ? [coverageList(this.#coverage)] : [];
    const words = element("p", { class: "words" }, "Type a predicate, or start from one of these. No session is opened before you start.");
    this.#starter.replaceChildren(...(parts.length > 0 ? parts : [words]), ...this.#suggestions());
  }

  #suggestions() {
    const catalog = known();
    const field = WHOSE.flatMap((begin) => catalog.fields.filter((name) => name.startsWith(begin)))[0] ?? catalog.fields[0] ?? "user";
    const target = catalog.targets.find((name) => name.includes("::")) ?? catalog.targets[0];
    const examples = [
      [`${nameText(field)} = 42`, `whatever happens to this ${visible(field)}`],
      ["@level >= warn", "what is going wrong, anywhere"],
      ...(target === undefined ? [] : [[`@target = ${valueText(target)}`, "one part of the service"]]),
      ["*", "everything"],
    ];
    const last = recent();
    return [
      section("Examples", examples.map(([text, what]) => this.#suggestion(text, what))),
      ...(last.length > 0 ? [section("Recent, in this browser", last.map((text) => this.#suggestion(text, "")), button("Clear", () => (forgetAll(), this.#drawStarter()), { class: "quiet" }))] : []),
    ];
  }

  #suggestion(text, what) {
    const use = () => {
      this.form.box.text = text;
      this.form.box.focus();
      this.onchange();
    };
    return element("li", {}, button(visible(text), use, { class: "suggestion" }), element("span", {}, what));
  }

  // While there is one.

  #build(session) {
    const list = (this.#list = new List(session.store, `Matches of ${session.ask.q}`));
    const search = (this.#search = new Search(session.store));
    this.#chart = new Chart(session.rates, session.isRecording ? "the end" : "now");
    this.#chart.onpick = (second) => this.#goToSecond(second);
    list.onopen = (number) => this.open(number);
    list.onview = () => this.#drawWaiting();
    list.ondraw = (lines) => this.#isShown && search.mark(lines);
    search.onfound = (number) => list.reveal(number);
    search.onchange = () => (list.redraw(), this.onchange());
    search.onleave = () => list.element.focus();
    this.#detail.onclose = () => this.closeDetail();
    this.#detail.onrequest = () => this.openRequest();
    this.#waterfall.onclose = () => this.closeDetail();
    this.#flames.onclose = () => this.closeDetail();
    this.#waterfall.onpick = (number) => this.open(number);
    this.#detail.onnarrow = (test) => this.narrow(test);
    this.#detail.ondone = (words) => this.say(words);
    if (this.find !== "") search.text = this.find;
    const banner = session.banner === undefined ? [] : [session.banner.element];
    this.#context = session.isRecording ? null : new Context(session.ask);
    const context = this.#context === null ? [] : [this.#context.element];
    this.#watching.replaceChildren(...banner, this.#statusBar(), ...context, this.#chart.element, this.#body(list));
  }

  #statusBar() {
    const part = (name, tag = "span", attributes = {}) => (this.#parts[name] = element(tag, { class: name, ...attributes }));
    part("pause", "button", { type: "button", onclick: () => this.togglePause(), "aria-keyshortcuts": "p" });
    part("stop", "button", { type: "button", onclick: () => this.#stopOrReadHere() });
    return element("div", { class: "status" },
      element("div", { class: "told" }, part("state"), part("counts"), part("ends"), part("could"), part("said", "span", { "aria-hidden": "true" })),
      this.#search?.element,
      element("div", { class: "actions" }, part("flames", "button", { type: "button", onclick: () => this.openFlames(), "aria-keyshortcuts": "f", hidden: true }), this.#parts.pause, this.#parts.stop, this.#menu()));
  }

  #menu() {
    const menu = /** @type {HTMLDetailsElement} */ (element("details", { class: "menu" }));
    const entry = (label, run) => button(label, () => {
      menu.open = false;
      run();
    });
    const entries = this.isLive
      ? [entry("Copy as curl", () => this.copyCurl()), entry("Copy a link to this view", () => this.copyLink())]
      : [entry("Copy as a command", () => this.copyCommand())];
    menu.append(element("summary", {}, "Export"), element("div", { class: "panel" }, entry("Download as NDJSON", () => this.download()), ...entries));
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      event.stopPropagation();
      menu.open = false;
    });
    return menu;
  }

  download() {
    if (this.session !== null) download(this.session.store, this.title);
  }

  async copyCurl() {
    await copy(curlOf(this.session?.ask ?? this.form.ask));
    this.say("Copied; it reads the token from $TOKEN");
  }

  /** A command that shows the recording with the same tests. */
  async copyCommand() {
    await this.session?.banner?.copyCommand();
    this.say("Command copied");
  }

  async copyLink() {
    if (!this.isLive) return this.say("A recording is a file: there is no link to it");
    await copy(linkTo(this.linked));
    this.say("Link copied; it contains no token");
  }

  #body(list) {
    const head = element("div", { class: "head", "aria-hidden": "true" }, ...COLUMNS.map((name) => element("span", {}, name)));
    this.#parts.empty = element("div", { class: "empty" });
    this.#parts.waiting = button("", () => this.#toEnd(), { class: "waiting", hidden: true });
    this.#parts.left = element("div", { class: "left" });
    const listing = element("div", { class: "listing" }, head, this.#parts.left, list.element, this.#parts.empty, this.#parts.waiting, this.#waterfall.element, this.#flames.element);
    return element("div", { class: "split" }, listing, this.#detail.element);
  }

  #toEnd() {
    this.#list?.follow();
    this.#list?.element.focus();
  }

  #stopOrReadHere() {
    if (this.session?.state === "superseded") this.session.readHere();
    else this.session?.close();
  }

  #goToSecond(second) {
    const store = this.session?.store;
    if (store === undefined) return;
    for (let number = store.first; number < store.end; number += 1) {
      const row = store.at(number);
      if (row?.kind === "event" && row.second >= second) return this.#list?.reveal(number);
    }
  }

  #refresh() {
    if (this.session === null) return;
    if (this.#isShown) {
      this.#list?.refresh();
      this.#search?.goOn();
      this.#drawSoon();
    }
    this.#tellState();
  }

  #lastState = "";

  #tellState() {
    const { state, detail } = /** @type {Session} */ (this.session);
    if (state === this.#lastState) return;
    this.#lastState = state;
    if (this.session?.isOver) this.#context?.stop();
    this.#announcer.textContent = detail || WORDS[state];
    this.onchange();
  }

  #drawTimer = 0;

  #drawSoon() {
    this.#drawTimer ||= window.setTimeout(() => {
      this.#drawTimer = 0;
      this.#drawStatus();
    }, 200);
  }

  #drawStatus() {
    const session = /** @type {Session} */ (this.session);
    const { state, detail, store, received, lost, keptBack, isOver } = session;
    write(this.#parts.state, detail && state !== "live" ? `${WORDS[state]}: ${detail}` : WORDS[state]);
    this.#parts.state.dataset.state = state;
    write(this.#parts.counts, [counted(received, "event"), lost > 0 ? `${grouped(lost)} lost` : "", ...keptBackWords(keptBack)].filter(Boolean).join(" · "));
    this.#parts.counts.classList.toggle("lossy", lost > 0);
    write(this.#parts.ends, isOver ? "" : endsIn(session.about.expires_at));
    write(this.#parts.left, store.left > 0 ? `${grouped(store.left)} older events have left this page` : "");
    this.#parts.left.hidden = store.left === 0;
    write(this.#parts.stop, state === "superseded" ? "Read here" : "Stop");
    this.#parts.stop.hidden = isOver;
    write(this.#parts.flames, "Flame chart");
    this.#parts.flames.hidden = session.flames.isEmpty;
    session.banner?.draw();
    this.#drawWaiting();
    this.#drawEmpty(session);
  }

  #drawWaiting() {
    const list = /** @type {List} */ (this.#list);
    const { waiting, isPaused, isFollowing } = list;
    write(this.#parts.pause, isPaused ? "Resume" : "Pause");
    this.#parts.pause.setAttribute("aria-pressed", String(isPaused));
    this.#parts.waiting.hidden = isFollowing && !isPaused;
    const rows = waiting === 0 ? "no new rows" : counted(waiting, "new row");
    write(this.#parts.waiting, isPaused ? `Paused · ${rows} waiting · P resumes` : `Not following · ${rows} · End returns`);
  }

  #drawEmpty({ store, state, detail, about }) {
    const box = this.#parts.empty;
    const isEmpty = store.length === 0;
    if (box.hidden === !isEmpty && box.dataset.state === state) return;
    box.hidden = !isEmpty;
    box.dataset.state = state;
    if (!isEmpty) return;
    const what = this.isLive ? "session" : "recording";
    const words = { live: "Watching. Nothing has matched yet.", recording: "The recording has no such event.", refused: `The ${what} cannot be read: ${visible(detail)}` }[state] ?? WORDS[state];
    box.replaceChildren(element("p", { class: "words" }, words), ...(about.coverage ? [coverageList(about.coverage)] : []));
  }
}

/** What is there already is not written again: nothing is laid out for it. */
function write(part, text) {
  if (part.textContent !== text) part.textContent = text;
}

function endsIn(expiresAt) {
  if (!expiresAt) return "";
  const seconds = Math.max(0, Math.round((Date.parse(expiresAt) - now()) / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const clock = `${String(minutes).padStart(hours > 0 ? 2 : 1, "0")}:${String(seconds % 60).padStart(2, "0")}`;
  return `ends in ${hours > 0 ? `${hours}:${clock}` : clock}`;
}

function section(title, items, ...more) {
  return element("section", { class: "suggestions" }, element("h3", {}, title), element("ul", {}, ...items), ...more);
}
