// The sessions that are open in one's name, wherever they were opened: to be read here, or closed.

import { ask, askForJson } from "./api.js";
import { button, element, grouped, visible } from "./dom.js";
import { keptBackWords, Session } from "./session.js";

/** @param {import("./tabs.js").Tabs} tabs */
export function prepare(tabs) {
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("owned"));
  const body = /** @type {HTMLElement} */ (dialog.querySelector(".body"));
  const draw = async () => {
    try {
      const { sessions } = await askForJson("GET", "sessions");
      body.replaceChildren(sessions.length === 0 ? element("p", { class: "none" }, "No open sessions.") : list(sessions));
    } catch (problem) {
      body.replaceChildren(element("p", { class: "wrong", role: "alert" }, visible(problem.message)));
    }
  };
  const list = (sessions) => element("ul", { class: "sessions" }, ...sessions.map(entry));
  const entry = (about) => {
    const own = tabs.all.find(({ session }) => session?.about.id === about.id);
    const close = async () => {
      await ask("DELETE", `sessions/${about.id}`).catch(() => {});
      await draw();
    };
    const read = () => {
      dialog.close();
      if (own !== undefined) tabs.show(own);
      else tabs.fresh().watch(new Session(askOf(about), about, { isFound: true }));
    };
    const words = element("div", {}, element("strong", {}, visible(about.name ?? about.predicate)), about.name === null ? null : element("code", {}, visible(about.predicate)), element("small", {}, told(about)));
    const show = about.outlives_connection ? button(own === undefined ? "Read here" : "Show", read) : null;
    return element("li", {}, words, element("div", { class: "actions" }, show, button("Close", close, { "aria-label": `Close ${visible(about.predicate)}` })));
  };
  return async () => {
    body.replaceChildren();
    dialog.showModal();
    await draw();
  };
}

/** What a session was asked for, as far as the endpoint shows it. */
function askOf({ predicate, level, follow, spans, timings, name }) {
  return { q: predicate, level: level ?? undefined, follow, spans: spans ?? undefined, timings: timings || undefined, name: name ?? undefined };
}

function told({ opened_by, opened_at, level, spans, is_read, has_ended, stats }) {
  const bounds = `${level ? ` · events up to ${level}` : ""}${spans ? ` · spans up to ${spans}` : ""}`;
  const missing = [stats.lost > 0 ? `${grouped(stats.lost)} lost` : "", ...keptBackWords(stats.missing)].filter(Boolean);
  const state = has_ended ? "over" : is_read ? "being read" : "no reader";
  return `${visible(opened_by)} · since ${opened_at.slice(11, 19)} UTC${bounds} · ${state} · ${[`${grouped(stats.matched)} matched`, ...missing].join(", ")}`;
}
