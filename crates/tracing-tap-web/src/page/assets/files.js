// Recordings that the user opens: with the button, or by dropping them anywhere on the page.

import { Recording } from "./recording.js";

/** @param {import("./tabs.js").Tabs} tabs */
export function prepare(tabs) {
  const input = /** @type {HTMLInputElement} */ (document.getElementById("file"));
  const open = (files) => [...files].forEach((file) => show(file, [], tabs.addRecording()));
  const show = (file, tests, view) => {
    const recording = new Recording(file, tests);
    recording.banner.onleave = () => tabs.leave(view);
    recording.banner.ontests = (left) => show(file, left, view);
    view.ontest = (test) => show(file, [...tests.filter((known) => known !== test), test], view);
    view.watch(recording);
  };
  input.addEventListener("change", () => {
    open(input.files ?? []);
    // So that the same file can be chosen again.
    input.value = "";
  });
  acceptDrops(open);
  return () => input.click();
}

function acceptDrops(open) {
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  const mark = (isOver) => document.body.classList.toggle("dropping", isOver);
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    mark(true);
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget === null && mark(false));
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    mark(false);
    // A recording needs no token: the dialog would cover it.
    document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.dispatchEvent(new Event("cancel", { cancelable: true })) && /** @type {HTMLDialogElement} */ (dialog).close());
    open(event.dataTransfer?.files ?? []);
  });
}
