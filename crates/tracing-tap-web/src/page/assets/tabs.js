// Sessions side by side: a tab for each, and one for what is to be started next.

import { button, element, visible } from "./dom.js";
import { show } from "./link.js";
import { View } from "./view.js";

export class Tabs {
  #bar = /** @type {HTMLElement} */ (document.getElementById("tabs"));
  #views = /** @type {HTMLElement} */ (document.getElementById("views"));
  /** @type {{ view: View, tab: HTMLElement }[]} */
  #all = [];
  /** @type {View | null} */
  active = null;

  constructor() {
    this.#bar.addEventListener("keydown", (event) => this.#pressed(event));
  }

  get all() {
    return this.#all.map(({ view }) => view);
  }

  /** A new tab, which is shown. */
  add() {
    return this.#insert(new View());
  }

  /** A new tab for a recording, which is shown. */
  addRecording() {
    return this.#insert(new View({ isLive: false }));
  }

  #insert(view) {
    const tab = this.#tabOf(view);
    this.#all.push({ view, tab });
    this.#bar.append(tab);
    this.#views.append(view.element);
    view.onchange = () => this.#changed();
    view.onother = (session) => this.add().watch(session);
    this.show(view);
    return view;
  }

  /** The tab in which nothing was started, or a new one. */
  fresh() {
    const view = this.all.find(({ isLive, session }) => isLive && session === null);
    if (view === undefined) return this.add();
    this.show(view);
    return view;
  }

  show(view) {
    if (this.active !== view) this.active?.hide();
    this.active = view;
    view.show();
    this.#changed();
  }

  /** Shows the tab that is so many further. */
  step(by) {
    const at = this.#all.findIndex(({ view }) => view === this.active);
    this.show(this.#all[(at + by + this.#all.length) % this.#all.length].view);
  }

  /** Closes the tab of a recording, and shows a live one. */
  leave(view) {
    const live = this.all.findLast(({ isLive }) => isLive);
    if (live === undefined) this.add();
    else this.show(live);
    this.close(view);
  }

  close(view) {
    const at = this.#all.findIndex((known) => known.view === view);
    const [{ tab }] = this.#all.splice(at, 1);
    tab.remove();
    view.leave();
    if (this.#all.length === 0) this.add();
    else if (this.active === view) this.show(this.#all[Math.max(0, at - 1)].view);
  }

  #tabOf(view) {
    const name = element("button", { type: "button", role: "tab", class: "name", "aria-controls": view.id, "aria-keyshortcuts": "Delete", onclick: () => this.show(view) });
    const close = button("×", () => this.close(view), { class: "close", title: "Close the tab and its session (Delete, on the tab)", tabindex: "-1" });
    return element("div", { class: "tab", role: "presentation" }, name, close);
  }

  #changed() {
    for (const { view, tab } of this.#all) {
      const [name, close] = /** @type {HTMLElement[]} */ ([...tab.children]);
      const title = visible(view.title);
      if (name.textContent !== title) name.textContent = title;
      close.setAttribute("aria-label", `Close ${title}`);
      tab.dataset.state = view.state;
      name.setAttribute("aria-selected", String(view === this.active));
      name.tabIndex = view === this.active ? 0 : -1;
    }
    if (this.active === null) return;
    show(this.active.linked);
    document.title = this.active.session === null ? "tracing-tap" : `${this.active.title} · tracing-tap`;
  }

  #pressed(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by === undefined && event.key !== "Delete") return;
    event.preventDefault();
    if (by === undefined) return this.active === null ? undefined : this.close(this.active);
    this.step(by);
    const name = /** @type {HTMLElement} */ (this.#all.find(({ view }) => view === this.active)?.tab.firstChild);
    name.focus();
  }
}
