// The page begins here.

import * as files from "./files.js";
import * as keys from "./keys.js";
import { readFragment } from "./link.js";
import * as owned from "./owned.js";
import { Tabs } from "./tabs.js";
import * as theme from "./theme.js";
import * as token from "./token.js";

theme.prepare(/** @type {HTMLButtonElement} */ (document.getElementById("theme")));
token.prepare();

// The address is read before a tab writes its own into it.
const linked = readFragment(location.hash);
const tabs = new Tabs();
tabs.add();
open(linked);
keys.prepare(tabs, owned.prepare(tabs), files.prepare(tabs));

// A link that was put into the address of the page that is open.
addEventListener("hashchange", () => open(readFragment(location.hash)));

// Without this, sessions would stay open without a reader until the endpoint closes them.
addEventListener("pagehide", () => tabs.all.forEach(({ session }) => session?.abandon()));

/** Shows the view of a link. A link starts nothing: its user sees the predicate first. */
function open({ ask, find }) {
  if (ask.q === "") return;
  const view = tabs.fresh();
  view.form.ask = ask;
  view.find = find;
  view.form.box.focus();
}
