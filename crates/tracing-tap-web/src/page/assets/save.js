// Exports received events: to the clipboard, to a file, to a terminal.

import { address } from "./api.js";

/** Puts a text on the clipboard, also where the page is not served by HTTPS. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyBySelection(text);
  }
}

function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "aside";
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** The same session by `curl`; the user sets `$TOKEN`. */
export function curlOf(ask) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(ask)) {
    if (value !== undefined && value !== "") parameters.set(name, String(value));
  }
  const url = `${address("watch")}?${parameters}`;
  return `curl -N -H "Authorization: Bearer $TOKEN" ${inShell(url)}`;
}

function inShell(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Lines of JSON, exactly as they came, with the losses between them; before and behind them how many are not there. */
export function download(store, name) {
  const note = (text) => JSON.stringify({ type: "note", text });
  const lines = store.left > 0 ? [note(`${store.left} older events were dropped from the page`), "\n"] : [];
  for (let number = store.first; number < store.end; number += 1) {
    const row = store.at(number);
    if (row?.kind === "event") lines.push(row.raw, "\n");
    else if (row !== undefined) lines.push(note(row.text), "\n");
  }
  if (store.refused > 0) lines.push(note(`${store.refused} events arrived while the view was held, and the page has no room for them`), "\n");
  const file = new Blob(lines, { type: "application/x-ndjson" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `${name.replace(/[^\p{L}\p{N}_.-]+/gu, "-").slice(0, 60) || "session"}.ndjson`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
