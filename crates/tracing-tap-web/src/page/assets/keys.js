// The keyboard: every key, what it does, and the page that tells.

import { element } from "./dom.js";

/**
 * @param {import("./tabs.js").Tabs} tabs
 * @param {() => void} showOwned
 * @param {() => void} openFile
 */
export function prepare(tabs, showOwned, openFile) {
  const help = /** @type {HTMLDialogElement} */ (document.getElementById("help"));
  const view = () => /** @type {import("./view.js").View} */ (tabs.active);
  const list = () => view().list;
  const keys = [
    ["e", "edit the predicate", () => view().form.box.focus()],
    ["Enter", "start (in the predicate), open a row (in the list)", null],
    ["/", "find in what was received; Enter, Shift+Enter: next, before", () => view().search?.focus()],
    ["↓ ↑ j k", "the next row, the one before", null],
    ["Home", "the oldest row", null],
    ["End", "the newest row; follow again", () => list()?.follow()],
    ["p", "pause; resume", () => view().togglePause()],
    ["w", "the waterfall of the selected row's request; arrows move in it", () => view().openRequest()],
    ["f", "the flame chart: where the time of all matching requests goes", () => view().openFlames()],
    ["c", "copy the selected row as JSON", () => view().copyOpened()],
    ["d", "download as NDJSON", () => view().download()],
    ["l", "copy a link to this view", () => view().copyLink()],
    ["n", "new tab", () => tabs.fresh().form.box.focus()],
    ["[ ]", "previous tab, next tab", null],
    ["Delete", "close the tab and its session (on the tab)", null],
    ["s", "all my sessions", showOwned],
    ["o", "open a recording; it can be dropped on the page as well", openFile],
    ["X", "stop the session", () => view().session?.close()],
    ["Esc", "close the open panel", null],
    ["?", "this help", () => help.showModal()],
  ];
  /** @type {HTMLElement} */ (help.querySelector(".body")).append(element("dl", {}, ...keys.flatMap(([key, words]) => [
    element("dt", {}, ...key.split(" ").map((one) => element("kbd", {}, one))), element("dd", {}, words)])));
  document.getElementById("show-help")?.addEventListener("click", () => help.showModal());
  document.getElementById("show-owned")?.addEventListener("click", showOwned);
  document.getElementById("open-file")?.addEventListener("click", openFile);
  document.getElementById("add-tab")?.addEventListener("click", () => tabs.fresh());

  /** What only makes sense among rows. */
  const inList = {
    ArrowDown: () => list()?.move(1), j: () => list()?.move(1), ArrowUp: () => list()?.move(-1), k: () => list()?.move(-1),
    PageDown: () => list()?.move(list()?.page ?? 0), PageUp: () => list()?.move(-(list()?.page ?? 0)), Home: () => list()?.select(0),
    Enter: () => view().open(list()?.selected ?? -1),
  };
  const anywhere = new Map([...keys.filter(([, , run]) => run !== null).map(([key, , run]) => [key, run]), ["[", () => tabs.step(-1)], ["]", () => tabs.step(1)]]);
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") !== null) return;
    if (event.key === "Escape") return leave(view());
    if (isTyping(event.target)) return;
    const isInList = list()?.element.contains(event.target) || event.target === document.body;
    const run = (isInList ? inList[event.key] : undefined) ?? anywhere.get(event.key);
    if (run === undefined) return;
    event.preventDefault();
    run();
  });
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.querySelector(".dismiss")?.addEventListener("click", () => dialog.close());
  }
}

/** Out of what is open, then out of a field. */
function leave(view) {
  if (view.closeDetail()) return;
  if (view.list !== null) view.list.element.focus();
}

function isTyping(target) {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}
